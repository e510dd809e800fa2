"""`aws-sdk:` integrations, named as by the Java SDK: those in JSON through ministack, the others through botocore."""

from typing import Any

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError
from ministack.services import stepfunctions as service

from local_aws.exports.permissions import acting_as
from local_aws.stepfunctions import dynamodb_calls
from local_aws.stepfunctions.errors import RUNTIME, StateError, state_error
from local_aws.stepfunctions.scope import compact_json
from local_aws.stepfunctions.sdk_clients import S3, client_of
from local_aws.stepfunctions.sdk_metadata import sdk_cause
from local_aws.stepfunctions.sdk_shapes import error_name, java_name, to_request, to_result

DYNAMODB = "dynamodb"
# Exceptions of S3 that the models of most operations that raise them do not list.
S3_EXCEPTIONS = ("NoSuchBucket", "NoSuchKey", "NoSuchUpload")
WRONG_SIGNATURE = (
    "The request signature we calculated does not match the signature you provided. Check your key and signing method."
)


def call(resource: str, given: Any, role_arn: str) -> Any:
    """The operation's output in Step Functions' spelling. Raises StateError named `<Service>.<Exception>`."""
    service_name, _, action = resource.removeprefix("arn:aws:states:::aws-sdk:").partition(":")
    given = given or {}
    if service_name == DYNAMODB:
        return _call_dynamodb(resource, action, given, role_arn)
    if service._AWS_SDK_SERVICE_MAP.get(service_name, {}).get("protocol", "json") != "json":
        return _call_botocore(service_name, action, given, role_arn)
    with acting_as(role_arn):
        return _call_ministack(resource, service_name, action, given)


def _call_dynamodb(resource: str, action: str, given: dict[str, Any], role_arn: str) -> Any:
    invalid = dynamodb_calls.invalid_member(action, given)
    if invalid is not None:
        raise state_error("DynamoDb.DynamoDbException", sdk_cause(invalid, "DynamoDb", 400))
    with acting_as(role_arn):
        answer = _call_ministack(resource, DYNAMODB, action, dynamodb_calls.with_epoch_times(action, given))
    return dynamodb_calls.with_short_times(action, answer)


def _call_ministack(resource: str, service_name: str, action: str, given: dict[str, Any]) -> Any:
    try:
        return service._invoke_aws_sdk_integration(resource, given)
    except StateError as error:
        raise _renamed(service_name, action, error) from error


def _renamed(service_name: str, action: str, error: Any) -> Exception:
    """Causes name the service; DynamoDB's errors that its model lacks have one name for all."""
    if error.error == RUNTIME:
        return state_error(RUNTIME, error.cause)
    prefix, _, code = error.error.partition(".")
    code = code.rsplit("#", 1)[-1]
    if service_name == DYNAMODB and code not in dynamodb_calls.modelled_errors(action):
        code = "DynamoDbException"
    if not code.endswith("Exception"):
        code += "Exception"
    return state_error(f"{prefix}.{code}", sdk_cause(error.cause, prefix, 400))


def _call_botocore(service_name: str, action: str, given: dict[str, Any], role_arn: str) -> Any:
    client = client_of(service_name, role_arn)
    method = xform_name(action)
    if method not in client.meta.method_to_api_mapping:
        raise state_error(RUNTIME, f"aws-sdk:{service_name}:{action} is not an operation of the service")
    operation = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[method])
    parameters = to_request(_s3_parameters(given) if service_name == S3 else given, operation.input_shape)
    prefix = service._AWS_SDK_ERROR_PREFIX.get(service_name, service_name.capitalize())
    try:
        answer = getattr(client, method)(**parameters)
    except ClientError as error:
        raise _failure(prefix, operation, error) from error
    except BotoCoreError as error:
        raise state_error(f"{prefix}.SdkClientException", str(error)) from error
    return {} if operation.output_shape is None else to_result(answer, operation.output_shape, java_name)


def _s3_parameters(given: dict[str, Any]) -> dict[str, Any]:
    """A Body is written as JSON, also when it is a text, with the Java SDK's content type for texts.

    A CopySource has to be encoded by the caller.
    """
    if not str(given.get("CopySource", "")).isascii():
        raise state_error("S3.S3Exception", sdk_cause(WRONG_SIGNATURE, "S3", 403, is_extended=True))
    if "Body" not in given:
        return given
    return {"ContentType": "text/plain; charset=UTF-8", **given, "Body": compact_json(given["Body"])}


def _failure(prefix: str, operation: Any, error: ClientError) -> Exception:
    """Errors that the operation's model lacks all have the service's own name."""
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    error_fields = error.response["Error"]
    message, name = error_fields.get("Message", ""), error_name(error_fields["Code"], operation)
    if operation.name == "HeadObject" and status == 404:
        name, message = "NoSuchKeyException", "null"
    elif prefix == "S3" and error_fields["Code"] in S3_EXCEPTIONS:
        name = f"{error_fields['Code']}Exception"
    cause = sdk_cause(message, prefix, status, is_extended=prefix == "S3")
    return state_error(f"{prefix}.{name or f'{prefix}Exception'}", cause)

"""`aws-sdk:` integrations: S3 through botocore, others through ministack, named as by the Java SDK."""

import json
import os
from datetime import datetime
from functools import cache
from typing import Any

import botocore.session
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.handlers import handle_copy_source_param
from ministack.core.responses import get_region
from ministack.services import stepfunctions as service

from local_aws.exports.permissions import acting_as
from local_aws.role_permissions import Credentials, credentials_of
from local_aws.stepfunctions import dynamodb_calls
from local_aws.stepfunctions.errors import RUNTIME, StateError, state_error
from local_aws.stepfunctions.sdk_metadata import sdk_cause

S3 = "s3"
DYNAMODB = "dynamodb"
MAXIMUM_BODY_BYTES = 262_144
WRONG_SIGNATURE = (
    "The request signature we calculated does not match the signature you provided. Check your key and signing method."
)


def call(resource: str, given: Any, role_arn: str) -> Any:
    """The operation's output in Step Functions' spelling. Raises StateError named `<Service>.<Exception>`."""
    service_name, _, action = resource.removeprefix("arn:aws:states:::aws-sdk:").partition(":")
    given = given or {}
    if service_name == S3:
        return _call_s3(action, given, role_arn)
    if service_name == DYNAMODB:
        return _call_dynamodb(resource, action, given, role_arn)
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


def _call_s3(action: str, given: dict[str, Any], role_arn: str) -> Any:
    client = _s3_client(credentials_of(role_arn), get_region())
    operation = getattr(client, xform_name(action), None)
    if operation is None:
        raise state_error(RUNTIME, f"aws-sdk:s3:{action} is not an operation of S3")
    try:
        answer = operation(**_s3_parameters(given))
    except ClientError as error:
        raise _s3_failure(action, error) from error
    except BotoCoreError as error:
        raise state_error("S3.SdkClientException", str(error)) from error
    answer.pop("ResponseMetadata", None)
    return {name: _plain(value) for name, value in answer.items()}


@cache
def _s3_client(credentials: Credentials, region: str) -> Any:
    client: Any = botocore.session.Session().create_client(
        S3,
        region_name=region,
        endpoint_url=f"http://127.0.0.1:{os.environ['GATEWAY_PORT']}",
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret_key,
        aws_session_token=credentials.token,
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, max_pool_connections=50),
    )
    # The source goes out as it is given, where botocore would encode it once more.
    client.meta.events.unregister("before-parameter-build.s3.CopyObject", handle_copy_source_param)
    client.meta.events.unregister("before-parameter-build.s3.UploadPartCopy", handle_copy_source_param)
    return client


def _s3_parameters(given: dict[str, Any]) -> dict[str, Any]:
    """A Body that is no text is written as JSON. A CopySource has to be encoded by the caller."""
    given = dict(given)
    if not isinstance(given.get("Body", ""), str):
        given["Body"] = json.dumps(given["Body"], ensure_ascii=False, separators=(",", ":"))
    if not str(given.get("CopySource", "")).isascii():
        raise state_error("S3.S3Exception", sdk_cause(WRONG_SIGNATURE, "S3", 403, is_extended=True))
    return given


def _s3_failure(action: str, error: ClientError) -> Exception:
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    modelled = {
        "NoSuchKey",
        "NoSuchBucket",
        "BucketAlreadyExists",
        "BucketAlreadyOwnedByYou",
        "NoSuchUpload",
        "InvalidObjectState",
        "ObjectNotInActiveTierError",
        "ObjectAlreadyInActiveTierError",
    }
    if action == "headObject" and status == 404:
        code, message = "NoSuchKey", "null"
    name = f"{code}Exception" if code in modelled else "S3Exception"
    return state_error(f"S3.{name}", sdk_cause(message, "S3", status, is_extended=True))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if hasattr(value, "read"):
        return value.read().decode("utf-8", errors="replace")
    return value

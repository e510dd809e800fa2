"""The optimised integrations of SQS, SNS and EventBridge: sending messages and events."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError

from local_aws.stepfunctions.errors import state_error
from local_aws.stepfunctions.scope import Scope, compact_json
from local_aws.stepfunctions.sdk_clients import client_of
from local_aws.stepfunctions.sdk_metadata import optimised_cause, with_metadata
from local_aws.stepfunctions.sdk_shapes import capitalised, error_name, to_request, to_result


@dataclass(frozen=True)
class _Service:
    """How Step Functions names a service in errors and causes, and the type of its answers."""

    prefix: str
    cause_name: str
    content_type: str


SERVICES = {
    "sqs": _Service("SQS", "AmazonSQS", "application/x-amz-json-1.0"),
    "sns": _Service("SNS", "AmazonSNS", "text/xml"),
    "events": _Service("EventBridge", "AmazonEventBridge", "application/x-amz-json-1.1"),
}


# Where ministack says more than AWS.
MESSAGES = {("SNS", "NotFound"): "Topic does not exist"}


def call(resource: str, given: dict[str, Any], scope: Scope) -> dict[str, Any]:
    """`sqs:sendMessage` or `sns:publish`. Raises StateError."""
    name, action = resource.split(":")[5:7]
    if name == "sqs" and not urlsplit(str(given.get("QueueUrl", ""))).scheme:
        message = f"Unable to execute HTTP request: {given.get('QueueUrl')}: Name or service not known"
        raise state_error("SQS.SdkClientException", message)
    return _call(name, action, given, scope.run.role_arn)


def put_events(given: dict[str, Any], scope: Scope) -> dict[str, Any]:
    """`events:putEvents`, whose events name the execution. Raises StateError, also when only some entries fail."""
    arns = [scope.run.context["StateMachine"]["Id"], scope.run.context["Execution"]["Id"]]
    entries = [{**entry, "Resources": [*entry.get("Resources", []), *arns]} for entry in given.get("Entries", [])]
    result = _call("events", "putEvents", {**given, "Entries": entries}, scope.run.role_arn)
    if result["FailedEntryCount"]:
        message = {name: result[name] for name in ("Entries", "FailedEntryCount")}
        raise state_error("EventBridge.FailedEntry", compact_json(message))
    return result


def _call(name: str, action: str, given: dict[str, Any], role_arn: str) -> dict[str, Any]:
    """The result with metadata."""
    client = client_of(name, role_arn)
    operation = client.meta.service_model.operation_model(capitalised(action))
    service = SERVICES[name]
    try:
        answer = getattr(client, xform_name(action))(**to_request(given, operation.input_shape))
    except ClientError as error:
        raise _failure(service, operation, error) from error
    except BotoCoreError as error:
        raise state_error(f"{service.prefix}.SdkClientException", str(error)) from error
    length = str(answer["ResponseMetadata"]["HTTPHeaders"].get("content-length", ""))
    headers = {"Content-Length": length, "Content-Type": service.content_type}
    return with_metadata(to_result(answer, operation.output_shape, capitalised), headers=headers)


def _failure(service: _Service, operation: Any, error: ClientError) -> Exception:
    error_fields = error.response["Error"]
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    name = error_name(error_fields["Code"], operation) or f"{service.cause_name}Exception"
    message = MESSAGES.get((service.prefix, error_fields["Code"]), error_fields.get("Message", ""))
    cause = optimised_cause(message, service.cause_name, status, error_fields["Code"])
    return state_error(f"{service.prefix}.{name}", cause)

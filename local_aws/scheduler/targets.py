"""Calls of targets and dead-letter queues, made over HTTP with the rights of the target's role."""

import json
import os
from functools import cache
from typing import Any

import botocore.session
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from ministack.core.responses import get_account_id, get_region
from ministack.services import eventbridge

from local_aws.role_permissions import Credentials, credentials_of
from local_aws.scheduler.invocations import Exhausted, Invocation, TargetError

UNIVERSAL = "arn:aws:scheduler:::aws-sdk:"
SERVICE_NAMES = {"sfn": "stepfunctions"}


def deliver(invocation: Invocation) -> None:
    """Call the target. Raises TargetError."""
    target = invocation.target
    arn, text = target["Arn"], invocation.input_text()
    if arn.startswith(UNIVERSAL):
        _call_universal(target, text)
    elif is_state_machine(arn):
        _call(target["RoleArn"], "stepfunctions", "StartExecution", {"stateMachineArn": arn, "input": text})
    else:
        _deliver_without_role(invocation, text)


def is_state_machine(arn: str) -> bool:
    """Whether the target is a state machine."""
    return arn.split(":")[2:3] == ["states"]


def service_and_operation(arn: str) -> tuple[str, str]:
    """What a universal target calls, named as botocore does. Raises TargetError."""
    name, _, action = arn.removeprefix(UNIVERSAL).partition(":")
    service = SERVICE_NAMES.get(name, name)
    operation = f"{action[:1].upper()}{action[1:]}"
    if operation not in _operation_names(service):
        raise TargetError("ValidationException", f"Invalid RequestParameter: {arn} is not supported.")
    return service, operation


def send_dead_letter(invocation: Invocation, queue_arn: str, error: TargetError, exhausted: Exhausted) -> None:
    """Put what could not be delivered into the dead-letter queue. Raises TargetError."""
    _, _, _, _, account_id, name = queue_arn.split(":")
    attributes = {
        "ERROR_CODE": error.code,
        "ERROR_MESSAGE": str(error) or error.code,
        "EXECUTION_ID": invocation.execution_id,
        "EXHAUSTED_RETRY_CONDITION": exhausted.value,
        "IS_PAYLOAD_TRUNCATED": "false",
        "RETRY_ATTEMPTS": str(invocation.attempts - 1),
        "SCHEDULED_TIME": invocation.scheduled_time,
        "SCHEDULE_ARN": invocation.schedule["Arn"],
        "TARGET_ARN": invocation.target["Arn"],
    }
    message = {
        "QueueUrl": f"{_endpoint()}/{account_id}/{name}",
        "MessageBody": invocation.input_text(),
        "MessageAttributes": {each: {"DataType": "String", "StringValue": value} for each, value in attributes.items()},
    }
    _call(invocation.target["RoleArn"], "sqs", "SendMessage", message)


def _call_universal(target: dict[str, Any], text: str) -> None:
    """The input is the request, its members spelled in PascalCase."""
    service, operation = service_and_operation(target["Arn"])
    try:
        given = json.loads(text)
    except ValueError as error:
        raise TargetError("SerializationException", f"The input is not JSON: {error}") from error
    if not isinstance(given, dict):
        raise TargetError("SerializationException", "The input is not a JSON object")
    shape = _model(service).operation_model(operation).input_shape
    spelled: dict[str, str] = {name.lower(): name for name in (shape.members if shape else ())}
    request = {spelled.get(str(name).lower(), str(name)): value for name, value in given.items()}
    _call(target["RoleArn"], service, operation, request)


def _call(role_arn: str, service: str, operation: str, parameters: dict[str, Any]) -> None:
    client = _client(service, credentials_of(role_arn), get_region())
    try:
        getattr(client, xform_name(operation))(**parameters)
    except ClientError as error:
        raise TargetError(error.response["Error"]["Code"], error.response["Error"].get("Message", "")) from error
    except BotoCoreError as error:
        raise TargetError("ValidationException", str(error)) from error


@cache
def _model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


def _operation_names(service: str) -> list[str]:
    try:
        return list(_model(service).operation_names)
    except BotoCoreError:
        return []


@cache
def _client(service: str, credentials: Credentials, region: str) -> Any:
    return botocore.session.get_session().create_client(
        service,
        region_name=region,
        endpoint_url=_endpoint(),
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret_key,
        aws_session_token=credentials.token,
        config=Config(retries={"total_max_attempts": 1}, inject_host_prefix=False),
    )


def _endpoint() -> str:
    return f"http://127.0.0.1:{os.environ['GATEWAY_PORT']}"


def _deliver_without_role(invocation: Invocation, text: str) -> None:
    """Other targets are ministack's: it looks at no role and tells of no failure."""
    event = {
        "EventId": invocation.execution_id,
        "Source": "aws.scheduler",
        "DetailType": "Scheduled Event",
        "Detail": "{}",
        "Time": invocation.scheduled_at,
        "Resources": [invocation.schedule["Arn"]],
        "Account": get_account_id(),
        "Region": get_region(),
    }
    eventbridge._invoke_target({**invocation.target, "Input": text}, event, invocation.schedule)

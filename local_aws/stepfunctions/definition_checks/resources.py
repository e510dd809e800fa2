"""What a Task state calls: whether there is such a resource, and whether it takes these arguments."""

from functools import cache
from typing import Any

from ministack.services.stepfunctions import _service_model

from local_aws.stepfunctions.argument_checks import ANY_JSON, OPTIMISED
from local_aws.stepfunctions.definition_checks.fields import JSONATA
from local_aws.stepfunctions.definition_checks.report import Report, is_expression_like
from local_aws.stepfunctions.dynamodb_calls import OPERATIONS

SDK = "aws-sdk:"
CALLBACK = ".waitForTaskToken"
SYNC = (".sync:2", ".sync")
# An invocation's further fields are refused when the task runs.
CHECKED_AT_RUN_TIME = "lambda:"
# Where the SDK's model asks for more than the API's does.
MORE_REQUIRED = {"aws-sdk:s3:putObject": ("Body",)}
# https://docs.aws.amazon.com/step-functions/latest/dg/integrate-optimized.html: of those that local AWS runs, the
# operations; of the others, the names.
INTEGRATIONS: dict[str, tuple[str, ...]] = {
    "athena": ("startQueryExecution", "stopQueryExecution", "getQueryExecution", "getQueryResults"),
    "dynamodb": tuple(OPERATIONS),
    "events": ("putEvents",),
    "lambda": ("invoke",),
    "sns": ("publish",),
    "sqs": ("sendMessage",),
    "states": ("startExecution",),
}
OTHER_INTEGRATIONS = frozenset(
    (
        *("apigateway", "batch", "bedrock", "codebuild", "databrew", "ecs", "eks", "elasticmapreduce"),
        *("emr-containers", "emr-serverless", "glue", "http", "mediaconvert", "sagemaker", "s3"),
    )
)
NOT_RECOGNIZED = (
    "The resource provided {} is not recognized. The value is not a valid resource ARN, "
    "or the resource is not available in this region."
)


def check_task(state: dict[str, Any], language: str, in_express: bool, location: str, report: Report) -> None:
    """Report the faults of a Task state's resource, credentials and arguments."""
    _check_credentials(state, location, report)
    resource = state.get("Resource")
    if "Resource" not in state or not report.is_a(resource, str, f"{location}/Resource"):
        return
    path = f"{location}/Resource"
    parts = str(resource).split(":")
    integration = ":".join(parts[5:])
    if parts[0] != "arn" or len(parts) < 6 or not _is_known(parts, _action(integration)):
        report.schema(NOT_RECOGNIZED.format(resource), path)
    elif in_express and parts[2] == "states":
        _check_in_express(parts, path, report)
    if parts[2:5] == ["states", "", ""]:
        field = "Arguments" if language == JSONATA else "Parameters"
        _check_arguments(_action(integration), state.get(field), f"{location}/{field}", report)


def _check_credentials(state: dict[str, Any], location: str, report: Report) -> None:
    credentials = state.get("Credentials")
    if isinstance(credentials, dict) and not {"RoleArn", "RoleArn.$"} & set(credentials):
        report.schema("The field 'RoleArn' is required but was missing", f"{location}/Credentials")


def _action(integration: str) -> str:
    for ending in (CALLBACK, *SYNC):
        integration = integration.removesuffix(ending)
    return integration


def _is_known(parts: list[str], action: str) -> bool:
    if parts[2:5] != ["states", "", ""]:
        return True
    service, _, operation = action.partition(":")
    if service in INTEGRATIONS:
        return operation in INTEGRATIONS[service]
    if f"{service}:" != SDK and service not in OTHER_INTEGRATIONS:
        return False
    return not action.startswith(SDK) or _model(action) is None or _input_shape(action) is not None


def _check_in_express(parts: list[str], location: str, report: Report) -> None:
    name = ":".join(parts[5:])
    if name.startswith("activity:"):
        report.schema("Express state machine does not support Activity ARN", location)
    elif name.endswith(CALLBACK):
        # The space is AWS's.
        report.schema(f"Express state machine does not support '{CALLBACK}' service integration ", location)
    elif name.endswith(SYNC):
        report.schema("Express state machine does not support '.sync' service integration", location)


def _check_arguments(action: str, given: Any, location: str, report: Report) -> None:
    shape = _input_shape(action)
    if shape is None or not isinstance(given, dict | None):
        return
    arguments = {name.removesuffix(".$"): None if name.endswith(".$") else each for name, each in (given or {}).items()}
    missing = [name for name in _required(action) if name not in arguments]
    for name in missing:
        report.schema(f"The field '{name}' is required but was missing", location)
    if not missing:
        for fault in _faults(arguments, shape, not action.startswith(CHECKED_AT_RUN_TIME)):
            report.schema(fault, location)


@cache
def _required(action: str) -> tuple[str, ...]:
    """The fields that must be there, but for tokens that the SDK makes itself."""
    members = _input_shape(action).members
    model = _input_shape(action).required_members
    own = [_capital(name) for name in model if "idempotencyToken" not in members[name].metadata]
    return (*own, *MORE_REQUIRED.get(action, ()))


def _faults(given: dict[str, Any], shape: Any, is_closed: bool = True) -> list[str]:
    members = {_capital(name): each for name, each in shape.members.items()}
    found = []
    for name, value in given.items():
        plain = name.removesuffix(".$")
        if plain in members:
            found += [] if plain != name else _value_faults(name, value, members[name])
        elif is_closed:
            found.append(_unknown_message(plain, members))
    return found


def _unknown_message(name: str, members: dict[str, Any]) -> str:
    likely = next((each for each in members if each.lower() == name.lower()), None)
    return f'The field "{name}" is not supported by Step Functions' + (f". Did you mean '{likely}'?" if likely else "")


def _value_faults(name: str, value: Any, shape: Any) -> list[str]:
    if value is None or name in ANY_JSON or is_expression_like(value):
        return []
    inner: list[tuple[Any, Any]] = []
    if shape.type_name == "structure" and isinstance(value, dict):
        return _faults(value, shape)
    if shape.type_name == "map" and isinstance(value, dict):
        inner = [(each, shape.value) for each in value.values()]
    elif shape.type_name == "list" and isinstance(value, list):
        inner = [(each, shape.member) for each in value]
    elif shape.type_name == "string" and not isinstance(value, str):
        return [f"The value for the field '{name}' must be a STRING"]
    elif shape.type_name == "integer" and type(value) is not int:
        return [f"The value for the field '{name}' must be an INTEGER"]
    return [fault for each, member in inner for fault in _value_faults(name, each, member)]


@cache
def _input_shape(action: str) -> Any:
    model = _model(action)
    name = _capital(action.rpartition(":")[2])
    return model.operation_model(name).input_shape if model is not None and name in model.operation_names else None


@cache
def _model(action: str) -> Any:
    """The service's model, or None where its name in Step Functions is not known here."""
    known = (service for beginning, service in OPTIMISED.items() if f"arn:aws:states:::{action}".startswith(beginning))
    service = next(known, None) or (action.split(":")[1] if action.startswith(SDK) else None)
    return None if service is None else _service_model(service)


def _capital(name: str) -> str:
    return f"{name[:1].upper()}{name[1:]}"

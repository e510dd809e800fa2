"""A Task's arguments against the parameters of what it calls, as Step Functions checks them before the call."""

from functools import cache
from typing import Any

from ministack.services.stepfunctions import _service_model

from local_aws.stepfunctions.errors import RUNTIME
from local_aws.stepfunctions.scope import Scope, compact_json

OPTIMISED = {
    "arn:aws:states:::athena:": "athena",
    "arn:aws:states:::dynamodb:": "dynamodb",
    "arn:aws:states:::lambda:": "lambda",
    "arn:aws:states:::states:": "stepfunctions",
    "arn:aws:states:::aws-sdk:athena:": "athena",
    "arn:aws:states:::aws-sdk:dynamodb:": "dynamodb",
    "arn:aws:states:::aws-sdk:sfn:": "stepfunctions",
}

# Values that are not texts are written as JSON.
ANY_JSON = frozenset(("Input", "Payload"))


def check_arguments(resource: str, given: Any, scope: Scope) -> None:
    """Raises States.Runtime for a field that the operation has not, and for a text that is none."""
    shape = _input_shape(resource.removesuffix(".waitForTaskToken").removesuffix(".sync:2").removesuffix(".sync"))
    if shape is None or not isinstance(given, dict):
        return
    faults = _faults(given, shape)
    if faults:
        message = f"The Parameters '{compact_json(given)}' could not be used to start the Task: [{', '.join(faults)}]"
        raise scope.failure(RUNTIME, message)


@cache
def _input_shape(resource: str) -> Any:
    for beginning, service in OPTIMISED.items():
        if resource.startswith(beginning):
            model = _service_model(service)
            action = resource.removeprefix(beginning)
            name = f"{action[:1].upper()}{action[1:]}"
            known = model is not None and name in model.operation_names
            return model.operation_model(name).input_shape if known else None
    return None


def _faults(value: Any, shape: Any) -> list[str]:
    if shape.type_name == "structure" and isinstance(value, dict):
        members = _members(shape)
        return [fault for name, each in value.items() for fault in _member_faults(name, each, members.get(name))]
    if shape.type_name == "map" and isinstance(value, dict):
        inner = shape.value
        return [fault for each in value.values() for fault in _faults(each, inner)]
    if shape.type_name == "list" and isinstance(value, list):
        inner = shape.member
        return [fault for each in value for fault in _faults(each, inner)]
    return []


def _member_faults(name: str, value: Any, shape: Any) -> list[str]:
    if shape is None:
        return [f"The field '{name}' is not supported by Step Functions"]
    if name in ANY_JSON or value is None:
        return []
    if shape.type_name != "string":
        return _faults(value, shape)
    return [] if isinstance(value, str) else [f"The value for the field '{name}' must be a STRING"]


_known_members: dict[str, dict[str, Any]] = {}


def _members(shape: Any) -> dict[str, Any]:
    """The structure's members by their names in Step Functions, which begin with a capital."""
    if shape.name not in _known_members:
        _known_members[shape.name] = {f"{name[0].upper()}{name[1:]}": each for name, each in shape.members.items()}
    return _known_members[shape.name]

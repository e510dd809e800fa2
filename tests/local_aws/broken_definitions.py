"""Definitions to break, and what Step Functions says about a broken one."""

from __future__ import annotations

from typing import Any, NamedTuple

Json = dict[str, Any]
PASS: Json = {"Type": "Pass", "End": True}
END: Json = {"StartAt": "Inner", "States": {"Inner": PASS}}
LAMBDA = "arn:aws:states:::lambda:invoke"
PUT_OBJECT = "arn:aws:states:::aws-sdk:s3:putObject"
RFC3339 = "String does not match RFC3339 timestamp"
ALONE = "States.ALL must appear alone and at end of list"
ONE_CHOICE = "The object must have only one of the following fields, [And, Or, Not, Variable, Condition]"


class Broken(NamedTuple):
    """A definition, and the beginning of its diagnostics: codes are SCHEMA_VALIDATION_FAILED unless named."""

    title: str
    definition: Json
    expected: str
    location: str | None
    code: str = "SCHEMA_VALIDATION_FAILED"
    machine_type: str = "STANDARD"


def machine(state: Json, language: str = "JSONata", **more: Any) -> Json:
    """A definition of one state, S, and one that it may go to, T."""
    continues = "Next" in state or "Choices" in state or "Catch" in state
    states = {"S": state, **({"T": PASS} if continues else {})}
    return {"QueryLanguage": language, "StartAt": "S", "States": states, **more}


def task(**more: Any) -> Json:
    return machine({"Type": "Task", "Resource": LAMBDA, "Arguments": {"FunctionName": "f"}, "End": True, **more})


def path_task(**more: Any) -> Json:
    state = {"Type": "Task", "Resource": LAMBDA, "Parameters": {"FunctionName": "f"}, "End": True, **more}
    return machine(state, "JSONPath")


def calling(resource: str, arguments: Json) -> Json:
    return machine({"Type": "Task", "Resource": resource, "Arguments": arguments, "End": True})


def mapping(config: Json | None = None, **more: Any) -> Json:
    processor = {**END, **({"ProcessorConfig": config} if config else {})}
    return machine({"Type": "Map", "ItemProcessor": processor, "End": True, **more})


def distributed(**more: Any) -> Json:
    return mapping({"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}, **more)


def reading(config: Json, resource: str = "arn:aws:states:::s3:getObject") -> Json:
    reader = {"Resource": resource, "ReaderConfig": config, "Arguments": {"Bucket": "b", "Key": "k"}}
    return distributed(ItemReader=reader)


def choosing(*rules: Json, language: str = "JSONata") -> Json:
    return machine({"Type": "Choice", "Choices": list(rules), "Default": "T"}, language)


def retrying(**more: Any) -> Json:
    return task(Retry=[{"ErrorEquals": ["E"], **more}])


def waiting(**more: Any) -> Json:
    return machine({"Type": "Wait", "End": True, **more})


def output(expression: str) -> Json:
    return machine({**PASS, "Output": {"v": expression}})


def without(definition: Json, *path: str) -> Json:
    """The definition without the field at this path."""
    name, *rest = path
    if rest:
        return {**definition, name: without(definition[name], *rest)}
    return {key: value for key, value in definition.items() if key != name}


def inner(field: str, workflow: Any) -> Json:
    kind = "Parallel" if field == "Branches" else "Map"
    return machine({"Type": kind, field: workflow, "End": True})

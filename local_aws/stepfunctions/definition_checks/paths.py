"""Paths, and the templates whose fields end in `.$`, of JSONPath states."""

import re
from typing import Any

from local_aws.stepfunctions.definition_checks.report import Report

NULLABLE = ("InputPath", "OutputPath", "ResultPath")
REFERENCES = ("ResultPath", "ItemsPath")
WITH_FUNCTIONS = ("ErrorPath", "CausePath")
PATHS = (
    *("InputPath", "OutputPath", *REFERENCES, *WITH_FUNCTIONS),
    *("SecondsPath", "TimestampPath", "TimeoutSecondsPath", "HeartbeatSecondsPath"),
    *("MaxConcurrencyPath", "ToleratedFailurePercentagePath", "ToleratedFailureCountPath"),
)
TEMPLATES = ("Parameters", "ResultSelector", "ItemSelector")
FUNCTIONS = (
    *("Format", "StringToJson", "JsonToString", "StringSplit", "UUID", "Hash", "JsonMerge", "MathRandom", "MathAdd"),
    *("Array", "ArrayPartition", "ArrayContains", "ArrayRange", "ArrayGetItem", "ArrayLength", "ArrayUnique"),
    *("Base64Encode", "Base64Decode"),
)
CALL = re.compile(rf"States\.({'|'.join(FUNCTIONS)})\(.*\)", re.DOTALL)
# A reference path leads to one place.
SEVERAL_VALUES = re.compile(r"[*?@]|\.\.")


def check_paths(state: dict[str, Any], location: str, report: Report) -> None:
    """Report what is no path in a JSONPath state."""
    for name in PATHS:
        if name in state and not (name in NULLABLE and state[name] is None):
            _check_path(name, state[name], f"{location}/{name}", report)
    for index, catcher in enumerate(state["Catch"] if isinstance(state.get("Catch"), list) else []):
        if isinstance(catcher, dict) and catcher.get("ResultPath") is not None:
            _check_path("ResultPath", catcher["ResultPath"], f"{location}/Catch[{index}]/ResultPath", report)
    for name in TEMPLATES:
        _check_template(state.get(name), f"{location}/{name}", report)


def _check_path(name: str, value: Any, location: str, report: Report) -> None:
    if not report.is_a(value, str, location):
        return
    if name in WITH_FUNCTIONS and CALL.fullmatch(value):
        return
    if not value.startswith("$"):
        report.schema("Value must be a valid JSONPath.", location)
    elif name in REFERENCES and SEVERAL_VALUES.search(re.sub(r"'[^']*'", "", value)):
        report.schema("Value is not a Reference Path", location)


def _check_template(value: Any, location: str, report: Report) -> None:
    if isinstance(value, list):
        for index, each in enumerate(value):
            _check_template(each, f"{location}[{index}]", report)
    if not isinstance(value, dict):
        return
    for name, each in value.items():
        if not name.endswith(".$"):
            _check_template(each, f"{location}/{name}", report)
        elif not (isinstance(each, str) and (each.startswith("$") or CALL.fullmatch(each))):
            message = f"The value for the field '{name}' must be a valid JSONPath or a valid intrinsic function call"
            report.schema(message, location)

"""The rules of a Choice state."""

from typing import Any

from local_aws.stepfunctions.definition_checks.fields import JSONATA, misplaced, misplaced_message
from local_aws.stepfunctions.definition_checks.report import Report
from local_aws.stepfunctions.definition_checks.scalars import NOT_A_TIMESTAMP, is_timestamp

ORDERS = ("Equals", "LessThan", "GreaterThan", "LessThanEquals", "GreaterThanEquals")
KINDS: dict[str, type] = {"String": str, "Numeric": float, "Timestamp": str}
TYPE_TESTS = ("IsNull", "IsPresent", "IsNumeric", "IsString", "IsBoolean", "IsTimestamp")
OPERANDS: dict[str, type] = {
    **{f"{kind}{order}": python for kind, python in KINDS.items() for order in ORDERS},
    "BooleanEquals": bool,
    "StringMatches": str,
    **dict.fromkeys(TYPE_TESTS, bool),
}
PATHS = tuple(f"{each}Path" for each in OPERANDS if each not in ("StringMatches", *TYPE_TESTS))
COMPARISONS = (*OPERANDS, *PATHS)
SELECTORS = ("And", "Or", "Not", "Variable", "Condition")
TOP = ("Next", "Comment", "Assign", "Output")
NOT_A_PATH = "Value is not a Reference Path: Reference path didn't start with '$'"


def check_choices(state: dict[str, Any], language: str, location: str, report: Report) -> None:
    """Report the faults of a Choice state's rules."""
    path = f"{location}/Choices"
    if "Choices" not in state or not report.is_filled_list(state["Choices"], path):
        return
    for index, rule in enumerate(state["Choices"]):
        if report.is_a(rule, dict, f"{path}[{index}]"):
            report.required(rule, ("Next",), f"{path}[{index}]")
            _check_rule(rule, language, TOP, f"{path}[{index}]", report)


def _check_rule(rule: dict[str, Any], language: str, more: tuple[str, ...], location: str, report: Report) -> None:
    for name in misplaced(rule, language):
        report.schema(misplaced_message(name, language), location)
    report.unsupported(rule, (*more, *SELECTORS, *COMPARISONS, "Comment"), location)
    if sum(name in rule for name in SELECTORS) != 1:
        message = ", ".join(SELECTORS)
        report.schema(f"The object must have only one of the following fields, [{message}]", location)
    elif language == JSONATA:
        _check_condition(rule, location, report)
    elif "Variable" in rule:
        _check_comparison(rule, location, report)
    else:
        _check_nested(rule, language, location, report)


def _check_condition(rule: dict[str, Any], location: str, report: Report) -> None:
    condition = rule.get("Condition")
    if not isinstance(condition, bool):
        report.is_a(condition, str, f"{location}/Condition")


def _check_nested(rule: dict[str, Any], language: str, location: str, report: Report) -> None:
    if isinstance(rule.get("Not"), dict):
        _check_rule(rule["Not"], language, (), f"{location}/Not", report)
    for name in ("And", "Or"):
        if name in rule and report.is_filled_list(rule[name], f"{location}/{name}"):
            for index, each in enumerate(rule[name]):
                path = f"{location}/{name}[{index}]"
                if report.is_a(each, dict, path):
                    _check_rule(each, language, (), path, report)


def _check_comparison(rule: dict[str, Any], location: str, report: Report) -> None:
    given = tuple(name for name in COMPARISONS if name in rule)
    if len(given) > 1:
        report.at_most_one(rule, given, location)
    elif not given:
        message = ", ".join(COMPARISONS)
        report.schema(f"This object should have only one of the following fields: [{message}]", location)
    for name in ("Variable", *(each for each in given if each in PATHS)):
        path = rule[name]
        if report.is_a(path, str, f"{location}/{name}") and not path.startswith("$"):
            report.schema(NOT_A_PATH, f"{location}/{name}")
    for name in given:
        if name in OPERANDS:
            _check_operand(name, rule[name], f"{location}/{name}", report)


def _check_operand(name: str, value: Any, location: str, report: Report) -> None:
    kind = OPERANDS[name]
    is_right = report.is_a(float(value) if kind is float and type(value) is int else value, kind, location)
    if is_right and name.startswith("Timestamp") and not is_timestamp(value):
        report.schema(NOT_A_TIMESTAMP, location)

"""Retry and Catch."""

from typing import Any

from local_aws.stepfunctions.definition_checks.fields import misplaced, misplaced_message
from local_aws.stepfunctions.definition_checks.report import Report
from local_aws.stepfunctions.definition_checks.scalars import RETRY_NUMBERS, check_numbers

ALL = "States.ALL"
RETRIER = ("ErrorEquals", "Comment", "JitterStrategy", *RETRY_NUMBERS)
CATCHER = ("ErrorEquals", "Comment", "Next", "ResultPath", "Output", "Assign")


def check_retries(state: dict[str, Any], language: str, location: str, report: Report) -> None:
    """Report the faults of a state's Retry and Catch."""
    for field in ("Retry", "Catch"):
        if field in state and report.is_a(state[field], list, f"{location}/{field}"):
            for index, entry in enumerate(state[field]):
                path = f"{location}/{field}[{index}]"
                if report.is_a(entry, dict, path):
                    _check_errors(entry, index == len(state[field]) - 1, path, report)
                    (_check_retrier if field == "Retry" else _check_catcher)(entry, language, path, report)


def _check_errors(entry: dict[str, Any], is_last: bool, location: str, report: Report) -> None:
    report.required(entry, ("ErrorEquals",), location)
    path = f"{location}/ErrorEquals"
    if "ErrorEquals" not in entry or not report.is_filled_list(entry["ErrorEquals"], path):
        return
    for index, name in enumerate(entry["ErrorEquals"]):
        report.is_a(name, str, f"{path}[{index}]")
    if ALL in entry["ErrorEquals"] and not (is_last and entry["ErrorEquals"] == [ALL]):
        report.schema(f"{ALL} must appear alone and at end of list", path)


def _check_retrier(entry: dict[str, Any], _language: str, location: str, report: Report) -> None:
    report.unsupported(entry, RETRIER, location)
    check_numbers(entry, RETRY_NUMBERS, None, location, report)
    if "JitterStrategy" in entry:
        report.one_of(entry["JitterStrategy"], ("NONE", "FULL"), f"{location}/JitterStrategy")


def _check_catcher(entry: dict[str, Any], language: str, location: str, report: Report) -> None:
    report.unsupported(entry, CATCHER, location)
    report.required(entry, ("Next",), location)
    for name in misplaced(entry, language):
        report.schema(misplaced_message(name, language), location)

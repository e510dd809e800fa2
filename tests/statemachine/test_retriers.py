"""Tasks that call one service retry alike, and every caught error is recorded in one form.

A retrier that is in no table here is either a mistake or needs a name, with the reason why the others do not fit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.statemachine.definitions import NAMES, all_states, definition

LAMBDA = "lambda:invoke"
DYNAMODB = "dynamodb:"
DYNAMODB_SDK = "aws-sdk:dynamodb:"
S3_SDK = "aws-sdk:s3:"
SFN_SDK = "aws-sdk:sfn:"
EXECUTIONS = "states:startExecution"
ATHENA = "athena:startQueryExecution"


def retrier(*errors: str, first: int, attempts: int, longest: int) -> dict[str, Any]:
    """`first` and `longest`: seconds between attempts."""
    return {
        "ErrorEquals": list(errors),
        "IntervalSeconds": first,
        "MaxAttempts": attempts,
        "BackoffRate": 2,
        "MaxDelaySeconds": longest,
        "JitterStrategy": "FULL",
    }


def of_dynamodb(*more: str, first: int, attempts: int, longest: int) -> dict[str, Any]:
    errors = ("ProvisionedThroughputExceededException", "RequestLimitExceeded", "ThrottlingException", *more)
    return retrier(*(f"DynamoDB.{each}" for each in errors), first=first, attempts=attempts, longest=longest)


def with_timeout(each: dict[str, Any]) -> dict[str, Any]:
    return each | {"ErrorEquals": [*each["ErrorEquals"], "States.Timeout"]}


FAILURES = ("InternalServerError", "SdkClientException")
SFN = ("Sfn.ThrottlingException", "Sfn.SdkClientException", "Sfn.SfnException")
START = tuple(
    f"StepFunctions.{each}"
    for each in (
        "ExecutionLimitExceeded",
        "ExecutionLimitExceededException",
        "ThrottlingException",
        "SdkClientException",
    )
)
# What each service's tasks may have, by what they are for.
RETRIERS: dict[str, dict[str, dict[str, Any]]] = {
    LAMBDA: {
        "no free function, in a Standard execution": retrier(
            "Lambda.TooManyRequestsException", first=2, attempts=99_999_999, longest=300
        ),
        "no free function, in an Express execution": retrier(
            "Lambda.TooManyRequestsException", first=1, attempts=45, longest=5
        ),
        "failures of Lambda": retrier(
            "Lambda.ClientExecutionTimeoutException",
            "Lambda.ServiceException",
            "Lambda.AWSLambdaException",
            "Lambda.SdkClientException",
            "Lambda.Unknown",
            "Runtime.ExitError",
            "Sandbox.Timedout",
            "ServiceUnavailableError",
            first=2,
            attempts=5,
            longest=60,
        ),
        "the table throttles: on-demand tables grow slowly": retrier(
            "ThrottledError", first=15, attempts=10, longest=300
        ),
        "a plan that is a function of its input": retrier("States.Timeout", first=2, attempts=5, longest=60),
    },
    DYNAMODB: {
        "an item that the run depends on": with_timeout(of_dynamodb(*FAILURES, first=2, attempts=8, longest=60)),
        "the stop flag, which the next batch reads again": with_timeout(
            of_dynamodb(*FAILURES, first=1, attempts=3, longest=8)
        ),
        "a row, whose PutItem has no time to lose": retrier(
            "DynamoDB.ProvisionedThroughputExceededException",
            "DynamoDB.RequestLimitExceeded",
            "DynamoDB.RequestLimitExceededException",
            "DynamoDB.ThrottlingException",
            "DynamoDB.InternalServerError",
            "DynamoDB.InternalServerErrorException",
            "DynamoDB.SdkClientException",
            first=1,
            attempts=8,
            longest=30,
        ),
        "progress, which nothing depends on": of_dynamodb(first=1, attempts=2, longest=4),
        "progress, added only if it was not added before": retrier(
            "DynamoDB.ProvisionedThroughputExceededException",
            "DynamoDB.ThrottlingException",
            first=1,
            attempts=2,
            longest=4,
        ),
    },
    DYNAMODB_SDK: {
        "any call": retrier(
            "DynamoDb.ProvisionedThroughputExceededException",
            "DynamoDb.RequestLimitExceededException",
            "DynamoDb.ThrottlingException",
            "DynamoDb.InternalServerErrorException",
            "DynamoDb.SdkClientException",
            "States.Timeout",
            first=2,
            attempts=8,
            longest=60,
        ),
        "too many exports at a time": retrier("DynamoDb.LimitExceededException", first=2, attempts=8, longest=60),
        "an export that cannot start yet": retrier(
            "DynamoDb.LimitExceededException", "DynamoDb.InvalidExportTimeException", first=30, attempts=5, longest=300
        ),
    },
    S3_SDK: {
        "an object of the run": retrier("S3.SdkClientException", "S3.S3Exception", first=1, attempts=4, longest=20),
        "the source, whose S3Exception may be final": retrier("S3.SdkClientException", first=1, attempts=4, longest=20),
        "an object of many, whose S3Exception the item records": retrier(
            "S3.SdkClientException", first=1, attempts=3, longest=8
        ),
    },
    SFN_SDK: {
        "a call at the end of a run": retrier(*SFN, first=1, attempts=4, longest=30),
        "an execution that the ledger names": retrier(
            "Sfn.SfnException",
            "Sfn.SdkClientException",
            "Sfn.ThrottlingException",
            "States.Timeout",
            first=2,
            attempts=8,
            longest=60,
        ),
    },
    EXECUTIONS: {
        "an execution of the user's": retrier(*START, first=1, attempts=8, longest=60),
        "an execution of Sluice's": with_timeout(retrier(*START, first=2, attempts=8, longest=60)),
    },
    ATHENA: {
        "a query": retrier(
            "Athena.TooManyRequestsException",
            "Athena.InternalServerException",
            "Athena.SdkClientException",
            first=5,
            attempts=10,
            longest=120,
        ),
    },
}


def tasks() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for machine in NAMES:
        for name, state in all_states(definition(machine)):
            if state["Type"] == "Task":
                yield machine, name, state


def retriers(service: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Without comments, with the state that has them."""
    for machine, name, state in tasks():
        if state["Resource"].partition(":::")[2].startswith(service):
            for each in state["Retry"]:
                yield f"{machine}: {name}", {key: value for key, value in each.items() if key != "Comment"}


@pytest.mark.parametrize("service", RETRIERS)
def test_tasks_of_a_service_have_its_retriers(service: str) -> None:
    known = list(RETRIERS[service].values())
    assert [(state, each) for state, each in retriers(service) if each not in known] == []


@pytest.mark.parametrize("service", RETRIERS)
def test_every_retrier_is_used(service: str) -> None:
    used = [each for _, each in retriers(service)]
    assert [purpose for purpose, each in RETRIERS[service].items() if each not in used] == []


def test_every_task_calls_a_known_service() -> None:
    resources = {state["Resource"].partition(":::")[2] for *_, state in tasks()}
    assert [each for each in resources if not each.startswith(tuple(RETRIERS))] == []


def test_caught_errors_are_recorded_in_one_form() -> None:
    """`name` is the error's name and `message` its cause as a string; nothing else is called by these names."""
    found = []
    for machine in NAMES:
        for name, state in all_states(definition(machine)):
            for catcher in state.get("Catch", ()):
                for key, recorded in {**catcher.get("Assign", {}), **_members(catcher.get("Output"))}.items():
                    if key in ("error", "failure", "processFailure") and isinstance(recorded, dict):
                        found += [f"{machine}: {name}"] if recorded.keys() != {"name", "message"} else []
    assert found == []


def _members(output: object) -> dict[str, Any]:
    return output if isinstance(output, dict) else {}


def test_maps_of_athena_map_retry_and_catch_alike() -> None:
    """The three readers of Step Functions need three Maps. Only the reader and the names of states differ."""
    by_name = dict(all_states(definition("athena_map")))
    for name, state in by_name.items():
        if name.endswith("Csv"):
            for suffix in ("Json", "Parquet"):
                other = by_name[f"{name.removesuffix('Csv')}{suffix}"]
                assert state.get("Retry") == other.get("Retry"), name
                assert len(state.get("Catch", ())) == len(other.get("Catch", ())), name

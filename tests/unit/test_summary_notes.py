"""Where a run was planned otherwise than its input asks for, its plan, its summary and the command line say so."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from sluice.aws.clients import lambda_client
from sluice.runs.paths import Run
from sluice.runs.undone import ItemsDone
from sluice.workflows.athena_map.summary import RowsSummary
from sluice.workflows.distinct_keys.summary import KeysSummary, Processed, Scanned
from sluice.workflows.object_aggregate.batch_outcomes import BatchOutcomes
from sluice.workflows.object_aggregate.summary import Collected, ObjectsSummary
from sluice_cli.report import summary_lines
from tests.fixtures import fixture
from tests.unit.lambda_context import Context

BUCKET = "sluice-data-000000000000-us-east-1"
NOTE = "maxConcurrency for ranges: requested 50, used 5, because ..."
RUN = Run("w", "july", "arn:aws:states:us-east-1:000000000000:execution:w:july")
PLANNED = {"notes": [NOTE], "plan": None, "processor": {"type": "none"}}
LIMIT = {"AccountLimit": {"UnreservedConcurrentExecutions": 10}}
Json = dict[str, Any]


def keys() -> Json:
    return KeysSummary(RUN, BUCKET, PLANNED, Scanned(), 0, Processed(), None).to_state()


def rows() -> Json:
    return RowsSummary(RUN, BUCKET, PLANNED, None, None, None, ItemsDone(), None).to_state()


def objects() -> Json:
    collected = Collected.from_state(Collected.of(BatchOutcomes(RUN), 0).to_state() | {"notes": [NOTE]})
    return ObjectsSummary(RUN, BUCKET, collected, None, None).to_state()


@pytest.mark.parametrize("make", [keys, rows, objects])
def test_summary_has_the_notes_of_the_plan(make: Any) -> None:
    assert make()["notes"] == [NOTE]


@pytest.mark.parametrize("step", ["summarize_run", "summarize_transform"])
def test_summary_of_outcomes_has_them_too(step: str) -> None:
    with mock_aws():
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        event = fixture(step, "usual") | {"planned": None, "mapRun": None, "error": {"name": "X", "message": "x"}}
        handler = import_module(f"{step}.handler").lambda_handler
        assert handler(event, Context())["notes"] == []
        plan_object = {"bucket": BUCKET, "key": "plan.jsonl"}
        boto3.client("s3").put_object(Bucket=BUCKET, Key="plan.jsonl", Body=b"")
        planned = {"notes": [NOTE], "plan": plan_object, "transform": {"mode": "apply"}}
        assert handler(event | {"planned": planned}, Context())["notes"] == [NOTE]


@pytest.mark.parametrize(
    ("step", "changed", "requested", "used"),
    [
        ("plan_aggregation", {"maxConcurrency": 100}, 100, 5),
        ("plan_query", {"action": {"function": "my-function"}}, 50, 5),
        ("plan_scan", {"processor": {"function": "my-function"}}, 50, 5),
    ],
)
def test_plan_keeps_to_half_of_the_account(step: str, changed: Json, requested: int, used: int) -> None:
    with mock_aws():
        _make(step)
        event = fixture(step, "usual")
        planned = _handled(step, event | {"input": event["input"] | changed})
    assert planned["maxConcurrency"] == used
    assert any(f"requested {requested}, used {used}, because the account's" in note for note in planned["notes"])


@pytest.mark.parametrize(
    ("step", "changed"),
    [("plan_query", {}), ("plan_scan", {"processor": {"stateMachine": "my-machine"}})],
)
def test_children_that_call_no_function_are_not_held_back(step: str, changed: Json) -> None:
    with mock_aws():
        _make(step)
        event = fixture(step, "usual")
        planned = _handled(step, event | {"input": event["input"] | changed}, is_called=step == "plan_scan")
    assert planned["maxConcurrency"] == 50


def test_command_line_shows_the_notes() -> None:
    lines = summary_lines(keys())
    assert f"{'note':<13}{NOTE}" in lines


def _make(step: str) -> None:
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    if step == "plan_aggregation":
        request = fixture(step, "usual")["input"]
        boto3.client("s3").put_object(Bucket=BUCKET, Key=f"{request['prefix']}a.csv", Body=b"a")
    attribute = {"AttributeName": "id", "AttributeType": "S"}
    key = {"AttributeName": "id", "KeyType": "HASH"}
    for name, each in (("airports", "id"), ("runs-table", "run")):
        boto3.client("dynamodb").create_table(
            TableName=name,
            AttributeDefinitions=[attribute | {"AttributeName": each}],  # type: ignore[list-item]
            KeySchema=[key | {"AttributeName": each}],  # type: ignore[list-item]
            BillingMode="PAY_PER_REQUEST",
        )


def _handled(step: str, event: Json, *, is_called: bool = True) -> Json:
    with Stubber(lambda_client()) as stubber:
        if is_called:
            stubber.add_response("get_account_settings", LIMIT, {})
        planned: Json = import_module(f"{step}.handler").lambda_handler(event, Context())
        stubber.assert_no_pending_responses()
    return planned

"""distinct_keys as its users run it: the deployed state machine, functions and table on local AWS."""

from __future__ import annotations

import json
from itertools import count
from threading import Event, Thread
from typing import Any

import pytest

from local_aws import faults
from tests.local.deployed import RUN_SECONDS, Deployed
from tests.local.user_tables import SIZES, child_inputs, found_keys, new_table, put_items, user_item, users


def test_each_key_is_found_once(stack: Deployed) -> None:
    ended = stack.run("distinct_keys", {"table": new_table(stack, SIZES), "segments": 5})
    assert (ended.status, ended.summary["status"]) == ("SUCCEEDED", "COMPLETE"), ended
    assert users(found_keys(stack, ended.name)) == sorted(SIZES)
    assert ended.counts == (len(SIZES), 0, len(SIZES), 0, 0)
    assert ended.summary["scan"]["segments"] == 5
    assert ended.summary["capacity"]["readUnits"] > 0


def test_empty_table_has_no_keys(stack: Deployed) -> None:
    ended = stack.run("distinct_keys", {"table": new_table(stack, {}), "processor": "measure"})
    assert (ended.status, ended.counts) == ("SUCCEEDED", (0, 0, 0, 0, 0)), ended


def test_killed_workers_lose_and_repeat_nothing(stack: Deployed) -> None:
    table = new_table(stack, SIZES)
    faults.kill_worker(stack.aws, stack.outputs["ScanDistinctKeysFunctionName"], times=2)
    faults.fail_requests(stack.aws, "Scan", times=5)
    try:
        ended = stack.run("distinct_keys", {"table": table, "segments": 4})
    finally:
        faults.clear(stack.aws)
    assert (ended.status, ended.counts[0]) == ("SUCCEEDED", len(SIZES)), ended
    assert users(found_keys(stack, ended.name)) == sorted(SIZES)


def test_attempt_that_ends_after_the_run_changes_nothing(stack: Deployed) -> None:
    """A slice's invocation whose connection was lost, on a table that has lost most of its keys meanwhile."""
    sizes = {f"user-{number}": 1 for number in range(60)}
    table = new_table(stack, sizes)
    ended = stack.run("distinct_keys", {"table": table, "segments": 2})
    for user in sorted(sizes)[3:]:
        key: dict[str, Any] = {"UserRef": {"S": user}, "ConnectionId": {"N": "0"}}
        stack.dynamodb.delete_item(TableName=table, Key=key)
    for child in child_inputs(stack, ended.name, "segments"):
        repeated = stack.client("lambda").invoke(
            FunctionName=stack.outputs["ScanDistinctKeysFunctionName"], Payload=json.dumps(child).encode()
        )
        assert json.loads(repeated["Payload"].read())["counts"]["keys"] > 3
    assert users(found_keys(stack, ended.name)) == sorted(sizes)


def test_key_that_stays_is_found_while_the_table_is_written_to(stack: Deployed) -> None:
    stays = {f"stays-{number}": 5 for number in range(400)}
    table, has_begun, has_ended, rounds = new_table(stack, stays), Event(), Event(), count()

    def write() -> None:
        """Keys come and go, and keys that stay gain items."""
        while not has_ended.is_set():
            now = next(rounds)
            put_items(stack, table, [user_item(f"comes-{now}-{number}", 0) for number in range(5)])
            put_items(stack, table, [user_item(user, -now) for user in list(stays)[now % 400 :: 40]])
            leaver: dict[str, Any] = {"UserRef": {"S": f"comes-{now - 3}-0"}, "ConnectionId": {"N": "0"}}
            stack.dynamodb.delete_item(TableName=table, Key=leaver)
            has_begun.set()

    writer = Thread(target=write)
    writer.start()
    try:
        assert has_begun.wait(RUN_SECONDS)
        document = {"table": table, "segments": 3, "optimize": "cost", "maxReadUnitsPerSecond": 9}
        ended = stack.run("distinct_keys", document)
    finally:
        has_ended.set()
        writer.join()
    assert (ended.status, ended.summary["status"]) == ("SUCCEEDED", "COMPLETE"), ended
    found = users(found_keys(stack, ended.name))
    assert len(found) == len(set(found)) == ended.counts[0]
    assert set(stays) <= set(found)
    assert all(each.startswith(("stays-", "comes-")) for each in found)


def test_limit_is_the_run_s_for_the_children_of_both_maps(stack: Deployed) -> None:
    sizes = {f"user-{number}": 4 for number in range(60)}
    document = {
        "table": new_table(stack, sizes),
        "segments": 4,
        "processor": "measure",
        "batchSize": 6,
        "maxConcurrency": 4,
        "maxReadUnitsPerSecond": 75,
    }
    ended = stack.run("distinct_keys", document)
    assert (ended.status, ended.counts) == ("SUCCEEDED", (60, 60, 0, 0, 0)), ended
    scans = [each["scan"] for each in child_inputs(stack, ended.name, "segments")]
    measures = [each["BatchInput"]["scan"] for each in child_inputs(stack, ended.name, "keys")]
    assert (len(scans), len(measures)) == (4, 10)
    assert {each["runItem"]["workers"] for each in scans + measures} == {4}
    key = {"run": {"S": f"distinct_keys/{ended.name}"}}
    item = stack.dynamodb.get_item(TableName=stack.outputs["RunTable"], Key=key)["Item"]
    # All workers have left; each slice has sent a heartbeat at least.
    assert (item["readUnitsPerSecond"], float(item["workers"]["N"])) == ({"N": "75"}, 0)
    assert int(item["heartbeats"]["N"]) >= 14
    assert float(item["readUnits"]["N"]) == ended.summary["capacity"]["readUnits"]
    execution_arn = f"{stack.machine_arn('distinct_keys').replace(':stateMachine:', ':execution:')}:{ended.name}"
    listed = stack.stepfunctions.list_map_runs(executionArn=execution_arn)["mapRuns"]
    runs = [stack.stepfunctions.describe_map_run(mapRunArn=each["mapRunArn"]) for each in listed]
    assert [each["maxConcurrency"] for each in runs] == [4, 4]


def test_failed_segment_fails_the_run(stack: Deployed) -> None:
    table = new_table(stack, {"a": 1})
    faults.fail_requests(stack.aws, "Scan", times=1, error="AccessDeniedException")
    ended = stack.run("distinct_keys", {"table": table, "segments": 3})
    assert (ended.status, ended.error, ended.summary["status"]) == ("FAILED", "AccessDeniedError", "FAILED")


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"table": "no-such-table"}, "TableNotFoundError", "no-such-table"),
        ({"index": "none"}, "InvalidInputError", "index"),
        ({"processor": {"function": "any"}}, "InvalidInputError", "processor.function"),
        ({"segmens": 3}, "InvalidInputError", "segmens"),
        (
            {"processor": "measure", "keys": {"bucket": "sluice-data-000000000000-us-east-1", "key": "no-such-key"}},
            "SourceNotFoundError",
            "no-such-key",
        ),
    ],
)
def test_bad_input_is_refused_by_name(stack: Deployed, change: dict[str, Any], error: str, words: str) -> None:
    ended = stack.run("distinct_keys", {"table": new_table(stack, {"a": 1}), **change})
    assert (ended.status, ended.error) == ("FAILED", error)
    assert words in (ended.cause or "")

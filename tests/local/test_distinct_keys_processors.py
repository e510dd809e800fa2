"""What distinct_keys does with the keys it has found: the built-in report, and functions and machines of the user's."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from local_aws import faults
from tests.local.deployed import MISSING_FUNCTION, PROCESSOR_FUNCTION, PROCESSOR_MACHINE, RUN_SECONDS, Deployed
from tests.local.key_processors import executions, processed_keys, start_before, started_keys
from tests.local.map_runs import map_runs
from tests.local.step_events import invoke
from tests.local.user_tables import SIZES, child_inputs, measured_batch, new_table, users
from tests.local.waiting import until

pytestmark = pytest.mark.usefixtures("processors")
TO_FUNCTION = {"processor": {"function": PROCESSOR_FUNCTION}}
TO_MACHINE = {"processor": {"stateMachine": PROCESSOR_MACHINE}}


def test_collections_are_measured(stack: Deployed) -> None:
    ended = stack.run("distinct_keys", {"table": new_table(stack, SIZES), "processor": "measure", "batchSize": 50})
    assert (ended.status, ended.counts) == ("SUCCEEDED", (len(SIZES), len(SIZES), 0, 0, 0)), ended
    report = [json.loads(line) for line in stack.object(ended.summary["report"]["key"]).splitlines()]
    assert {each["key"]["UserRef"]["S"]: each["items"] for each in report} == SIZES
    largest = ended.summary["report"]["largest"][0]
    assert (largest["key"], largest["items"]) == ({"UserRef": {"S": "\U0010ffff"}}, 400)
    assert (largest["oldest"], largest["newest"]) == ({"N": "0"}, {"N": "399"})


def test_function_sees_each_key_once(stack: Deployed) -> None:
    ended = stack.run("distinct_keys", {"table": new_table(stack, SIZES), **TO_FUNCTION, "batchSize": 20})
    assert (ended.status, ended.counts) == ("SUCCEEDED", (len(SIZES), len(SIZES), 0, 0, 0)), ended
    assert processed_keys(stack, ended.name) == Counter(SIZES.keys())


def test_function_that_died_sees_its_batch_again_and_each_key_counts_once(stack: Deployed) -> None:
    sizes = {f"user-{number}": 1 for number in range(30)} | {"deadly": 1}
    ended = stack.run("distinct_keys", {"table": new_table(stack, sizes), **TO_FUNCTION, "batchSize": 10})
    assert (ended.status, ended.counts) == ("SUCCEEDED", (31, 31, 0, 0, 0)), ended
    seen = processed_keys(stack, ended.name)
    assert (set(seen), seen["deadly"]) == (set(sizes), 2)
    assert max(seen.values()) == 2


def test_measuring_continues_after_its_worker_was_killed(stack: Deployed) -> None:
    faults.kill_worker(stack.aws, stack.outputs["MeasureCollectionFunctionName"], times=2)
    faults.fail_requests(stack.aws, "Query", times=3)
    try:
        ended = stack.run("distinct_keys", {"table": new_table(stack, SIZES), "processor": "measure", "batchSize": 60})
    finally:
        faults.clear(stack.aws)
    assert (ended.status, ended.counts) == ("SUCCEEDED", (len(SIZES), len(SIZES), 0, 0, 0)), ended
    report = [json.loads(line) for line in stack.object(ended.summary["report"]["key"]).splitlines()]
    assert sorted((each["key"]["UserRef"]["S"], each["items"]) for each in report) == sorted(SIZES.items())


def test_measurement_that_ends_after_the_run_changes_nothing(stack: Deployed) -> None:
    """A batch's invocation whose connection was lost, on a table that has lost its items meanwhile."""
    table = new_table(stack, {"a": 2, "b": 1})
    ended = stack.run("distinct_keys", {"table": table, "processor": "measure"})
    report = stack.object(ended.summary["report"]["key"])
    for user, at in (("a", 0), ("a", 1), ("b", 0)):
        key: dict[str, Any] = {"UserRef": {"S": user}, "ConnectionId": {"N": str(at)}}
        stack.dynamodb.delete_item(TableName=table, Key=key)
    (child,) = child_inputs(stack, ended.name, "keys")
    repeated = invoke(stack, "MeasureCollection", measured_batch(child))
    assert repeated["counts"] == {"keys": 2, "items": 3}
    assert stack.object(ended.summary["report"]["key"]) == report


def test_run_that_is_stopped_stops_its_processors(stack: Deployed) -> None:
    arn = stack.start("distinct_keys", {"table": new_table(stack, {"slow": 1}), **TO_MACHINE})
    (processor,) = until(lambda: [each for each in executions(stack) if each["status"] == "RUNNING"])
    stack.stepfunctions.stop_execution(executionArn=arn)
    assert stack.wait(arn).status == "ABORTED"
    assert stack.end_of(processor["executionArn"], RUN_SECONDS)["status"] == "ABORTED"


def test_failed_keys_can_be_fed_back(stack: Deployed) -> None:
    """To another processor, and to one that refuses them again: other keys that begin with the file's key stay."""
    table = new_table(stack, {"a": 1, "bad-1": 2, "c": 1, "bad-2": 3})
    document = {"table": table, **TO_FUNCTION, "batchSize": 1}
    ended = stack.run("distinct_keys", {**document, "toleratedFailureCount": 2})
    assert (ended.status, ended.summary["status"], ended.counts) == ("SUCCEEDED", "PARTIAL", (4, 2, 0, 0, 2)), ended
    failures = [json.loads(line) for line in stack.object(ended.summary["failures"]["key"]).splitlines()]
    assert sorted((each["key"]["UserRef"]["S"], each["error"]) for each in failures) == [
        ("bad-1", "ValueError"),
        ("bad-2", "ValueError"),
    ]
    keys = {"bucket": stack.bucket, "key": ended.summary["failures"]["keys"]}
    stack.s3.put_object(Bucket=stack.bucket, Key=f"{keys['key']}.old", Body=b'{"UserRef": {"S": "a"}}\n')
    again = stack.run("distinct_keys", {**document, "keys": keys})
    assert (again.status, again.error, again.counts) == ("FAILED", "ValueError", (2, 0, 0, 0, 2)), again
    measured = stack.run("distinct_keys", {"table": table, "processor": "measure", "keys": keys})
    assert (measured.status, measured.counts) == ("SUCCEEDED", (2, 2, 0, 0, 0)), measured
    report = [json.loads(line) for line in stack.object(measured.summary["report"]["key"]).splitlines()]
    assert {each["key"]["UserRef"]["S"]: each["items"] for each in report} == {"bad-1": 2, "bad-2": 3}


MACHINE_CAUSE = {"error": "BadKey", "cause": "a bad key"}
# One bad line each, what it stands for in failed.jsonl, its error, and what the message begins with.
BAD_LINES: list[Any] = [
    pytest.param(b'{"UserRef": ', '{"UserRef": ', "key: must be an object", id="not json"),
    pytest.param(b"NaN", "NaN", "key: must be an object", id="constant"),
    pytest.param(b'["a"]', ["a"], "key: must be an object", id="list"),
    pytest.param(b"null", None, "key: must be an object", id="null"),
    pytest.param(b'{"User": {"S": "a"}}', {"User": {"S": "a"}}, "key.User: unknown field", id="attribute"),
    pytest.param(b'{"UserRef": {"N": "1"}}', {"UserRef": {"N": "1"}}, "key.UserRef.N: unknown field", id="type"),
    pytest.param(b'{"UserRef": {"S": ""}}', {"UserRef": {"S": ""}}, "key.UserRef.S: must not be empty", id="empty"),
    pytest.param(
        b'{"UserRef": {"S": "a"}, "x": {"S": "b"}}',
        {"UserRef": {"S": "a"}, "x": {"S": "b"}},
        "key.x: unknown field",
        id="whole item",
    ),
]


@pytest.mark.parametrize("processor", [{"processor": "measure"}, TO_FUNCTION, TO_MACHINE], ids=str)
@pytest.mark.parametrize(("line", "record", "words"), BAD_LINES)
def test_bad_line_of_given_keys_fails_alone(
    stack: Deployed, processor: dict[str, Any], line: bytes, record: Any, words: str
) -> None:
    keys = stack.put(b'{"UserRef": {"S": "a"}}\n' + line + b'\n\n{"UserRef": {"S": "c"}}\n', ".jsonl")
    document = {"table": new_table(stack, {"a": 1, "c": 2}), "keys": keys, **processor}
    ended = stack.run("distinct_keys", document)
    assert (ended.status, ended.error, ended.counts) == ("FAILED", "KeyInvalidError", (3, 2, 0, 0, 1)), ended
    assert f"1 of 3 keys failed, more than the 0 % tolerated: KeyInvalidError 1 ({words}" in (ended.cause or "")
    (failed,) = [json.loads(each) for each in stack.object(ended.summary["failures"]["key"]).splitlines()]
    assert (failed["key"], failed["error"]) == (record, "KeyInvalidError")
    tolerated = stack.run("distinct_keys", {**document, "toleratedFailurePercentage": 34})
    assert (tolerated.status, tolerated.summary["status"]) == ("SUCCEEDED", "PARTIAL"), tolerated


def test_key_that_dynamodb_refuses_fails_alone(stack: Deployed) -> None:
    table = stack.new_table("id", "at", "NS")
    stack.put_items(table, [{"id": {"N": each}, "at": {"S": "x"}} for each in ("1", "2")])
    keys = stack.put("".join(json.dumps({"id": {"N": each}}) + "\n" for each in ("1", "abc", "2")), ".jsonl")
    ended = stack.run("distinct_keys", {"table": table, "keys": keys, "processor": "measure"})
    assert (ended.status, ended.error, ended.counts) == ("FAILED", "KeyInvalidError", (3, 2, 0, 0, 1)), ended
    assert "ValidationException" in ended.summary["failures"]["examples"]["KeyInvalidError"]
    report = [json.loads(line) for line in stack.object(ended.summary["report"]["key"]).splitlines()]
    assert {each["key"]["id"]["N"]: each["items"] for each in report} == {"1": 1, "2": 1}


def test_only_bad_lines_are_failed_keys(stack: Deployed) -> None:
    document = {"table": new_table(stack, {"a": 1}), **TO_FUNCTION, "keys": stack.put(b"x\ny\n", ".jsonl")}
    ended = stack.run("distinct_keys", document)
    assert (ended.status, ended.error, ended.counts) == ("FAILED", "KeyInvalidError", (2, 0, 0, 0, 2)), ended


def test_function_that_is_not_there_is_named(stack: Deployed) -> None:
    document = {"table": new_table(stack, {"a": 1, "b": 1}), "processor": {"function": MISSING_FUNCTION}}
    ended = stack.run("distinct_keys", document)
    assert (ended.status, ended.counts) == ("FAILED", (2, 0, 0, 0, 2)), ended
    assert ended.error == "Lambda.ResourceNotFoundException"
    assert MISSING_FUNCTION in (ended.cause or "")
    assert "2 of 2 keys failed" in (ended.cause or "")


def test_keys_of_a_state_machine_fail_with_its_own_error(stack: Deployed) -> None:
    ended = stack.run("distinct_keys", {"table": new_table(stack, {"a": 1, "bad-1": 2}), **TO_MACHINE})
    assert (ended.status, ended.error, ended.counts) == ("FAILED", "BadKey", (2, 1, 0, 0, 1)), ended
    assert ended.cause == "1 of 2 keys failed, more than the 0 % tolerated: BadKey 1 (a bad key)"
    (failed,) = [json.loads(each) for each in stack.object(ended.summary["failures"]["key"]).splitlines()]
    assert failed == {"key": {"UserRef": {"S": "bad-1"}}, **MACHINE_CAUSE}


def test_state_machine_is_started_once_for_each_key(stack: Deployed) -> None:
    table = new_table(stack, {"a": 1, "bad-1": 2, "c": 1, "bad-2": 1, "e": 5})
    ended = stack.run("distinct_keys", {"table": table, **TO_MACHINE, "toleratedFailurePercentage": 50})
    assert (ended.status, ended.summary["status"], ended.counts) == ("SUCCEEDED", "PARTIAL", (5, 3, 0, 0, 2)), ended
    failures = [json.loads(line) for line in stack.object(ended.summary["failures"]["keys"]).splitlines()]
    assert users(failures) == ["bad-1", "bad-2"]
    assert started_keys(stack, ended.name) == Counter(["a", "bad-1", "c", "bad-2", "e"])


def test_state_machine_is_started_once_for_each_key_though_workers_are_killed(stack: Deployed) -> None:
    sizes = {f"user-{number}": 1 + number % 3 for number in range(60)}
    table = new_table(stack, sizes)
    scan, summary = (stack.outputs[f"{each}FunctionName"] for each in ("ScanDistinctKeys", "SummarizeKeys"))
    faults.kill_worker(stack.aws, scan, after_seconds=0.2)
    faults.kill_worker(stack.aws, scan)
    faults.kill_worker(stack.aws, summary, after_seconds=0.1)
    try:
        ended = stack.run("distinct_keys", {"table": table, **TO_MACHINE, "segments": 3, "batchSize": 20})
    finally:
        faults.clear(stack.aws)
    assert (ended.status, ended.counts) == ("SUCCEEDED", (60, 60, 0, 0, 0)), ended
    assert started_keys(stack, ended.name) == Counter(sizes.keys())


def test_key_that_was_started_before_is_not_processed_twice(stack: Deployed) -> None:
    """As when a child is retried after it has started its keys' executions."""
    machine = stack.machine_arn("distinct_keys")
    arn = f"{machine.replace(':stateMachine:', ':execution:')}:retried"
    start_before(stack, "retried", {"UserRef": {"S": "a"}})
    before = len(executions(stack))
    document = {"table": new_table(stack, {"a": 2, "b": 1}), **TO_MACHINE}
    stack.stepfunctions.start_execution(stateMachineArn=machine, name="retried", input=json.dumps(document))
    ended = stack.wait(arn)
    assert (ended.status, ended.counts) == ("SUCCEEDED", (2, 2, 0, 0, 0)), ended
    assert len(executions(stack)) - before == 1


@pytest.mark.parametrize(
    "processor", ["measure", {"function": PROCESSOR_FUNCTION}, {"stateMachine": PROCESSOR_MACHINE}]
)
def test_empty_table_has_nothing_to_process(stack: Deployed, processor: object) -> None:
    ended = stack.run("distinct_keys", {"table": new_table(stack, {}), "processor": processor})
    assert (ended.status, ended.summary["status"], ended.counts) == ("SUCCEEDED", "COMPLETE", (0, 0, 0, 0, 0)), ended
    assert map_runs(stack, "distinct_keys", ended) == ["ScanSegments"]


@pytest.mark.parametrize("body", [b"", b"\n", b" \r\n\n"])
def test_given_keys_may_be_none(stack: Deployed, body: bytes) -> None:
    document = {"table": new_table(stack, {"a": 1}), **TO_FUNCTION, "keys": stack.put(body, ".jsonl")}
    ended = stack.run("distinct_keys", document)
    assert (ended.status, ended.summary["status"], ended.counts) == ("SUCCEEDED", "COMPLETE", (0, 0, 0, 0, 0)), ended
    assert map_runs(stack, "distinct_keys", ended) == []

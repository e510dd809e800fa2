"""object_map in trouble: killed functions, children that start twice, throttles, runs that are stopped and resumed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local_aws import faults
from sluice_cli.exit_code import ExitCode
from tests.local.deployed import OBJECT_FUNCTION, Deployed
from tests.local.map_runs import impatient
from tests.local.mapped_objects import Objects, lines, processed
from tests.local.test_rates import run_item, sluice, until

pytestmark = pytest.mark.usefixtures("object_function", "no_faults_left")
ACTION = {"function": OBJECT_FUNCTION}
OBJECTS = 240
# One object after the other, so that there is time to stop.
SLOW = {"batchSize": 1, "maxConcurrency": 1}


@pytest.fixture
def objects(stack: Deployed) -> Objects:
    return Objects(stack)


def test_batch_whose_outcome_is_recorded_is_not_processed_again(stack: Deployed, objects: Objects) -> None:
    """As when Step Functions starts an Express child twice."""
    objects.put("a", "b", "c")
    name = objects.name
    recorded = {"written": 1, "skipped": 1, "undone": [], "results": [{"index": 0, "result": "first"}]}
    key = f"object_map/{name}/outcomes/0.json"
    stack.s3.put_object(Bucket=stack.bucket, Key=key, Body=json.dumps(recorded).encode())
    started = stack.stepfunctions.start_execution(
        stateMachineArn=stack.machine_arn("object_map"),
        name=name,
        input=json.dumps(objects.document(ACTION, batchSize=2)),
    )
    ended = stack.wait(started["executionArn"])
    assert (ended.status, ended.counts) == ("SUCCEEDED", (3, 2, 1, 0, 0)), ended
    assert processed(stack, name) == {f"{objects.prefix}c": 1}
    results = lines(stack, ended.summary["functionResults"]["key"])
    assert sorted((each["Key"], str(each["result"])) for each in results) == [
        (f"{objects.prefix}a", "first"),
        (f"{objects.prefix}c", "{'bytes': 1}"),
    ]


def test_functions_that_are_killed_are_called_again(stack: Deployed, objects: Objects) -> None:
    objects.put("a", "b")
    faults.kill_worker(stack.aws, OBJECT_FUNCTION)
    for step in ("PlanActions", "ListObjects", "SummarizeActions"):
        faults.kill_worker(stack.aws, stack.outputs[f"{step}FunctionName"])
    ended = objects.run(ACTION)
    assert (ended.status, ended.counts) == ("SUCCEEDED", (2, 2, 0, 0, 0)), ended


def test_throttled_copies_are_tried_again(stack: Deployed, objects: Objects) -> None:
    objects.put("a", "b")
    faults.fail_requests(stack.aws, "CopyObject", times=2, error="SlowDown")
    ended = objects.run(objects.copy())
    assert (ended.status, ended.counts) == ("SUCCEEDED", (2, 2, 0, 0, 0)), ended


def test_batch_that_finds_no_free_function_can_be_fed_back(stack: Deployed, objects: Objects) -> None:
    objects.put("a", "b", "c", "d")
    with impatient(stack, "object_map") as attempts:
        faults.throttle_function(stack.aws, OBJECT_FUNCTION, times=2 * attempts + attempts)
        ended = objects.run(ACTION, batchSize=2, maxConcurrency=1, toleratedFailurePercentage=50)
    assert (ended.summary["status"], ended.counts) == ("PARTIAL", (4, 2, 0, 0, 2)), ended
    assert ended.summary["failures"]["errors"] == {"Lambda.TooManyRequestsException": 2}
    fed_back = {"bucket": stack.bucket, "key": ended.summary["failures"]["objects"]}
    again = stack.run("object_map", {"objects": fed_back, "action": ACTION})
    assert again.counts == (2, 2, 0, 0, 0)
    assert sum((processed(stack, each.name) for each in (ended, again)), start=type(processed(stack, ""))()) == {
        f"{objects.prefix}{name}": 1 for name in "abcd"
    }


def test_failing_function_ends_the_run_early(stack: Deployed, objects: Objects) -> None:
    objects.put(*(f"{number:03}.raise" for number in range(OBJECTS)))
    ended = objects.run(ACTION, batchSize=10, maxConcurrency=1, toleratedFailureCount=25)
    assert (ended.status, ended.error, ended.counts) == ("FAILED", "ValueError", (OBJECTS, 0, 0, 0, OBJECTS)), ended
    failures = ended.summary["failures"]["errors"]
    assert failures["ValueError"] >= 30
    assert failures["NotStarted"] > 0


def begun(stack: Deployed, objects: Objects, **fields: Any) -> tuple[str, str]:
    """A run that has processed some of its objects: its execution's ARN, and its name."""
    objects.put(*(f"{number:03}" for number in range(OBJECTS)))
    arn = stack.start("object_map", objects.document(ACTION, **SLOW, **fields))
    name = arn.rpartition(":")[2]
    until(lambda: run_item(stack, f"object_map/{name}").get("rowsWritten", 0) > 0)
    return arn, name


@pytest.mark.parametrize("child_type", ["EXPRESS", "STANDARD"])
def test_stopped_run_is_resumed_and_calls_the_function_once_for_each_object(
    stack: Deployed, objects: Objects, child_type: str
) -> None:
    arn, name = begun(stack, objects, childType=child_type)
    _, said = sluice(stack, "stop", name)
    assert f"sluice resume {name} --local" in said
    ended = stack.wait(arn)
    assert (ended.status, ended.error, ended.summary["status"]) == ("FAILED", "StoppedError", "STOPPED"), ended
    read, written, *others = ended.counts
    assert (read, others) == (written, [0, 0, 0])
    assert 0 < written < OBJECTS
    item = run_item(stack, f"object_map/{name}")
    assert (item["rowsWritten"], item["plannedRows"]) == (written, OBJECTS)
    resumed = json.loads(sluice(stack, "resume", name, "--json")[0])
    assert resumed["counts"]["written"] == OBJECTS - written
    assert resumed["resumed"]["total"]["counts"]["written"] == OBJECTS
    calls = processed(stack, name) + processed(stack, resumed["execution"])
    assert calls == {f"{objects.prefix}{number:03}": 1 for number in range(OBJECTS)}
    sluice(stack, "resume", name, expected=ExitCode.BAD_INPUT)


def test_aborted_run_is_resumed_to_the_whole(stack: Deployed, objects: Objects) -> None:
    """What was in flight may be processed twice."""
    arn, name = begun(stack, objects)
    sluice(stack, "stop", name, "--now")
    assert stack.wait(arn).status == "ABORTED"
    resumed = json.loads(sluice(stack, "resume", name, "--json")[0])
    total = resumed["resumed"]["total"]["counts"]
    assert (total["read"], total["written"]) == (OBJECTS, OBJECTS)
    calls = processed(stack, name) + processed(stack, resumed["execution"])
    assert set(calls) == {f"{objects.prefix}{number:03}" for number in range(OBJECTS)}
    assert sum(calls.values()) <= OBJECTS + 1


def test_resumed_run_takes_objects_that_failed(stack: Deployed, objects: Objects) -> None:
    objects.put("a", "b.fail", "c")
    ended = objects.run(ACTION, toleratedFailurePercentage=10)
    assert (ended.error, ended.counts) == ("FunctionFailed", (3, 2, 0, 0, 1)), ended
    again = stack.run("object_map", objects.document(ACTION, resume={"run": ended.name}))
    assert (again.error, again.counts) == ("FunctionFailed", (1, 0, 0, 0, 1)), again
    assert processed(stack, again.name) == {f"{objects.prefix}b.fail": 1}
    other = stack.run("object_map", objects.document(objects.copy(), resume={"run": again.name}))
    assert "resume.run" in (other.cause or "")
    assert "had another action" in (other.cause or "")

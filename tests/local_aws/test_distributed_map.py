"""Distributed Map, on a started local AWS."""

import gzip
import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest

Client = Callable[[str], Any]
Run = Callable[..., dict[str, Any]]
Start = Callable[..., str]
DEADLINE_SECONDS = 60

PASS = {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}}


def distributed(processor: dict[str, Any] = PASS, *, execution_type: str = "STANDARD", **fields: Any) -> dict[str, Any]:
    config = {"Mode": "DISTRIBUTED", "ExecutionType": execution_type}
    return {
        "Type": "Map",
        "Label": "Rows",
        "ItemProcessor": {"ProcessorConfig": config, **processor},
        **fields,
    }


def reader(bucket: str, key: str, **config: Any) -> dict[str, Any]:
    return {
        "Resource": "arn:aws:states:::s3:getObject",
        "ReaderConfig": config,
        "Arguments": {"Bucket": bucket, "Key": key},
    }


def writer(bucket: str, **config: str) -> dict[str, Any]:
    return {
        "Resource": "arn:aws:states:::s3:putObject",
        "Arguments": {"Bucket": bucket, "Prefix": "out"},
        **({"WriterConfig": config} if config else {}),
    }


def failing_when(condition: str) -> dict[str, Any]:
    """A child that fails when the condition holds."""
    choice = {
        "Type": "Choice",
        "Choices": [{"Condition": f"{{% {condition} %}}", "Next": "Bad"}],
        "Default": "Good",
    }
    bad = {"Type": "Fail", "Error": "Mine", "Cause": "why"}
    return {"StartAt": "C", "States": {"C": choice, "Bad": bad, "Good": {"Type": "Pass", "End": True}}}


def manifest_of(client: Client, output: dict[str, Any]) -> dict[str, Any]:
    details = output["ResultWriterDetails"]
    body = client("s3").get_object(Bucket=details["Bucket"], Key=details["Key"])["Body"].read()
    return dict(json.loads(body))


def map_run_of(client: Client, execution: dict[str, Any]) -> dict[str, Any]:
    runs = client("stepfunctions").list_map_runs(executionArn=execution["executionArn"])["mapRuns"]
    return dict(client("stepfunctions").describe_map_run(mapRunArn=runs[0]["mapRunArn"]))


def text_of(client: Client, bucket: str, key: str) -> str:
    return str(client("s3").get_object(Bucket=bucket, Key=key)["Body"].read().decode())


def test_csv_rows_become_items_with_their_index_and_source(client: Client, bucket: str, run_state: Run) -> None:
    client("s3").put_object(Bucket=bucket, Key="a.csv", Body=b'id,note\r\n1,"x\ny ""z"""\r\n2\r\n3,c,extra\r\n')
    selector = {
        "index": "{% $states.context.Map.Item.Index %}",
        "row": "{% $states.context.Map.Item.Value %}",
        "from": "{% $states.context.Map.Item.Source %}",
        "input": "{% $states.input.run %}",
    }
    state = distributed(
        ItemReader=reader(bucket, "a.csv", InputType="CSV", CSVHeaderLocation="FIRST_ROW"),
        ItemSelector=selector,
    )
    rows = [{"id": "1", "note": 'x\ny "z"'}, {"id": "2", "note": ""}, {"id": "3", "note": "c"}]
    source = f"s3://{bucket}/a.csv"
    assert run_state(state, {"run": 7})["output"] == [
        {"index": index, "row": row, "from": source, "input": 7} for index, row in enumerate(rows)
    ]


def test_json_lines_may_be_compressed_and_limited(client: Client, bucket: str, run_state: Run) -> None:
    lines = b"".join(b'{"n": %d}\n' % number for number in range(5))
    client("s3").put_object(Bucket=bucket, Key="a.jsonl.gz", Body=gzip.compress(lines))
    read = reader(bucket, "a.jsonl.gz", InputType="JSONL", MaxItems="{% $states.input.most %}")
    assert run_state(distributed(ItemReader=read), {"most": 3})["output"] == [{"n": 0}, {"n": 1}, {"n": 2}]


def test_json_array_behind_a_pointer(client: Client, bucket: str, run_state: Run) -> None:
    client("s3").put_object(Bucket=bucket, Key="a.json", Body=b'{"data": {"rows": [1, 2]}}')
    read = reader(bucket, "a.json", InputType="JSON", ItemsPointer="/data/rows")
    assert run_state(distributed(ItemReader=read))["output"] == [1, 2]


def test_listing_gives_an_item_per_object(client: Client, bucket: str, run_state: Run) -> None:
    for key in ("in/b", "in/a", "other"):
        client("s3").put_object(Bucket=bucket, Key=key, Body=b"xyz")
    read = {
        "Resource": "arn:aws:states:::s3:listObjectsV2",
        "Arguments": {"Bucket": bucket, "Prefix": "in/"},
    }
    items = run_state(distributed(ItemReader=read))["output"]
    assert [item["Key"] for item in items] == ["in/a", "in/b"]
    assert set(items[0]) == {"Etag", "Key", "LastModified", "Size", "StorageClass"}
    assert (items[0]["Size"], items[0]["StorageClass"]) == (3, "STANDARD")
    assert isinstance(items[0]["LastModified"], float | int)


def test_listing_can_be_flattened_into_the_files_records(client: Client, bucket: str, run_state: Run) -> None:
    client("s3").put_object(Bucket=bucket, Key="in/a.jsonl", Body=b"1\n2\n")
    client("s3").put_object(Bucket=bucket, Key="in/b.jsonl", Body=b"3\n")
    read = {
        "Resource": "arn:aws:states:::s3:listObjectsV2",
        "Arguments": {"Bucket": bucket, "Prefix": "in/"},
        "ReaderConfig": {"InputType": "JSONL", "Transformation": "LOAD_AND_FLATTEN"},
    }
    selector = {"i": "{% $states.context.Map.Item.Index %}", "v": "{% $states.context.Map.Item.Value %}"}
    output = run_state(distributed(ItemReader=read, ItemSelector=selector))["output"]
    assert output == [{"i": 0, "v": 1}, {"i": 1, "v": 2}, {"i": 2, "v": 3}]


def test_athena_manifest_names_the_files(client: Client, bucket: str, run_state: Run) -> None:
    for key, body in (("q/1", b"a,1\n"), ("q/2", b"b,2\n")):
        client("s3").put_object(Bucket=bucket, Key=key, Body=body)
    manifest = f"s3://{bucket}/q/1\ns3://{bucket}/q/2\n".encode()
    client("s3").put_object(Bucket=bucket, Key="q-manifest.csv", Body=manifest)
    config = {
        "ManifestType": "ATHENA_DATA",
        "InputType": "CSV",
        "CSVHeaderLocation": "GIVEN",
        "CSVHeaders": ["k", "v"],
    }
    output = run_state(distributed(ItemReader=reader(bucket, "q-manifest.csv", **config)))["output"]
    assert output == [{"k": "a", "v": "1"}, {"k": "b", "v": "2"}]


def test_missing_source_fails_the_map_run(client: Client, bucket: str, run_state: Run) -> None:
    ended = run_state(
        distributed(ItemReader=reader(bucket, "none.csv", InputType="CSV", CSVHeaderLocation="FIRST_ROW"))
    )
    assert ended["error"] == "States.ItemReaderFailed"
    assert "none.csv" in ended["cause"]
    assert map_run_of(client, ended)["status"] == "FAILED"


def test_batches_end_at_either_limit_and_carry_the_batch_input(run_state: Run) -> None:
    batcher = {
        "MaxItemsPerBatch": 3,
        "MaxInputBytesPerBatch": "{% $states.input.most %}",
        "BatchInput": {"run": "{% $states.context.Execution.Name %}"},
    }
    items = ["a", "b", "c", "d", "x" * 90, "e"]
    data = {"most": 150, "items": items}
    output = run_state(distributed(Items="{% $states.input.items %}", ItemBatcher=batcher), data)["output"]
    assert [batch["Items"] for batch in output] == [["a", "b", "c"], ["d"], ["x" * 90], ["e"]]
    assert len({batch["BatchInput"]["run"] for batch in output}) == 1


def test_batches_stay_under_256_kib_without_a_byte_limit(run_state: Run) -> None:
    items = "{% $map([1..6], function($i) { $pad('', 100000, 'x') }) %}"
    count = {
        "StartAt": "P",
        "States": {"P": {"Type": "Pass", "Output": "{% $count($states.input.Items) %}", "End": True}},
    }
    state = distributed(count, Items=items, ItemBatcher={"MaxItemsPerBatch": 100})
    assert run_state(state)["output"] == [2, 2, 2]


@pytest.mark.parametrize("execution_type", ["STANDARD", "EXPRESS"])
def test_children_are_executions_with_their_own_context(client: Client, run_state: Run, execution_type: str) -> None:
    context = {
        "StartAt": "P",
        "States": {"P": {"Type": "Pass", "Output": "{% $states.context %}", "End": True}},
    }
    ended = run_state(distributed(context, execution_type=execution_type, Items=[1, 2]))
    run = map_run_of(client, ended)
    children = client("stepfunctions").list_executions(mapRunArn=run["mapRunArn"])["executions"]
    shown = {child["executionArn"] for child in children}
    assert {output["Execution"]["Id"] for output in ended["output"]} == shown
    assert [child["itemCount"] for child in children] == [1, 1]
    kind = {"STANDARD": "execution", "EXPRESS": "express"}[execution_type]
    assert all(f":{kind}:" in arn for arn in shown)
    first = client("stepfunctions").describe_execution(executionArn=children[0]["executionArn"])
    assert (first["status"], first["mapRunArn"]) == ("SUCCEEDED", run["mapRunArn"])
    assert "Map" not in ended["output"][0]
    assert ended["output"][0]["StateMachine"]["Name"].endswith("/Rows")


def test_map_run_counts_items_and_children_apart(client: Client, run_state: Run) -> None:
    ended = run_state(distributed(Items=list(range(10)), ItemBatcher={"MaxItemsPerBatch": 4}))
    run = map_run_of(client, ended)
    assert (run["itemCounts"]["succeeded"], run["itemCounts"]["total"]) == (10, 10)
    assert (run["executionCounts"]["succeeded"], run["executionCounts"]["resultsWritten"]) == (3, 3)
    assert re.fullmatch(r"arn:aws:states:[^:]+:\d{12}:mapRun:[^/]+/Rows:[0-9a-f-]{36}", run["mapRunArn"])


def test_result_files_hold_full_records(client: Client, bucket: str, run_state: Run) -> None:
    state = distributed(
        failing_when("$states.input = 2"), Items=[1, 2], ToleratedFailureCount=1, ResultWriter=writer(bucket)
    )
    output = run_state(state)["output"]
    folder = f"out/{output['MapRunArn'].rsplit(':', 1)[1]}"
    assert output["ResultWriterDetails"] == {"Bucket": bucket, "Key": f"{folder}/manifest.json"}
    manifest = manifest_of(client, output)
    assert set(manifest) == {"DestinationBucket", "MapRunArn", "ResultFiles"}
    assert manifest["ResultFiles"]["PENDING"] == []
    succeeded = text_of(client, bucket, f"{folder}/SUCCEEDED_0.json")
    assert manifest["ResultFiles"]["SUCCEEDED"] == [{"Key": f"{folder}/SUCCEEDED_0.json", "Size": len(succeeded)}]
    (good,), (bad,) = json.loads(succeeded), json.loads(text_of(client, bucket, f"{folder}/FAILED_0.json"))
    assert list(good) == sorted(good)
    assert set(good) == {
        "ExecutionArn",
        "Input",
        "InputDetails",
        "Name",
        "Output",
        "OutputDetails",
        "RedriveCount",
        "RedriveStatus",
        "RedriveStatusReason",
        "StartDate",
        "StateMachineArn",
        "Status",
        "StopDate",
    }
    assert (good["Input"], good["Output"], good["RedriveStatus"]) == ("1", "1", "NOT_REDRIVABLE")
    assert set(bad) == set(good) - {"Output", "RedriveStatusReason"} | {"Error", "Cause"}
    assert (bad["Error"], bad["Status"], bad["RedriveStatus"]) == ("Mine", "FAILED", "REDRIVABLE_BY_MAP_RUN")


@pytest.mark.parametrize(
    ("transformation", "output_type", "expected"),
    [
        ("COMPACT", "JSON", '[[1,{"a":1}],[2]]'),
        ("FLATTEN", "JSONL", '1\n{"a":1}\n2\n'),
        ("FLATTEN", "JSON", '[1,{"a":1},2]'),
    ],
)
def test_results_are_written_in_the_requested_form(
    client: Client, bucket: str, run_state: Run, transformation: str, output_type: str, expected: str
) -> None:
    form = {"Transformation": transformation, "OutputType": output_type}
    state = distributed(Items=[[1, {"a": 1}], [2]], MaxConcurrency=1, ResultWriter=writer(bucket, **form))
    manifest = manifest_of(client, run_state(state)["output"])
    key = manifest["ResultFiles"]["SUCCEEDED"][0]["Key"]
    assert key.endswith(f"SUCCEEDED_0.{output_type.lower()}")
    assert text_of(client, bucket, key) == expected


def test_bucket_that_cannot_be_written_fails_before_the_map_run(client: Client, run_state: Run) -> None:
    ended = run_state(distributed(Items=[1], ResultWriter=writer("no-such-bucket-here")))
    assert ended["error"] == "States.Runtime"
    assert "Failed to write a test manifest into the specified output bucket" in ended["cause"]
    assert client("stepfunctions").list_map_runs(executionArn=ended["executionArn"])["mapRuns"] == []


def test_first_failure_stops_new_children_and_lists_them_as_pending(
    client: Client, bucket: str, run_state: Run
) -> None:
    state = distributed(
        failing_when("$states.input = 1"),
        Items=list(range(200)),
        MaxConcurrency=1,
        ResultWriter=writer(bucket),
    )
    ended = run_state(state)
    assert ended["error"] == "States.ExceedToleratedFailureThreshold"
    assert ended["cause"] == "The specified tolerated failure threshold was exceeded"
    run = map_run_of(client, ended)
    counts = run["itemCounts"]
    assert (run["status"], counts["failed"]) == ("FAILED", 1)
    assert counts["succeeded"] + counts["failed"] + counts["pending"] == 200
    assert counts["pending"] > 150
    folder = f"out/{run['mapRunArn'].rsplit(':', 1)[1]}"
    pending = json.loads(text_of(client, bucket, f"{folder}/PENDING_0.json"))
    assert len(pending) == counts["pending"]
    assert pending[-1] == {"Input": "199", "InputDetails": {"Included": True}, "Status": "PENDING"}
    assert json.loads(text_of(client, bucket, f"{folder}/manifest.json"))["ResultFiles"]["FAILED"]


@pytest.mark.parametrize(
    ("tolerance", "status"),
    [
        ({"ToleratedFailureCount": 2}, "SUCCEEDED"),
        ({"ToleratedFailureCount": 1}, "FAILED"),
        ({"ToleratedFailurePercentage": 20}, "SUCCEEDED"),
        ({"ToleratedFailurePercentage": "{% 19.9 %}"}, "FAILED"),
        ({"ToleratedFailurePercentage": 100}, "SUCCEEDED"),
        ({"ToleratedFailureCount": 5, "ToleratedFailurePercentage": 10}, "FAILED"),
    ],
)
def test_failures_are_tolerated_up_to_the_limit(run_state: Run, tolerance: dict[str, Any], status: str) -> None:
    state = distributed(failing_when("$states.input < 2"), Items=list(range(10)), **tolerance)
    assert run_state(state)["status"] == status


def test_failed_batch_counts_all_its_items(client: Client, run_state: Run) -> None:
    state = distributed(
        failing_when("0 in $states.input.Items"),
        Items=list(range(10)),
        ItemBatcher={"MaxItemsPerBatch": 4},
        ToleratedFailureCount=4,
    )
    run = map_run_of(client, run_state(state))
    assert (run["status"], run["itemCounts"]["failed"], run["executionCounts"]["failed"]) == (
        "SUCCEEDED",
        4,
        1,
    )


def test_retry_starts_a_new_map_run(client: Client, run_state: Run) -> None:
    retrier = {
        "ErrorEquals": ["States.ExceedToleratedFailureThreshold"],
        "IntervalSeconds": 1,
        "MaxAttempts": 1,
    }
    ended = run_state(distributed(failing_when("true"), Items=[1], Retry=[retrier]))
    runs = client("stepfunctions").list_map_runs(executionArn=ended["executionArn"])["mapRuns"]
    assert len(runs) == 2


def test_results_over_256_kib_need_a_writer(run_state: Run) -> None:
    big = {
        "StartAt": "P",
        "States": {"P": {"Type": "Pass", "Output": "{% $pad('', 100000, 'x') %}", "End": True}},
    }
    assert run_state(distributed(big, Items=[1, 2, 3]))["error"] == "States.DataLimitExceeded"


def test_stopping_the_parent_aborts_the_map_run(client: Client, start_machine: Start, ended: Run) -> None:
    waiting = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 60, "End": True}}}
    state = {**distributed(waiting, Items=list(range(50)), MaxConcurrency=2), "End": True}
    arn = start_machine({"StartAt": "M", "States": {"M": state}})
    runs: list[dict[str, Any]] = []
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (runs and map_run_of(client, {"executionArn": arn})["itemCounts"]["running"] == 2):
        assert time.monotonic() < deadline
        runs = client("stepfunctions").list_map_runs(executionArn=arn)["mapRuns"]
    client("stepfunctions").stop_execution(executionArn=arn)
    assert ended(arn)["status"] == "ABORTED"
    while (run := map_run_of(client, {"executionArn": arn}))["status"] == "RUNNING":
        assert time.monotonic() < deadline + DEADLINE_SECONDS
    assert run["status"] == "ABORTED"
    assert (run["itemCounts"]["aborted"], run["itemCounts"]["pending"]) == (2, 48)


def test_outer_variables_are_out_of_the_childrens_sight(run_machine: Run) -> None:
    seen = {"StartAt": "P", "States": {"P": {"Type": "Pass", "Output": "{% $exists($outer) %}", "End": True}}}
    state = {**distributed(seen, Items="{% [$outer] %}"), "End": True}
    states = {"Set": {"Type": "Pass", "Assign": {"outer": 1}, "Next": "M"}, "M": state}
    assert run_machine({"StartAt": "Set", "States": states})["output"] == [False]


def test_empty_source_succeeds_with_nothing(client: Client, bucket: str, run_state: Run) -> None:
    client("s3").put_object(Bucket=bucket, Key="a.csv", Body=b"id\n")
    read = reader(bucket, "a.csv", InputType="CSV", CSVHeaderLocation="FIRST_ROW")
    output = run_state(distributed(ItemReader=read, ResultWriter=writer(bucket)))["output"]
    assert manifest_of(client, output)["ResultFiles"] == {"FAILED": [], "PENDING": [], "SUCCEEDED": []}

"""athena_map on the deployed stack: each row's object copied as it is, and every row accounted for."""

from __future__ import annotations

import gzip
import hashlib
import json
from typing import Any
from uuid import uuid4

import pytest

from local_aws import faults, large_objects
from tests.local.deployed import COPY_BUCKET, RESULT_BUCKET, SOURCE_BUCKET, WORK_GROUP, Deployed, Ended
from tests.local.queried_rows import Queried
from tests.local.waiting import until

pytestmark = pytest.mark.usefixtures("no_faults_left")

KEYS = (
    "plain.csv",
    "a b.csv",
    "a+b.csv",
    "100%.csv",
    "a%2Bb%20c.csv",
    "ä/ö/日本 🗻.csv",
    "a&b=c?versionId=x",
    "it's (1)!*~",
    'say "hi", <b>',
    "//two//slashes",
    "semi;colon,comma",
    "line\nbreak/a\n.csv",
)
BACKSLASHES = ("a\\b.csv", "end\\", '\\"quoted\\"', "a\\,b")
BY_BUCKET_AND_KEY = {"bucket": "{id}", "key": "{place}"}


def rows_of(queried: Queried, keys: tuple[str, ...]) -> list[dict[str, Any]]:
    """A row for each key, whose object is put there."""
    bucket = queried.stack.bucket
    return [{"id": bucket, "place": queried.put(key, key.encode()), "name": str(n)} for n, key in enumerate(keys)]


def failed_rows(stack: Deployed, ended: Ended) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stack.object(ended.summary["failures"]["rows"]).splitlines()]


@pytest.mark.parametrize("keys", [KEYS, KEYS + BACKSLASHES], ids=["as csv", "as json lines"])
@pytest.mark.parametrize("source", [BY_BUCKET_AND_KEY, {"uri": "s3://{id}/{place}"}], ids=["bucket and key", "uri"])
def test_every_key_is_copied_as_it_is(
    stack: Deployed, queried: Queried, keys: tuple[str, ...], source: dict[str, str]
) -> None:
    queried.table(rows_of(queried, keys))
    document = queried.input("SELECT * FROM t", queried.copy(source))
    ended = stack.run("athena_map", document)
    assert (ended.status, ended.counts) == ("SUCCEEDED", (len(keys), len(keys), 0, 0, 0)), ended
    assert queried.copies() == {f"{queried.folder}/objects/{key}": key.encode() for key in keys}
    again = stack.run("athena_map", document)
    assert (again.status, again.counts) == ("SUCCEEDED", (len(keys), 0, len(keys), 0, 0)), again


def test_summary_has_the_querys_figures(stack: Deployed, queried: Queried) -> None:
    queried.table(rows_of(queried, KEYS[:2]))
    ended = stack.run("athena_map", queried.input("SELECT * FROM t", queried.copy(BY_BUCKET_AND_KEY)))
    size = len(stack.object(f"{queried.folder}/t/rows.json"))
    query = ended.summary["query"]
    assert (query["state"], query["bytesScanned"], query["usd"]) == ("SUCCEEDED", size, 0.00005)
    assert stack.object(f"athena_map/{ended.name}/query/{query['id']}.csv").startswith(b'"id","place","name"\n')
    assert json.loads(stack.object(f"athena_map/{ended.name}/summary.json")) == ended.summary


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("name", "c.csv"),
        ("bucket", "{bucket}/{folder}/objects/b/c.csv"),
        ({"without": "{folder}/"}, "objects/b/c.csv"),
    ],
)
def test_keys_are_kept_as_requested(stack: Deployed, queried: Queried, keys: Any, expected: str) -> None:
    queried.table(rows_of(queried, ("b/c.csv",)))
    filled = {"without": f"{queried.folder}/"} if isinstance(keys, dict) else keys
    ended = stack.run("athena_map", queried.input("SELECT * FROM t", queried.copy(BY_BUCKET_AND_KEY, keys=filled)))
    assert (ended.status, ended.counts) == ("SUCCEEDED", (1, 1, 0, 0, 0)), ended
    assert set(queried.copies()) == {expected.format(bucket=stack.bucket, folder=queried.folder)}


def test_changed_object_is_copied_again_and_the_others_are_skipped(stack: Deployed, queried: Queried) -> None:
    rows = rows_of(queried, KEYS[:5])
    queried.table(rows)
    document = queried.input("SELECT * FROM t", queried.copy(BY_BUCKET_AND_KEY))
    assert stack.run("athena_map", document).counts == (5, 5, 0, 0, 0)
    stack.s3.put_object(Bucket=stack.bucket, Key=rows[2]["place"], Body=b"changed")
    ended = stack.run("athena_map", document)
    assert (ended.status, ended.counts) == ("SUCCEEDED", (5, 1, 4, 0, 0)), ended
    assert queried.copies()[rows[2]["place"]] == b"changed"
    # Each batch has added its rows to the run's item, and the summary how the run ended.
    key: Any = {"run": {"S": f"athena_map/{ended.name}"}}
    item = stack.dynamodb.get_item(TableName=stack.outputs["RunTable"], Key=key)["Item"]
    assert [item[name]["N"] for name in ("rowsRead", "rowsWritten", "rowsSkipped", "rowsFailed")] == [
        "5",
        "1",
        "4",
        "0",
    ]
    assert (item["status"]["S"], item["counts"]["M"]["skipped"]["N"]) == ("COMPLETE", "4")


def test_rows_whose_object_cannot_be_copied_are_rejects(stack: Deployed, queried: Queried) -> None:
    rows = rows_of(queried, ("there.csv",))
    large = f"{queried.folder}/objects/large.bin"
    large_objects.put(stack.aws, stack.bucket, large, size_bytes=6 * 1024**3)
    rows += [
        {"id": stack.bucket, "place": f"{queried.folder}/objects/gone.csv", "name": "gone"},
        {"id": stack.bucket, "place": large, "name": "large"},
        {"id": stack.bucket, "place": "", "name": "empty"},
        {"id": stack.bucket, "place": None, "name": "null"},
        {"id": "", "place": "x", "name": "no bucket"},
        {"id": f"{stack.bucket}/input", "place": "x", "name": "slash"},
        {"id": stack.bucket, "place": f"{queried.folder}/{'k' * 990}", "name": "long"},
    ]
    queried.table(rows)
    document = queried.input("SELECT * FROM t", queried.copy(BY_BUCKET_AND_KEY), batchSize=3, rejectsTolerated=7)
    ended = stack.run("athena_map", document)
    assert (ended.status, ended.counts) == ("SUCCEEDED", (8, 1, 0, 7, 0)), ended
    rejects = {each["record"]["name"]: (each["error"], each["message"]) for each in stack.rejects(ended)}
    assert {name: error for name, (error, _) in rejects.items()} == {
        "gone": "NoSuchKey",
        "large": "InvalidRequest",
        "empty": "CellEmpty",
        "null": "CellEmpty",
        "no bucket": "CellEmpty",
        "slash": "ObjectNotNamed",
        "long": "NoSuchKey",
    }
    assert rejects["large"][1].startswith("The specified copy source is larger than the maximum allowable size")
    assert rejects["empty"][1] == "nothing in place"
    assert ended.summary["rejects"]["reasons"] == {
        "NoSuchKey": 2,
        "InvalidRequest": 1,
        "CellEmpty": 3,
        "ObjectNotNamed": 1,
    }
    few = stack.run("athena_map", queried.input("SELECT * FROM t", queried.copy(BY_BUCKET_AND_KEY), rejectsTolerated=6))
    assert (few.status, few.error) == ("FAILED", "TooManyRejectsError"), few
    assert "7 of 8 rows were rejected, more than 6 tolerated: CellEmpty 3 (nothing in " in (few.cause or "")
    assert list(few.summary["rejects"]["examples"]) == ["CellEmpty", "NoSuchKey", "InvalidRequest"]


@pytest.mark.parametrize("is_there", [False, True])
@pytest.mark.parametrize("bucket", [SOURCE_BUCKET, "buckets-of-nobody"])
def test_destination_that_the_stack_may_not_write_is_refused_before_the_query(
    stack: Deployed, queried: Queried, bucket: str, is_there: bool
) -> None:
    if is_there:
        stack.s3.create_bucket(Bucket=bucket)
    queried.table(rows_of(queried, KEYS[:1]))
    document = queried.input("SELECT * FROM t", queried.copy(BY_BUCKET_AND_KEY, bucket=bucket))
    ended = stack.run("athena_map", document)
    assert (ended.status, ended.error, ended.summary["query"]) == ("FAILED", "InvalidInputError", None), ended
    field = "action.copyObject.destination.bucket"
    assert (
        ended.cause == f"{field}: {bucket} is not among the buckets of the stack's OutputBucketPattern: {COPY_BUCKET}"
    )


@pytest.mark.plans_denials
@pytest.mark.parametrize("batch_size", [1, 500])
def test_denied_copies_name_action_and_resource(stack: Deployed, queried: Queried, batch_size: int) -> None:
    """The objects of one column's bucket may not be read: that is known for each row only."""
    queried.table([{"id": f"nobodys-{number}", "place": "a/b.csv", "name": "x"} for number in range(3)])
    ended = stack.run(
        "athena_map", queried.input("SELECT * FROM t", queried.copy(BY_BUCKET_AND_KEY), batchSize=batch_size)
    )
    assert (ended.status, ended.error, ended.counts) == ("FAILED", "AccessDenied", (3, 0, 0, 0, 3)), ended
    example = ended.summary["failures"]["examples"]["AccessDenied"]
    assert example.startswith("denied: s3:GetObject")
    assert any(f"nobodys-{number}/a/b.csv" in example for number in range(3))
    assert example in (ended.cause or "")


def test_throttled_copies_are_tried_again(stack: Deployed, queried: Queried) -> None:
    queried.table(rows_of(queried, KEYS))
    faults.fail_requests(stack.aws, "CopyObject", times=6, error="SlowDown")
    faults.fail_requests(stack.aws, "CopyObject", times=2, error="InternalError")
    ended = stack.run("athena_map", queried.input("SELECT * FROM t", queried.copy(BY_BUCKET_AND_KEY)))
    assert (ended.status, ended.counts) == ("SUCCEEDED", (len(KEYS), len(KEYS), 0, 0, 0)), ended


def test_failed_copies_are_rows_to_feed_back(stack: Deployed, queried: Queried) -> None:
    rows = rows_of(queried, KEYS + BACKSLASHES)
    queried.table(rows)
    action = queried.copy(BY_BUCKET_AND_KEY)
    faults.fail_requests(stack.aws, "CopyObject", times=3, error="InvalidArgument")
    ended = stack.run("athena_map", queried.input("SELECT * FROM t", action))
    assert (ended.status, ended.error) == ("FAILED", "S3.S3Exception"), ended
    assert ended.counts == (len(rows), len(rows) - 3, 0, 0, 3)
    assert ended.summary["failures"]["errors"] == {"S3.S3Exception": 3}
    fed_back = {"bucket": stack.bucket, "key": ended.summary["failures"]["rows"]}
    again = stack.run("athena_map", {"rows": fed_back, "action": action})
    assert (again.status, again.counts, again.summary["query"]) == ("SUCCEEDED", (3, 3, 0, 0, 0), None), again
    assert queried.copies() == {row["place"]: stack.object(row["place"]) for row in rows}
    assert stack.object(f"athena_map/{again.name}/rows/00000.jsonl") == stack.object(fed_back["key"])


def test_tolerated_failures_end_as_partial(stack: Deployed, queried: Queried) -> None:
    queried.table(rows_of(queried, KEYS[:4]))
    document = queried.input("SELECT * FROM t", queried.copy(BY_BUCKET_AND_KEY))
    faults.fail_requests(stack.aws, "CopyObject", times=2, error="InvalidArgument")
    ended = stack.run("athena_map", document | {"toleratedFailureCount": 1})
    assert (ended.status, ended.error, ended.counts) == ("FAILED", "S3.S3Exception", (4, 2, 0, 0, 2)), ended
    assert "2 of 4 rows failed, more than the 1 tolerated" in (ended.cause or "")
    for tolerated, counts in (
        ({"toleratedFailureCount": 1}, (4, 1, 2, 0, 1)),
        ({"toleratedFailurePercentage": 25}, (4, 0, 3, 0, 1)),
    ):
        faults.fail_requests(stack.aws, "CopyObject", error="InvalidArgument")
        ended = stack.run("athena_map", document | tolerated)
        assert (ended.status, ended.summary["status"], ended.counts) == ("SUCCEEDED", "PARTIAL", counts), ended


def test_failed_query_ends_the_run_with_athenas_reason(stack: Deployed, queried: Queried) -> None:
    ended = stack.run("athena_map", queried.input("SELECT * FROM gone", queried.copy(BY_BUCKET_AND_KEY)))
    assert (ended.status, ended.error) == ("FAILED", "QueryFailedError")
    assert str(ended.cause).startswith("TABLE_NOT_FOUND: line 1:15: Table 'awsdatacatalog.")
    assert (ended.summary["query"]["state"], ended.summary["query"]["usd"]) == ("FAILED", 0)
    assert ended.counts == (0, 0, 0, 0, 0)


def test_cancelled_query_ends_the_run_with_its_reason(stack: Deployed, queried: Queried) -> None:
    queried.table(rows_of(queried, KEYS[:1]))
    faults.fail_queries(stack.aws, state="CANCELLED", reason="Bytes scanned limit was exceeded")
    ended = stack.run("athena_map", queried.input("SELECT * FROM t", queried.copy(BY_BUCKET_AND_KEY)))
    assert (ended.status, ended.error) == ("FAILED", "QueryCancelledError")
    assert str(ended.cause).startswith("Bytes scanned limit was exceeded (query ")
    assert queried.copies() == {}


def test_refused_query_ends_the_run_with_athenas_message(stack: Deployed, queried: Queried) -> None:
    ended = stack.run("athena_map", queried.input("SELECT FROM WHERE", queried.copy(BY_BUCKET_AND_KEY)))
    assert (ended.status, ended.error, ended.summary["query"]) == ("FAILED", "QueryRefusedError", None)
    assert str(ended.cause).startswith("line 1:")


def test_throttled_query_is_started_once(stack: Deployed, queried: Queried) -> None:
    queried.table(rows_of(queried, KEYS[:2]))
    faults.fail_requests(stack.aws, "StartQueryExecution", error="TooManyRequestsException")
    machine, name = stack.machine_arn("athena_map"), f"throttled-{uuid4().hex[:8]}"
    document = queried.input("SELECT * FROM t", queried.copy(BY_BUCKET_AND_KEY))
    arn = stack.stepfunctions.start_execution(stateMachineArn=machine, name=name, input=json.dumps(document))
    ended = stack.wait(arn["executionArn"])
    assert (ended.status, ended.counts) == ("SUCCEEDED", (2, 2, 0, 0, 0)), ended
    started_again = stack.client("athena").start_query_execution(
        QueryString=document["query"],
        ClientRequestToken=hashlib.sha256(arn["executionArn"].encode()).hexdigest(),
        QueryExecutionContext={"Database": queried.name},
        ResultConfiguration={"OutputLocation": f"s3://{stack.bucket}/athena_map/{name}/query"},
    )
    assert started_again["QueryExecutionId"] == ended.summary["query"]["id"]


@pytest.mark.parametrize("layout", [None, "JSON", "PARQUET"])
def test_no_rows_are_a_success(stack: Deployed, queried: Queried, layout: str | None) -> None:
    queried.table(rows_of(queried, KEYS[:1]))
    select = "SELECT * FROM t WHERE name = ?"
    query = queried.unload(select, layout) if layout else select
    ended = stack.run("athena_map", queried.input(query, queried.copy(BY_BUCKET_AND_KEY), parameters=["'none'"]))
    assert (ended.status, ended.summary["status"], ended.counts) == ("SUCCEEDED", "COMPLETE", (0, 0, 0, 0, 0)), ended
    assert ended.summary["query"]["state"] == "SUCCEEDED"


@pytest.mark.parametrize("layout", ["JSON", "PARQUET"])
def test_unloaded_rows_are_copied(stack: Deployed, queried: Queried, layout: str) -> None:
    rows = rows_of(queried, KEYS + BACKSLASHES)
    rows.append({"id": stack.bucket, "place": None, "name": "null"})
    queried.table(rows)
    document = queried.input(queried.unload("SELECT * FROM t", layout), queried.copy(BY_BUCKET_AND_KEY), batchSize=4)
    document["rejectsTolerated"] = "any"
    ended = stack.run("athena_map", document)
    copied = len(rows) - 1
    assert (ended.status, ended.counts) == ("SUCCEEDED", (len(rows), copied, 0, 1, 0)), ended
    assert queried.copies() == {row["place"]: stack.object(row["place"]) for row in rows[:-1]}
    again = stack.run("athena_map", document)
    assert (again.status, again.error) == ("FAILED", "QueryFailedError"), again
    assert "output" in str(again.cause)


def test_manifest_put_there_by_hand_is_read(stack: Deployed, queried: Queried) -> None:
    """As of a query that local AWS does not run: the machine's Map reads what any manifest lists."""
    rows = rows_of(queried, KEYS)
    queried.table(rows[:1])
    ended = stack.run(
        "athena_map", queried.input(queried.unload("SELECT * FROM t", "JSON"), queried.copy(BY_BUCKET_AND_KEY))
    )
    assert ended.counts == (1, 1, 0, 0, 0)
    manifest = f"athena_map/{ended.name}/query/{ended.summary['query']['id']}-manifest.csv"
    stack.object(manifest)
    uris = []
    for number, part in enumerate((rows[:4], rows[4:])):
        key = f"output/{queried.name}-by-hand/{number}.gz"
        body = gzip.compress("".join(json.dumps(row) + "\n" for row in part).encode())
        stack.s3.put_object(Bucket=stack.bucket, Key=key, Body=body)
        uris.append(f"s3://{stack.bucket}/{key}\n")
    by_hand = f"{queried.folder}/x-manifest.csv"
    stack.s3.put_object(Bucket=stack.bucket, Key=by_hand, Body="".join(uris).encode())
    copied = map_manifest(stack, queried, by_hand)
    assert copied["counts"] == {"read": len(rows), "written": len(rows) - 1, "skipped": 1, "rejected": 0, "failed": 0}
    assert queried.copies() == {row["place"]: stack.object(row["place"]) for row in rows}


def map_manifest(stack: Deployed, queried: Queried, manifest: str) -> dict[str, Any]:
    """A run of the deployed machine from InspectResult on, with what RunQuery would have returned."""
    described = stack.stepfunctions.describe_state_machine(stateMachineArn=stack.machine_arn("athena_map"))
    definition = json.loads(described["definition"])
    states = {name: state for name, state in definition["States"].items() if name not in ("HasQuery", "RunQuery")}
    uri = f"s3://{stack.bucket}/{manifest}"
    query = {"id": "by-hand", "outputLocation": uri, "manifestLocation": uri, "bytesScanned": 0, "milliseconds": 0}
    states["PlanQuery"]["Next"] = "RunQuery"
    states["RunQuery"] = {
        "Type": "Pass",
        "Output": {"planned": "{% $states.input %}", "query": query, "inspection": None},
        "Next": "InspectResult",
    }
    arn = described["stateMachineArn"]
    stack.stepfunctions.update_state_machine(
        stateMachineArn=arn, definition=json.dumps(definition | {"States": states})
    )
    try:
        statement = queried.unload("SELECT 1", "JSON")
        ended = stack.run("athena_map", queried.input(statement, queried.copy(BY_BUCKET_AND_KEY)))
    finally:
        stack.stepfunctions.update_state_machine(stateMachineArn=arn, definition=described["definition"])
    assert ended.status == "SUCCEEDED", ended
    return ended.summary


def test_bad_column_is_named_by_its_field(stack: Deployed, queried: Queried) -> None:
    queried.table(rows_of(queried, KEYS[:1]))
    ended = stack.run("athena_map", queried.input("SELECT place FROM t", queried.copy({"uri": "s3://{id}/{place}"})))
    assert (ended.status, ended.error) == ("FAILED", "InvalidInputError")
    assert ended.cause == 'action.copyObject.source.uri: the result has no column "id"; it has "place"'
    assert ended.summary["query"]["state"] == "SUCCEEDED"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"query": "DROP TABLE t"}, "query: must be a SELECT, or an UNLOAD of one, not DROP"),
        ({"workGroup": "other"}, "workGroup: other is not among the stack's AthenaWorkGroups: primary, "),
        ({"action": {"function": "other"}}, "action.function: other is not among the stack's ProcessorFunctions: "),
        (
            {"action": {"copyObject": {"source": {"uri": "{u}"}, "destination": {"prefix": "athena_map/x"}}}},
            "action.copyObject.destination.prefix: must begin with output/ in the data bucket",
        ),
    ],
)
def test_bad_input_costs_no_query(stack: Deployed, queried: Queried, fields: dict[str, Any], message: str) -> None:
    before = stack.client("athena").list_query_executions()["QueryExecutionIds"]
    ended = stack.run("athena_map", queried.input("SELECT 1", queried.copy(BY_BUCKET_AND_KEY)) | fields)
    assert (ended.status, ended.error) == ("FAILED", "InvalidInputError"), ended
    assert str(ended.cause).startswith(message)
    assert stack.client("athena").list_query_executions()["QueryExecutionIds"] == before


def test_result_of_a_workgroup_with_its_own_location_is_read_at_any_depth(stack: Deployed, queried: Queried) -> None:
    stack.s3.create_bucket(Bucket=RESULT_BUCKET)
    location = {"OutputLocation": f"s3://{RESULT_BUCKET}/a/b c/d/"}
    configuration = {"EnforceWorkGroupConfiguration": True, "ResultConfiguration": location}
    stack.client("athena").create_work_group(Name=WORK_GROUP, Configuration=configuration)
    rows = rows_of(queried, KEYS)
    queried.table(rows)
    document = queried.input("SELECT * FROM t", queried.copy(BY_BUCKET_AND_KEY), workGroup=WORK_GROUP)
    ended = stack.run("athena_map", document)
    assert (ended.status, ended.counts) == ("SUCCEEDED", (len(rows), len(rows), 0, 0, 0)), ended
    key = f"a/b c/d/{ended.summary['query']['id']}.csv"
    assert stack.s3.head_object(Bucket=RESULT_BUCKET, Key=key)["ContentLength"] > 0


def test_other_buckets_are_read_and_written_where_the_stack_allows_it(stack: Deployed, queried: Queried) -> None:
    for bucket in (SOURCE_BUCKET, COPY_BUCKET):
        stack.s3.create_bucket(Bucket=bucket)
    for key in KEYS:
        stack.s3.put_object(Bucket=SOURCE_BUCKET, Key=key, Body=key.encode(), Tagging="team=night")
    rows = [{"id": SOURCE_BUCKET, "place": key, "name": ""} for key in (*KEYS, "gone")]
    queried.table(rows)
    unload = f"UNLOAD (SELECT * FROM t) TO 's3://{COPY_BUCKET}/rows/' WITH (format = 'PARQUET')"
    action = queried.copy(BY_BUCKET_AND_KEY, bucket=COPY_BUCKET, prefix="all", keys="bucket")
    ended = stack.run("athena_map", queried.input(unload, action, rejectsTolerated=1))
    assert (ended.status, ended.counts) == ("SUCCEEDED", (len(rows), len(KEYS), 0, 1, 0)), ended
    assert ended.summary["rejects"]["reasons"] == {"NoSuchKey": 1}
    for key in KEYS:
        copied = stack.s3.get_object(Bucket=COPY_BUCKET, Key=f"all/{SOURCE_BUCKET}/{key}")
        assert (copied["Body"].read(), copied.get("TagCount")) == (key.encode(), 1)


def test_run_that_is_stopped_cancels_its_query(stack: Deployed, queried: Queried) -> None:
    athena = stack.client("athena")
    before = set(athena.list_query_executions()["QueryExecutionIds"])
    faults.let_queries_take(stack.aws, seconds=600)
    arn = stack.start("athena_map", queried.input("SELECT 1", queried.copy(BY_BUCKET_AND_KEY)))
    started = until(lambda: set(athena.list_query_executions()["QueryExecutionIds"]) - before)
    stack.stepfunctions.stop_execution(executionArn=arn)
    assert stack.wait(arn).status == "ABORTED"
    (query,) = started
    execution = until(lambda: _ended_query(athena, query))
    assert execution["Status"]["State"] == "CANCELLED"


def _ended_query(athena: Any, query: str) -> Any:
    execution = athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]
    return None if execution["Status"]["State"] in ("QUEUED", "RUNNING") else execution


def test_rows_of_partitions_are_copied(stack: Deployed, queried: Queried) -> None:
    rows = rows_of(queried, KEYS[:2])
    queried.partitioned_table({"2026-01-01": rows[:1], "2026-01-02": rows[1:]})
    ended = stack.run("athena_map", queried.input("SELECT id, place FROM t", queried.copy(BY_BUCKET_AND_KEY)))
    assert (ended.status, ended.counts) == ("SUCCEEDED", (2, 2, 0, 0, 0)), ended
    assert len(queried.copies()) == 2


def test_rows_are_in_no_history_of_the_parent(stack: Deployed, queried: Queried) -> None:
    queried.table(rows_of(queried, ("secret-\\key.csv", "gone.csv")))
    stack.s3.delete_object(Bucket=stack.bucket, Key=f"{queried.folder}/objects/gone.csv")
    arn = stack.start("athena_map", queried.input("SELECT * FROM t", queried.copy(BY_BUCKET_AND_KEY)))
    assert stack.wait(arn).counts == (2, 1, 0, 1, 0)
    pages = stack.stepfunctions.get_paginator("get_execution_history").paginate(executionArn=arn)
    history = json.dumps([page["events"] for page in pages], default=str)
    assert "secret-" not in history
    assert "gone.csv" not in history

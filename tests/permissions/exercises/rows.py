"""athena_map, with each kind of action."""

from __future__ import annotations

from typing import Any

from local_aws import faults
from tests.local.deployed import (
    COPY_BUCKET,
    MISSING_FUNCTION,
    RESULT_BUCKET,
    ROW_FUNCTION,
    SOURCE_BUCKET,
    WORK_GROUP,
    Deployed,
)
from tests.local.queried_rows import Queried
from tests.local.waiting import until
from tests.permissions.exercises.runs import Awaited, Execution, Started, at_once, call, fixture, run, update

BY_BUCKET_AND_KEY = {"bucket": "{id}", "key": "{place}"}
ROWS = "SELECT id, place FROM t"


def _row(queried: Queried, key: str = "plain.csv") -> dict[str, Any]:
    return {"id": queried.stack.bucket, "place": queried.put(key, b"a"), "name": "n"}


def _copy(stack: Deployed, **fields: Any) -> dict[str, Any]:
    queried = Queried(stack)
    queried.table([_row(queried)])
    return queried.input(ROWS, queried.copy(BY_BUCKET_AND_KEY), **fields)


def _json_lines(stack: Deployed) -> dict[str, Any]:
    """Rows that Step Functions cannot read as CSV: InspectResult writes them again."""
    queried = Queried(stack)
    queried.table([_row(queried, "a\\b.csv")])
    return queried.input(ROWS, queried.copy(BY_BUCKET_AND_KEY))


def _partitions(stack: Deployed) -> dict[str, Any]:
    queried = Queried(stack)
    queried.partitioned_table({"2026-01-01": [_row(queried)]})
    return queried.input(ROWS, queried.copy(BY_BUCKET_AND_KEY))


def _other_buckets(stack: Deployed) -> dict[str, Any]:
    """A tagged object is copied from one bucket to another, where the rows are unloaded as well."""
    for bucket in (SOURCE_BUCKET, COPY_BUCKET):
        stack.s3.create_bucket(Bucket=bucket)
    stack.s3.put_object(Bucket=SOURCE_BUCKET, Key="a.csv", Body=b"a", Tagging="team=night")
    queried = Queried(stack)
    queried.table([{"id": SOURCE_BUCKET, "place": "a.csv", "name": ""}])
    unload = f"UNLOAD ({ROWS}) TO 's3://{COPY_BUCKET}/{queried.name}/' WITH (format = 'JSON')"
    action = queried.copy(BY_BUCKET_AND_KEY, bucket=COPY_BUCKET, prefix=queried.name, keys="bucket")
    return queried.input(unload, action)


def _own_work_group(stack: Deployed) -> dict[str, Any]:
    athena = stack.client("athena")
    if all(each["Name"] != WORK_GROUP for each in athena.list_work_groups()["WorkGroups"]):
        stack.s3.create_bucket(Bucket=RESULT_BUCKET)
        location = {"OutputLocation": f"s3://{RESULT_BUCKET}/"}
        configuration: Any = {"EnforceWorkGroupConfiguration": True, "ResultConfiguration": location}
        athena.create_work_group(Name=WORK_GROUP, Configuration=configuration)
    return _copy(stack, workGroup=WORK_GROUP)


def _failed_copy(stack: Deployed) -> dict[str, Any]:
    """A copy whose object is missing is a reject, which the summary merges."""
    document = _copy(stack)
    queried_folder = document["database"]
    stack.s3.delete_object(Bucket=stack.bucket, Key=f"input/{queried_folder}/objects/plain.csv")
    return document


def _given_rows(stack: Deployed) -> dict[str, Any]:
    rows = stack.put('{"id": "1", "place": "p", "name": "n"}\n', ".jsonl")
    return {"rows": rows, "action": {"function": ROW_FUNCTION}}


def _missing_function(stack: Deployed) -> dict[str, Any]:
    """Every batch fails, and with them the Map Run: its result files are looked for."""
    return _given_rows(stack) | {"action": {"function": MISSING_FUNCTION}}


def _missing_rows(stack: Deployed) -> dict[str, Any]:
    return _given_rows(stack) | {"rows": {"bucket": stack.bucket, "key": "input/none.jsonl"}}


def _stop_query(stack: Deployed) -> Started:
    """Stops a run while its query goes on; the query is cancelled after the run has ended."""
    athena = stack.client("athena")
    before = set(athena.list_query_executions()["QueryExecutionIds"])
    faults.let_queries_take(stack.aws, seconds=600)
    started = Execution(stack, stack.start("athena_map", Queried(stack).input("SELECT 1", {"function": ROW_FUNCTION})))
    (query,) = until(lambda: set(athena.list_query_executions()["QueryExecutionIds"]) - before)
    faults.let_queries_take(stack.aws, seconds=0)
    started.stop()
    return Awaited(lambda: _is_cancelled(athena, query), lambda: None)


def _is_cancelled(athena: Any, query: str) -> bool:
    described = athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]
    return bool(described["Status"]["State"] == "CANCELLED")


EXERCISES = (
    update("athena_map"),
    run("athena_map", _missing_rows),
    run("athena_map", _given_rows),
    run("athena_map", _missing_function),
    run("athena_map", _copy),
    run("athena_map", _failed_copy),
    run("athena_map", _json_lines),
    run("athena_map", _partitions),
    run("athena_map", _other_buckets),
    run("athena_map", _own_work_group),
    call("InspectResult", fixture("inspect_result/SourceNotFoundError.json")),
    at_once(_stop_query),
)

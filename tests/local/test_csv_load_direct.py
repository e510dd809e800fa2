"""csv_load_direct as its users run it."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from local_aws import faults
from tests.local.deployed import Deployed
from tests.local.map_runs import map_runs

pytestmark = pytest.mark.usefixtures("no_faults_left")

CONVERSION_ERROR = "DynamoDB.AmazonDynamoDBException"
TEXT = "id,n,note\n" + "".join(f"{i},{i}.5,{'x' if i % 2 else ''}\n" for i in range(250))


def load(stack: Deployed, text: str, **settings: Any) -> tuple[str, dict[str, Any]]:
    """A new table, and an input that loads the text into it."""
    table = stack.new_table()
    return table, {"source": stack.put(text), "table": table, "types": {"n": "N"}, **settings}


def test_rows_become_items(stack: Deployed) -> None:
    table, document = load(stack, TEXT, batchSize=40)
    ended = stack.run("csv_load_direct", document)
    assert (ended.status, ended.summary["status"], ended.counts) == (
        "SUCCEEDED",
        "COMPLETE",
        (250, 250, 0, 0, 0),
    )
    items = {item["id"]["S"]: item for item in stack.items(table)}
    assert len(items) == 250
    assert items["4"] == {"id": {"S": "4"}, "n": {"N": "4.5"}}
    assert items["5"] == {"id": {"S": "5"}, "n": {"N": "5.5"}, "note": {"S": "x"}}
    manifest = json.loads(stack.object(ended.summary["results"]["manifest"]))
    assert manifest["ResultFiles"]["SUCCEEDED"]
    assert not manifest["ResultFiles"]["FAILED"]


def test_failed_batch_reaches_the_run(stack: Deployed) -> None:
    _table, document = load(stack, TEXT + "250,abc,\n", batchSize=50)
    ended = stack.run("csv_load_direct", document)
    assert (ended.status, ended.error) == ("FAILED", CONVERSION_ERROR), ended
    assert "cannot be converted to a numeric value" in (ended.cause or "")
    assert "of 251 rows are in batches that failed: s3://" in (ended.cause or "")


def test_cause_of_a_missing_table_is_the_runs(stack: Deployed) -> None:
    _table, document = load(stack, TEXT)
    ended = stack.run("csv_load_direct", {**document, "table": "test-there-is-none"})
    assert (ended.status, ended.error) == ("FAILED", "DynamoDB.ResourceNotFoundException"), ended
    assert "250 of 250 rows are in batches that failed" in (ended.cause or "")


def test_types_of_a_column_that_the_source_lacks_are_refused(stack: Deployed) -> None:
    table, document = load(stack, TEXT, batchSize=100)
    ended = stack.run("csv_load_direct", {**document, "types": {"n": "N", "notes": "S"}})
    assert (ended.status, ended.error) == ("FAILED", "InvalidInputError"), ended
    problem, _, columns = (ended.cause or "").partition(" 250 of 250 rows")[0].partition("; its columns are ")
    assert problem == "types: the source has no column notes"
    assert sorted(columns.split(", ")) == ["id", "n", "note"]
    assert stack.items(table) == []


def test_tolerated_batch_is_counted_and_listed(stack: Deployed) -> None:
    table, document = load(stack, TEXT + "250,abc,\n", batchSize=50, toleratedFailurePercentage=10)
    ended = stack.run("csv_load_direct", document)
    assert (ended.status, ended.summary["status"], ended.counts) == (
        "SUCCEEDED",
        "PARTIAL",
        (251, 250, 0, 0, 1),
    )
    assert ended.summary["failures"]["batches"] == 1
    assert list(ended.summary["failures"]["examples"]) == [CONVERSION_ERROR]
    manifest = json.loads(stack.object(ended.summary["results"]["manifest"]))
    (failed,) = manifest["ResultFiles"]["FAILED"]
    assert failed["Key"] == ended.summary["failures"]["key"]
    (record,) = [json.loads(line) for line in stack.object(failed["Key"]).splitlines()]
    assert json.loads(record["Input"])["Items"] == [{"Item": {"id": {"S": "250"}, "n": {"N": "abc"}}, "problem": ""}]
    assert len(stack.items(table)) == 250


def test_header_alone_is_a_run_of_no_rows(stack: Deployed) -> None:
    _, document = load(stack, "id,n\n")
    ended = stack.run("csv_load_direct", document)
    assert (ended.status, ended.counts) == ("SUCCEEDED", (0, 0, 0, 0, 0))


@pytest.mark.plans_denials  # Its role may not list the bucket: S3 denies what is not there.
def test_missing_object_fails_the_run(stack: Deployed) -> None:
    _, document = load(stack, TEXT)
    ended = stack.run("csv_load_direct", {**document, "source": {"bucket": stack.bucket, "key": "none.csv"}})
    assert (ended.status, ended.error) == ("FAILED", "States.ItemReaderFailed")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"source": {"key": "a"}}, "source.bucket"),
        ({"source": {"bucket": "b"}}, "source.key"),
        ({"source": {"bucket": "b", "key": "a\0.csv"}}, "source.key"),
        ({"table": ""}, "table"),
        ({"types": {"n": "X"}}, "types"),
        ({"batchSize": 0}, "batchSize"),
        ({"maxConcurrency": 1.5}, "maxConcurrency"),
        ({"toleratedFailurePercentage": 101}, "toleratedFailurePercentage"),
        ({"maping": {}}, "maping"),
    ],
)
def test_bad_input_is_refused_by_name(stack: Deployed, change: dict[str, Any], field: str) -> None:
    table, document = load(stack, TEXT)
    ended = stack.run("csv_load_direct", {**document, **change})
    assert (ended.status, ended.error) == ("FAILED", "InvalidInputError")
    assert (ended.cause or "").startswith(f"{field}:")
    assert stack.items(table) == []


@pytest.mark.parametrize("text", ["", "id,n\n", "id,n", "id,n\r\n", "id,n\r\n\r\n", "\ufeffid,n\n", "\n\n"])
def test_source_without_rows_starts_no_map_run(stack: Deployed, text: str) -> None:
    _, document = load(stack, text)
    ended = stack.run("csv_load_direct", document)
    assert (ended.status, ended.summary["status"], ended.counts) == ("SUCCEEDED", "COMPLETE", (0, 0, 0, 0, 0))
    assert map_runs(stack, "csv_load_direct", ended) == []


@pytest.mark.parametrize(
    "body",
    [
        "id,n\n1,2",
        "id,n\r\n1,2\r\n",
        "id,n\n1,2\n",
        'id,"n"\n1,2',
        "id," + "n" * 10_000 + "\n1,2\n",
        gzip.compress(b"id,n\n1,2\n", mtime=0),
    ],
)
def test_one_row_is_loaded(stack: Deployed, body: str | bytes) -> None:
    table = stack.new_table()
    source = stack.put(body, ".csv.gz" if isinstance(body, bytes) else ".csv")
    ended = stack.run("csv_load_direct", {"source": source, "table": table})
    assert (ended.status, ended.counts) == ("SUCCEEDED", (1, 1, 0, 0, 0)), ended
    assert len(stack.items(table)) == 1


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_counts_that_lag_are_waited_for(stack: Deployed, share: float) -> None:
    _, document = load(stack, TEXT)
    faults.let_map_run_counts_lag(stack.aws, times=2, share=share)
    assert stack.run("csv_load_direct", document).counts == (250, 250, 0, 0, 0)


def test_counts_of_a_failed_run_that_lag_are_waited_for(stack: Deployed) -> None:
    _table, document = load(stack, TEXT + "250,abc,\n", batchSize=1000)
    faults.let_map_run_lists_lag(stack.aws, times=2)
    faults.let_map_run_counts_lag(stack.aws, times=2)
    ended = stack.run("csv_load_direct", document)
    assert (ended.status, ended.error) == ("FAILED", CONVERSION_ERROR)
    assert "251 of 251 rows are in batches that failed" in (ended.cause or "")


def test_counts_that_never_become_final_fail_the_run_by_name(stack: Deployed) -> None:
    _, document = load(stack, TEXT)
    faults.let_map_run_counts_lag(stack.aws, times=100, share=0.5)
    ended = stack.run("csv_load_direct", document)
    assert (ended.status, ended.error) == ("FAILED", "CountsNotFinalError")
    assert "125 of 250 rows were written so far" in (ended.cause or "")


@pytest.mark.parametrize("output", ["RunTable", "ExportLedgerTable"])
@pytest.mark.parametrize("arn_prefix", ["", "arn:aws:dynamodb:us-east-1:000000000000:table/"])
def test_tables_of_the_stack_are_refused(stack: Deployed, output: str, arn_prefix: str) -> None:
    _, document = load(stack, TEXT)
    ended = stack.run("csv_load_direct", {**document, "table": arn_prefix + stack.outputs[output]})
    assert (ended.status, ended.error) == ("FAILED", "InvalidInputError")
    name = f"{arn_prefix}{stack.outputs[output]}"
    assert ended.cause == f"table: {name} is one of the stack's own tables; name one of yours"


@pytest.mark.parametrize("character", ['"', "\\", "\x01", "😀"])
def test_long_name_of_an_unknown_field_is_cut(stack: Deployed, character: str) -> None:
    _, document = load(stack, TEXT)
    ended = stack.run("csv_load_direct", {**document, "x" + character * 15_000: 1})
    assert (ended.status, ended.error) == ("FAILED", "InvalidInputError")
    assert (ended.cause or "").startswith("x" + character * 1_000)

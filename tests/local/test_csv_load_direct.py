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


def test_missing_table_is_named_before_a_row_is_read(stack: Deployed) -> None:
    _table, document = load(stack, TEXT)
    ended = stack.run("csv_load_direct", {**document, "table": "test-there-is-none"})
    assert (ended.status, ended.error) == ("FAILED", "TableNotFoundError"), ended
    assert ended.cause == "table: there is no table test-there-is-none; create it, or correct the name"
    assert map_runs(stack, "csv_load_direct", ended) == []


def test_first_cause_names_the_row_in_the_words_of_dynamodb(stack: Deployed) -> None:
    _table, document = load(stack, "id,n\n1,5\n2,x\n3,7\n")
    ended = stack.run("csv_load_direct", document)
    assert (ended.status, ended.error) == ("FAILED", CONVERSION_ERROR), ended
    assert "The parameter cannot be converted to a numeric value: x" in (ended.cause or "")
    assert 'in row 2: {"id":{"S":"2"},"n":{"N":"x"}}' in (ended.cause or "")


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
    assert json.loads(record["Input"])["Items"] == [
        {"Item": {"id": {"S": "250"}, "n": {"N": "abc"}}, "row": 251, "problem": ""}
    ]
    assert len(stack.items(table)) == 250


def test_rows_that_failed_are_tolerated_up_to_a_count(stack: Deployed) -> None:
    text = "id,n\n" + "".join(f"{number},{'x' if number < 2 else number}\n" for number in range(5))
    _table, document = load(stack, text, batchSize=1, toleratedFailureCount=2)
    assert stack.run("csv_load_direct", document).counts == (5, 3, 0, 0, 2)
    # Of two tolerances the stricter one counts.
    for stricter in (
        {"toleratedFailureCount": 1},
        {"toleratedFailurePercentage": 39},
        {"toleratedFailureCount": 0},
        {"toleratedFailurePercentage": 0},
    ):
        assert stack.run("csv_load_direct", {**document, **stricter}).status == "FAILED"


def test_no_more_than_max_items_are_loaded(stack: Deployed) -> None:
    table, document = load(stack, TEXT, maxItems=7)
    ended = stack.run("csv_load_direct", document)
    assert (ended.status, ended.counts) == ("SUCCEEDED", (7, 7, 0, 0, 0))
    assert sorted(item["id"]["S"] for item in stack.items(table)) == [str(number) for number in range(7)]


def test_attributes_are_made_of_columns_and_constants(stack: Deployed) -> None:
    table = stack.new_table("pk", "n", "SN")
    made = {
        "pk": "{country}#{city}",
        "kind": "city",
        "year": 2026,
        "isCapital": True,
        "tenths": {"N": "{n}0"},
        "braces": "{{{city}}}",
        "region": "{country}/{region}",
    }
    source = stack.put("country,city,n,region\nDE,Bonn,1,\nFR,Lyon,2,ARA\n")
    ended = stack.run("csv_load_direct", {"source": source, "table": table, "attributes": made})
    assert (ended.status, ended.counts) == ("SUCCEEDED", (2, 2, 0, 0, 0)), ended
    bonn, lyon = sorted(stack.items(table), key=lambda item: item["pk"]["S"])
    assert bonn == {
        "pk": {"S": "DE#Bonn"},
        "country": {"S": "DE"},
        "city": {"S": "Bonn"},
        # The table's key says that it is a number.
        "n": {"N": "1"},
        "kind": {"S": "city"},
        "year": {"N": "2026"},
        "isCapital": {"BOOL": True},
        "tenths": {"N": "10"},
        "braces": {"S": "{Bonn}"},
    }
    assert lyon["region"] == {"S": "FR/ARA"}


def test_items_of_the_input_are_written_with_their_own_types(stack: Deployed) -> None:
    table = stack.new_table()
    items = [
        {
            "id": "a",
            "n": 1.5,
            "digits": "7",
            "list": [1, "x", None, [True]],
            "map": {"b": {}},
            "none": None,
            "text": "",
        },
        {"id": 5, "digits": 8},
        {"id": "left out"},
    ]
    document = {"items": items, "table": table, "types": {"digits": "N"}, "maxItems": 2, "attributes": {"c": "{id}-"}}
    ended = stack.run("csv_load_direct", document)
    assert (ended.status, ended.counts) == ("SUCCEEDED", (2, 2, 0, 0, 0)), ended
    assert {item["id"]["S"]: item for item in stack.items(table)} == {
        "a": {
            "id": {"S": "a"},
            "n": {"N": "1.5"},
            "digits": {"N": "7"},
            "list": {"L": [{"N": "1"}, {"S": "x"}, {"NULL": True}, {"L": [{"BOOL": True}]}]},
            "map": {"M": {"b": {"M": {}}}},
            "none": {"NULL": True},
            "text": {"S": ""},
            "c": {"S": "a-"},
        },
        "5": {"id": {"S": "5"}, "digits": {"N": "8"}, "c": {"S": "5-"}},
    }


def test_list_of_no_items_is_a_run_of_no_rows(stack: Deployed) -> None:
    ended = stack.run("csv_load_direct", {"items": [], "table": stack.new_table()})
    assert (ended.status, ended.counts) == ("SUCCEEDED", (0, 0, 0, 0, 0))


def test_progress_is_in_the_item_of_the_run(stack: Deployed) -> None:
    _table, document = load(stack, TEXT, batchSize=40)
    ended = stack.run("csv_load_direct", document)
    key: Any = {"run": {"S": f"csv_load_direct/{ended.name}"}}
    item = stack.dynamodb.get_item(TableName=stack.outputs["RunTable"], Key=key)["Item"]
    assert [item[name]["N"] for name in ("rowsRead", "rowsWritten", "writeUnits")] == ["250", "250", "250"]
    assert (item["status"]["S"], item["counts"]["M"]["written"]["N"]) == ("COMPLETE", "250")
    assert float(item["startedAt"]["N"]) <= float(item["endedAt"]["N"]) < float(item["expiresAt"]["N"])


def test_batch_that_cannot_count_its_rows_is_written(stack: Deployed) -> None:
    """Nothing depends on the item of the run."""
    table, document = load(stack, TEXT, batchSize=100)
    faults.fail_requests(stack.aws, "UpdateItem", times=100, error="InternalServerError")
    ended = stack.run("csv_load_direct", document)
    assert (ended.status, ended.counts) == ("SUCCEEDED", (250, 250, 0, 0, 0))
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
        ({"maxItems": 0}, "maxItems"),
        ({"maxItems": "all"}, "maxItems"),
        ({"toleratedFailureCount": -1}, "toleratedFailureCount"),
        ({"maping": {}}, "maping"),
        ({"source": None}, "source"),
        ({"source": "s3://b/k.csv"}, "source"),
        ({"source": {"bucket": "b", "key": "k.csv", "delimiter": ";"}}, "source.delimiter"),
        ({"items": []}, "items"),
        ({"source": None, "items": {"id": "a"}}, "items"),
        ({"source": None, "items": [{"id": "a"}, "b"]}, "items[1]"),
        ({"source": None, "items": [{"id": "a"}, {"id": "b", "n": [{"x": 0.30000000000000004}]}]}, "items[1]"),
        ({"attributes": ["a"]}, "attributes"),
        ({"attributes": {"a": ["b"]}}, "attributes.a"),
        ({"attributes": {"a": {"B": "{id}"}}}, "attributes.a"),
        ({"attributes": {"": "b"}}, "attributes."),
        ({"attributes": {"a": "{id"}}, "attributes.a"),
        ({"attributes": {"a": "{nowhere}"}}, "attributes"),
        ({"types": {"id": "N"}}, "types.id"),
    ],
)
def test_bad_input_is_refused_by_name(stack: Deployed, change: dict[str, Any], field: str) -> None:
    table, document = load(stack, TEXT)
    ended = stack.run("csv_load_direct", {**document, **change})
    assert (ended.status, ended.error) == ("FAILED", "InvalidInputError")
    assert (ended.cause or "").startswith(f"{field}:")
    assert stack.items(table) == []


@pytest.mark.parametrize(
    ("name", "head", "found"),
    [
        ("rows.jsonl", {}, "a .jsonl object"),
        ("rows.json.gz", {}, "a .json object"),
        ("book.XLSX", {}, "a .xlsx object"),
        ("rows.csv", {"ContentType": "application/json"}, "application/json"),
        ("rows.csv", {"ContentEncoding": "gzip"}, "is compressed"),
        ("rows", {"ContentType": "application/gzip"}, "is compressed"),
    ],
)
def test_object_that_can_be_no_csv_is_refused(stack: Deployed, name: str, head: dict[str, Any], found: str) -> None:
    table, document = load(stack, TEXT)
    key = f"input/{table}/{name}"
    stack.s3.put_object(Bucket=stack.bucket, Key=key, Body=TEXT.encode(), **head)
    refuse(stack, {**document, "source": {"bucket": stack.bucket, "key": key}}, "source.key", found)


@pytest.mark.parametrize(
    ("body", "field", "found"),
    [
        (b"id,n\n1,Z\xfcrich\n", "source.key", "not UTF-8"),
        ("id,n\n1,2\n".encode("utf-16"), "source.key", "NUL"),
        ('\ufeff"id",n\n1,2\n'.encode(), "source.key", "byte order mark"),
        (b"id,n,n\n1,2,3\n", "source.key", "a column twice: n"),
        (b"code,n\n1,2\n", "table", "the source has no column id, which is in the key of the table"),
    ],
)
def test_object_whose_head_is_wrong_is_refused(stack: Deployed, body: bytes, field: str, found: str) -> None:
    _table, document = load(stack, TEXT)
    refuse(stack, {**document, "source": stack.put(body)}, field, found)


def test_byte_that_is_not_utf_8_fails_its_batch(stack: Deployed) -> None:
    """It is far from the head of the object."""
    rows = "".join(f"{number},{'x' * 100}\n" for number in range(250)).encode()
    table, document = load(stack, TEXT)
    source = stack.put(b"id,text\n" + rows + b"250,Z\xfcrich\n")
    document |= {"source": source, "types": {}, "batchSize": 50, "toleratedFailureCount": 1}
    ended = stack.run("csv_load_direct", document)
    assert (ended.status, ended.counts) == ("SUCCEEDED", (251, 250, 0, 0, 1)), ended
    assert "row 251 has bytes that are not UTF-8" in ended.summary["failures"]["examples"]["InvalidInputError"]
    assert len(stack.items(table)) == 250


def refuse(stack: Deployed, document: dict[str, Any], field: str, found: str) -> None:
    """The run fails with this problem of the field, and writes nothing."""
    ended = stack.run("csv_load_direct", {**document, "types": {}})
    assert (ended.status, ended.error) == ("FAILED", "InvalidInputError"), ended
    assert (ended.cause or "").startswith(f"{field}: ")
    assert found in (ended.cause or "")
    assert stack.items(document["table"]) == []


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

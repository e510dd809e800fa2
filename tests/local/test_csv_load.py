"""csv_load as its users run it: the deployed state machine, functions and table on local AWS."""

from __future__ import annotations

import csv
import gzip
import io
import json
from typing import Any

import pytest

from local_aws import faults
from tests.local.deployed import Deployed
from tests.local.map_runs import map_runs


def rows_of(text: str, **dialect: Any) -> list[dict[str, str]]:
    """What Python's csv module reads from the whole text."""
    return list(csv.DictReader(io.StringIO(text, newline=""), **dialect))


def as_items(rows: list[dict[str, str]]) -> list[dict[str, Any]]:
    """Every column as S."""
    return [{name: {"S": value} for name, value in row.items()} for row in rows]


def by_id(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The items in the order of their ids."""
    return sorted(items, key=lambda item: str(item["id"]))


def load(stack: Deployed, body: bytes | str, suffix: str = ".csv", /, **settings: Any) -> tuple[str, dict[str, Any]]:
    """A new table keyed by id, and an input that loads the body into it."""
    table = stack.new_table()
    source = stack.put(body, suffix) | settings.pop("source", {})
    given = {"keys": ["id"]} if not {"mapping", "transform", "keys"} & set(settings) else {}
    return table, {"source": source, "table": table, **given, **settings}


# What succeeds, and holds exactly what csv reads.

NASTY = (
    'id,text\r\n1,"new\nline"\r\n2,"quote "" and \\ backslash"\r\n3,back\\slash\r\n4,"\r\n"\r\n5,\r\n'
    '6,5" pipe\r\n7,"é☃😀"\r\n8,"a,b"\r\n\r\n9," "\r\n'
)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("id,text\n1,a\n2,b\n", id="lf"),
        pytest.param("id,text\r\n1,a\r\n2,b\r\n", id="crlf"),
        pytest.param("id,text\r1,a\r2,b\r", id="lone_cr"),
        pytest.param("id,text\n1,a\n2,b", id="no_newline_at_the_end"),
        pytest.param(NASTY, id="newlines_quotes_and_backslashes"),
    ],
)
def test_table_holds_what_csv_reads(stack: Deployed, text: str) -> None:
    table, document = load(stack, text)
    ended = stack.run("csv_load", document)
    expected = rows_of(text)
    assert ended.status == "SUCCEEDED", ended
    assert ended.counts == (len(expected), len(expected), 0, 0, 0)
    assert by_id(stack.items(table)) == by_id(as_items(expected))


def test_byte_order_mark_is_no_part_of_the_first_name(stack: Deployed) -> None:
    table, document = load(stack, b"\xef\xbb\xbfid,text\n1,a\n")
    assert stack.run("csv_load", document).counts == (1, 1, 0, 0, 0)
    assert stack.items(table) == [{"id": {"S": "1"}, "text": {"S": "a"}}]


def test_header_alone_is_a_run_of_no_rows(stack: Deployed) -> None:
    table, document = load(stack, "id,text\n")
    ended = stack.run("csv_load", document)
    assert (ended.status, ended.summary["status"], ended.counts) == ("SUCCEEDED", "COMPLETE", (0, 0, 0, 0, 0))
    assert stack.items(table) == []


def test_gzip_is_known_by_its_name(stack: Deployed) -> None:
    table, document = load(stack, gzip.compress(b"id,text\n1,a\n2,b\n"), ".csv.gz")
    assert stack.run("csv_load", document).counts == (2, 2, 0, 0, 0)
    assert len(stack.items(table)) == 2


def test_json_lines_keep_their_types(stack: Deployed) -> None:
    table, document = load(stack, '{"id":"a","n":1.50,"b":true,"l":[1,"x",null]}\n', ".jsonl")
    assert stack.run("csv_load", document).counts == (1, 1, 0, 0, 0)
    expected = {
        "id": {"S": "a"},
        "n": {"N": "1.5"},
        "b": {"BOOL": True},
        "l": {"L": [{"N": "1"}, {"S": "x"}, {"NULL": True}]},
    }
    (item,) = stack.items(table)
    item["n"]["N"] = str(float(item["n"]["N"]))
    assert item == expected


def test_version_that_the_input_names_is_loaded(stack: Deployed) -> None:
    bucket, key = stack.versioned_bucket(), "versions.csv"
    first = stack.s3.put_object(Bucket=bucket, Key=key, Body=b"id,text\n1,first\n")["VersionId"]
    stack.s3.put_object(Bucket=bucket, Key=key, Body=b"id,text\n1,second\n")
    for version, text in (({"versionId": first}, "first"), ({}, "second")):
        table = stack.new_table()
        source = {"bucket": bucket, "key": key, **version}
        ended = stack.run("csv_load", {"source": source, "table": table, "keys": ["id"]})
        assert (ended.status, ended.counts) == ("SUCCEEDED", (1, 1, 0, 0, 0)), ended
        assert stack.items(table) == [{"id": {"S": "1"}, "text": {"S": text}}]


def test_dialect_is_the_inputs(stack: Deployed) -> None:
    settings = {
        "delimiter": "¦",
        "quote": "'",
        "headers": ["id", "text"],
        "encoding": "latin-1",
        "maxRows": 2,
    }
    table, document = load(stack, "1¦'a¦b'\n2¦é\n3¦c\n".encode("latin-1"), source=settings)
    assert stack.run("csv_load", document).counts == (2, 2, 0, 0, 0)
    assert by_id(stack.items(table)) == as_items([{"id": "1", "text": "a¦b"}, {"id": "2", "text": "é"}])


def test_transform_by_name_shapes_items(stack: Deployed) -> None:
    table = stack.new_table("country", "icao")
    header = "icao,iata,name,city,subd,country,elevation,lat,lon,tz,lid\n"
    body = header + "LSZH,ZRH,Zurich Airport,Zurich,Zurich,CH,1416,47.4647,8.54917,Europe/Zurich,\n"
    ended = stack.run("csv_load", {"source": stack.put(body), "table": table, "transform": "airports_by_country"})
    assert ended.counts == (1, 1, 0, 0, 0)
    (item,) = stack.items(table)
    assert (item["country"], item["icao"]) == ({"S": "CH"}, {"S": "LSZH"})


def test_later_row_of_a_range_wins(stack: Deployed) -> None:
    table, document = load(stack, "id,n\n" + "".join(f"{i % 7},{i}\n" for i in range(500)))
    ended = stack.run("csv_load", document)
    assert ended.counts == (500, 500, 0, 0, 0)
    assert {item["id"]["S"]: item["n"]["S"] for item in stack.items(table)} == {
        str(i % 7): str(i) for i in range(493, 500)
    }


# What is refused before anything is written.

MAPPING = {"id": "{id}", "n": {"N": "{n}"}}


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        pytest.param({"source": {"key": None}}, "InvalidInputError", "source.key", id="no_key_given"),
        pytest.param({"source": {"bucket": "no-such-bucket"}}, "SourceNotFoundError", "no-such-bucket", id="bucket"),
        pytest.param({"source": {"key": "input/none.csv"}}, "SourceNotFoundError", "input/none.csv", id="key"),
        pytest.param({"table": "no-such-table"}, "TableNotFoundError", "no-such-table", id="table"),
        pytest.param({"transform": "no_such"}, "InvalidInputError", "no_such", id="transform"),
        pytest.param({"mapping": {"id": "{nope}"}}, "InvalidInputError", "nope", id="column"),
        pytest.param({"mapping": {"id": "{id}", "n": {"X": "{n}"}}}, "InvalidInputError", "mapping.n", id="type"),
        pytest.param({"mapping": {"n": {"N": "{n}"}}}, "InvalidInputError", "id", id="no_key_attribute"),
        pytest.param({"keys": ["n"]}, "InvalidInputError", "keys", id="wrong_key"),
        pytest.param({"source": {"delimiter": ",,"}}, "InvalidInputError", "source.delimiter", id="delimiter"),
        pytest.param({"source": {"encoding": "utf-16"}}, "InvalidInputError", "source.encoding", id="encoding"),
        pytest.param(
            {"source": {"key": "input/a\0.csv"}}, "InvalidInputError", "source.key: must not", id="nul_in_key"
        ),
        pytest.param({"onConflict": "merge"}, "InvalidInputError", "onConflict", id="on_conflict"),
        pytest.param({"maxConcurency": 5}, "InvalidInputError", "maxConcurency", id="misspelt_field"),
        pytest.param({"rejectsTolerated": "many"}, "InvalidInputError", "rejectsTolerated", id="rejects_tolerated"),
    ],
)
def test_bad_input_is_refused_by_name(stack: Deployed, change: dict[str, Any], error: str, words: str) -> None:
    fields: dict[str, Any] = {"mapping": MAPPING} if not {"transform", "mapping", "keys"} & set(change) else {}
    table, document = load(stack, "id,n\n1,2\n", **fields, **change)
    ended = stack.run("csv_load", document)
    assert (ended.status, ended.error) == ("FAILED", error)
    assert words in (ended.cause or "")
    assert ended.summary["status"] == "FAILED"
    assert stack.items(table) == []


@pytest.mark.parametrize(
    ("body", "error", "words"),
    [
        pytest.param("", "SourceMalformedError", "empty", id="empty_file"),
        pytest.param("id,n,id\n1,2,3\n", "InvalidInputError", "id", id="duplicate_names"),
        pytest.param('id,n\n1,"2\n3,4\n', "SourceMalformedError", "row 1", id="unclosed_quote"),
        pytest.param('id,n\n1,2\n3,"\n' + "x\n" * 2_000_000, "SourceMalformedError", "row 2", id="quote_open_for_long"),
    ],
)
def test_malformed_source_is_refused_by_name(stack: Deployed, body: str, error: str, words: str) -> None:
    table, document = load(stack, body)
    ended = stack.run("csv_load", document)
    assert (ended.status, ended.error) == ("FAILED", error)
    assert words in (ended.cause or "")
    assert stack.items(table) == []


def test_damaged_gzip_is_refused(stack: Deployed) -> None:
    whole = gzip.compress("".join(f"{i},{i * i}\n" for i in range(10_000)).encode())
    table, document = load(stack, whole[:-100], ".csv.gz", source={"headers": ["id", "n"]})
    ended = stack.run("csv_load", document)
    assert (ended.status, ended.error) == ("FAILED", "SourceMalformedError")
    assert stack.items(table) == []


# What becomes a reject: the row, why, and a file that can be fed back.


def test_rejects_name_row_reason_and_record(stack: Deployed) -> None:
    body = (
        b"id,n\n1,10\n,20\n3,abc\n4,1e999\n5\n6,60,extra\n7,\xff\n8," + b"9" * 39 + b"\n9,90\n" + b"x" * 2049 + b",1\n"
    )
    table, document = load(stack, body, mapping=MAPPING, rejectsTolerated="any")
    ended = stack.run("csv_load", document)
    assert (ended.status, ended.summary["status"], ended.counts) == (
        "SUCCEEDED",
        "COMPLETE",
        (10, 2, 0, 8, 0),
    )
    assert {item["id"]["S"] for item in stack.items(table)} == {"1", "9"}
    rejects = stack.rejects(ended)
    assert [(each["row"], each["error"]) for each in rejects] == [
        (2, "KeyEmpty"),
        (3, "NumberInvalid"),
        (4, "NumberOutOfRange"),
        (5, "RowRagged"),
        (6, "RowRagged"),
        (7, "RowUndecodable"),
        (8, "NumberTooPrecise"),
        (10, "KeyTooLong"),
    ]
    assert rejects[0]["record"] == {"id": "", "n": "20"}
    assert rejects[5]["byteOffset"] == body.index(b"7,\xff") or rejects[5]["byteOffset"] == body.index(b"\xff")
    assert sum(ended.summary["rejects"]["reasons"].values()) == 8


def test_item_over_400_kb_is_rejected(stack: Deployed) -> None:
    _table, document = load(stack, f"id,text\n1,{'x' * 410_000}\n2,small\n")
    ended = stack.run("csv_load", document)
    assert ended.counts == (2, 1, 0, 1, 0)
    assert stack.rejects(ended)[0]["error"] == "ItemTooLarge"


def test_rejects_file_is_an_input(stack: Deployed) -> None:
    table, document = load(stack, "id,n\n1,10\n2,abc\n3,30\n4,\n", mapping=MAPPING)
    first = stack.run("csv_load", document)
    again = {**document, "source": {"bucket": stack.bucket, "key": first.summary["rejects"]["key"]}}
    assert stack.run("csv_load", again).counts == (2, 0, 0, 2, 0)
    mended = {**again, "mapping": {"id": "{id}", "n": "{n}"}}
    assert stack.run("csv_load", mended).counts == (2, 2, 0, 0, 0)
    assert {item["id"]["S"]: item["n"] for item in stack.items(table)} == {
        "1": {"N": "10"},
        "2": {"S": "abc"},
        "3": {"N": "30"},
        "4": {"S": ""},
    }


@pytest.mark.parametrize(
    ("tolerated", "status"),
    [
        (None, "FAILED"),
        (1, "FAILED"),
        (2, "SUCCEEDED"),
        ("50%", "SUCCEEDED"),
        ("49.9%", "FAILED"),
        ("any", "SUCCEEDED"),
    ],
)
def test_more_rejects_than_tolerated_fail_the_run(stack: Deployed, tolerated: int | str | None, status: str) -> None:
    limit: dict[str, Any] = {} if tolerated is None else {"rejectsTolerated": tolerated}
    table, document = load(stack, "id,n\n1,10\n2,abc\n3,30\n4,x\n", mapping=MAPPING, **limit)
    ended = stack.run("csv_load", document)
    assert (ended.status, ended.counts) == (status, (4, 2, 0, 2, 0))
    assert ended.error == ("TooManyRejectsError" if status == "FAILED" else None)
    assert len(stack.items(table)) == 2


@pytest.mark.parametrize("tolerated", ["any", "100%", 2])
def test_run_of_which_every_row_is_rejected_fails(stack: Deployed, tolerated: int | str) -> None:
    _table, document = load(stack, "id,n\n1,abc\n2,x\n", mapping=MAPPING, rejectsTolerated=tolerated)
    ended = stack.run("csv_load", document)
    assert (ended.status, ended.error, ended.counts) == ("FAILED", "NothingWrittenError", (2, 0, 0, 2, 0))


# Existing items.


@pytest.mark.parametrize(
    ("on_conflict", "counts", "value"),
    [
        ("replace", (3, 3, 0, 0, 0), "new"),
        ("keep", (3, 2, 1, 0, 0), "old"),
        ("reject", (3, 2, 0, 1, 0), "old"),
    ],
)
def test_existing_item_meets_on_conflict(
    stack: Deployed, on_conflict: str, counts: tuple[int, ...], value: str
) -> None:
    table, document = load(stack, "id,text\n1,new\n2,new\n3,new\n", onConflict=on_conflict)
    stack.dynamodb.put_item(TableName=table, Item={"id": {"S": "2"}, "text": {"S": "old"}})
    ended = stack.run("csv_load", document)
    assert ended.counts == counts
    assert {item["id"]["S"]: item["text"]["S"] for item in stack.items(table)} == {
        "1": "new",
        "2": value,
        "3": "new",
    }
    if on_conflict == "reject":
        (reject,) = stack.rejects(ended)
        assert (reject["row"], reject["error"], reject["record"]) == (
            2,
            "ItemExists",
            {"id": "2", "text": "new"},
        )


# Many ranges: nothing depends on where they are cut.


def test_ranges_cut_anywhere_load_the_same(stack: Deployed) -> None:
    rows = "".join(f'{i},"text {i}\nwith ""quotes"", commas and é"\n' for i in range(300))
    text = "id,text\n" + rows
    for size in (1024, 1500, 4096, 1 << 20):
        table, document = load(stack, text, rangeSize=size)
        ended = stack.run("csv_load", document)
        assert ended.counts == (300, 300, 0, 0, 0)
        assert by_id(stack.items(table)) == by_id(as_items(rows_of(text)))


def test_summary_is_kept_in_the_bucket(stack: Deployed) -> None:
    _, document = load(stack, "id,n\n1,2\n")
    ended = stack.run("csv_load", document)
    assert json.loads(stack.object(f"csv_load/{ended.name}/summary.json")) == ended.summary
    assert ended.summary["capacity"] == {"readUnits": 0, "writeUnits": 1.0}
    assert ended.summary["results"] == {"bucket": stack.bucket, "prefix": f"csv_load/{ended.name}/"}


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
def test_source_without_rows_starts_no_map_run(stack: Deployed, suffix: str) -> None:
    body = b"id,text\n"
    _, document = load(stack, gzip.compress(body) if suffix.endswith("gz") else body, suffix)
    ended = stack.run("csv_load", document)
    assert (ended.status, ended.summary["status"], ended.counts) == ("SUCCEEDED", "COMPLETE", (0, 0, 0, 0, 0))
    assert map_runs(stack, "csv_load", ended) == []


@pytest.mark.parametrize("character", ['"', "\\", "\x01", "😀"])
def test_long_message_of_a_function_is_cut(stack: Deployed, character: str) -> None:
    _, document = load(stack, "id,text\n1,a\n")
    ended = stack.run("csv_load", {**document, "x" + character * 15_000: 1})
    assert (ended.status, ended.error) == ("FAILED", "InvalidInputError")
    assert (ended.cause or "").startswith("x" + character * 1_000)


def test_functions_that_find_no_free_concurrency_are_waited_for(stack: Deployed) -> None:
    table, document = load(stack, "id,text\n1,a\n")
    for step in ("PlanLoad", "TransformItems", "SummarizeRun"):
        faults.throttle_function(stack.aws, stack.outputs[f"{step}FunctionName"], times=2)
    assert stack.run("csv_load", document).counts == (1, 1, 0, 0, 0)
    assert len(stack.items(table)) == 1

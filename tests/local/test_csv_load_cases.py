"""Files and inputs from public reports, one case each: tests/cases/csv/cases.jsonl says what every one leads to."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.local.commands import new_terminal
from tests.local.deployed import Deployed, Ended

CASES = Path(__file__).parents[1] / "cases" / "csv" / "cases.jsonl"
# What the message of a failed run has to contain.
MESSAGES: Mapping[str, Sequence[str]] = {
    "space_header": ('"id "', '" name"', "source.trim"),
    "sep_line_unset": ("source.skipRows", "sep=", "1"),
    "dup_header": ("keys", '"name"', "2", "3", "headerRow", "mapping"),
    "utf16le_nobom": ("looks like UTF-16 without a byte order mark",),
    "utf16_ascii_transform": ("looks like UTF-16 without a byte order mark",),
    "sjis": ("source.encoding", "utf-8", "iconv"),
    "bz2_as_csv": ("is bzip2; set source.compression",),
    "zstd_as_csv": ("is zstd; set source.compression",),
    "parquet_as_csv": ("is Parquet",),
    "xlsx_as_csv": ("is an Excel workbook; save it as CSV",),
    "gz_garbage_tail": ("bytes after the end of the gzip data, from byte 36 on",),
    "jsonl_cr_only": ("line",),
    "folder_key": ("source.key", "ends with a slash", "source.prefix"),
    "wrong_delim": ('the header is one column, "id;name"; is the delimiter ";"?',),
    "rejects_all_tolerated": ("row 1", '"x" is not a number'),
    "d_bom": ("byte order mark",),
    "d_badnum": ("cannot be converted to a numeric value", "row 2"),
    "d_trail": ("Empty attribute name", "row 2"),
    "d_notable": (),
    "d_semicolon": ("source.delimiter: unknown field",),
    "d_source_extra": ("source.headers: unknown field",),
    "d_empty_key": ("empty string value",),
    "d_long_digits": ("38",),
    "quote_empty": ("source.quote", "use null for files without quotes"),
}
# What the summary's notes have to contain.
NOTES: Mapping[str, str] = {
    "dup_keys": "2 rows were superseded by later rows with the same key",
    "repeat_header": "1 repeated header row skipped",
}


CASE = [pytest.param(json.loads(line), id=json.loads(line)["name"]) for line in CASES.read_text().splitlines()]


@pytest.mark.parametrize("case", CASE)
def test_case_leads_to_what_it_says(stack: Deployed, case: dict[str, Any]) -> None:
    table, document = prepared(stack, case)
    ended = stack.run(case["workflow"], document)
    items = stack.items(table) if case["name"] != "d_notable" else []
    expected = case["expected"]
    if ended.error and "or" in expected:
        expected = {"error": ended.error, "message": expected["or"]}
        assert ended.error in ("InvalidInputError", "SourceMalformedError")
    if "rule" not in expected:
        check_end(ended, case["name"], expected)
    assert len(items) == expected.get("count", len(items))
    if "items" in expected or {"error", "status"} & set(expected) == {"error"}:
        assert by_text(items) == by_text(expected.get("items", []))
    if "rejects" in expected:
        assert {str(each["row"]): each["error"] for each in stack.rejects(ended)} == expected["rejects"]
    if "rule" in expected:
        RULES[case["name"]](stack, ended, items)
    if "exit" in expected:
        terminal = new_terminal(stack.surroundings.root, stdin=document)
        assert terminal.sluice("run", case["workflow"], "--local", "--input", "-") == expected["exit"]


def prepared(stack: Deployed, case: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The table and the object of a case, and its input."""
    table = f"table-{uuid4().hex[:12]}"
    if case["name"] != "d_notable":
        create_table(stack, table, case["table"])
        stack.put_items(table, case.get("before", []))
    stored = case["object"]
    body = stored["text"].encode() if "text" in stored else base64.b64decode(stored["base64"])
    stack.s3.put_object(Bucket=stack.bucket, Key=stored["key"], Body=body)
    document = json.loads(json.dumps(case["input"]).replace("${DataBucket}", stack.bucket).replace("${Table}", table))
    return table, document


def create_table(stack: Deployed, name: str, keys: Mapping[str, Any]) -> None:
    """A table with a key such as {"pk": "id", "sk": "n", "t": "N", "gsi": {"age": "N"}}; types are S if omitted."""
    indexed: dict[str, Any] = keys.get("gsi", {})
    types: dict[str, Any] = {keys["pk"]: keys.get("t", "S"), **indexed}
    schema: list[Any] = [{"AttributeName": keys["pk"], "KeyType": "HASH"}]
    if "sk" in keys:
        types[keys["sk"]] = keys.get("st", "S")
        schema.append({"AttributeName": keys["sk"], "KeyType": "RANGE"})
    more: dict[str, Any] = {"GlobalSecondaryIndexes": [index_of(each) for each in indexed]} if indexed else {}
    stack.dynamodb.create_table(
        TableName=name,
        KeySchema=schema,
        AttributeDefinitions=[{"AttributeName": each, "AttributeType": kind} for each, kind in types.items()],
        BillingMode="PAY_PER_REQUEST",
        **more,
    )


def index_of(attribute: str) -> dict[str, Any]:
    """A global secondary index that an attribute is the key of."""
    schema = [{"AttributeName": attribute, "KeyType": "HASH"}]
    return {"IndexName": f"by-{attribute}", "KeySchema": schema, "Projection": {"ProjectionType": "ALL"}}


def check_end(ended: Ended, name: str, expected: Mapping[str, Any]) -> None:
    """The status, the error and its message, and the summary's notes."""
    failed = "error" in expected or expected.get("status") == "FAILED"
    assert ended.status == expected.get("status", "FAILED" if failed else "SUCCEEDED"), ended
    if expected.get("error"):
        assert ended.error == expected["error"], ended
    if "message" in expected:
        missing = [each for each in MESSAGES[name] if each not in (ended.cause or "")]
        assert not missing, ended
    if "summary" in expected:
        assert NOTES[name] in " ".join(ended.summary["notes"]), ended.summary


def by_text(items: Sequence[Mapping[str, Any]]) -> list[str]:
    """Items in an order of their own, so that lists of them can be compared."""
    return sorted(json.dumps(each, sort_keys=True) for each in items)


def numbers_are_exact(stack: Deployed, ended: Ended, items: Sequence[Mapping[str, Any]]) -> None:
    """Each number is loaded exactly or rejected; none changes its value."""
    reasons = {"NumberInvalid", "NumberTooPrecise", "NumberOutOfRange"}
    rejects = {each["record"]["id"]: each["error"] for each in stack.rejects(ended)}
    assert set(rejects.values()) <= reasons
    assert len(rejects) + len(items) == ended.summary["counts"]["read"] == 36
    for item in items:
        assert Decimal(item["n"]["N"]) == Decimal(item["raw"]["S"]), item
    loaded = {item["id"]["S"] for item in items}
    assert {"3", "20", "24", "25", "29", "30", "31"} <= loaded
    assert [rejects[each] for each in ("0", "11", "13")] == ["NumberInvalid", "NumberTooPrecise", "NumberOutOfRange"]


def numbers_are_trimmed(stack: Deployed, ended: Ended, items: Sequence[Mapping[str, Any]]) -> None:
    """As before, and blanks around a number do not reject it."""
    numbers_are_exact(stack, ended, items)
    assert {"1", "34"} <= {item["id"]["S"] for item in items}


def id_is_a_uuid(_stack: Deployed, _ended: Ended, items: Sequence[Mapping[str, Any]]) -> None:
    """The name is x, and the id a UUID."""
    (item,) = items
    assert item["name"] == {"S": "x"}
    assert str(UUID(item["id"]["S"])) == item["id"]["S"]


def latin_1_is_replaced(_stack: Deployed, ended: Ended, items: Sequence[Mapping[str, Any]]) -> None:
    """Either a named error, or the second row as it is in the file."""
    assert ended.error or {"id": {"S": "2"}, "name": {"S": "ok"}} in items


RULES: Mapping[str, Callable[[Deployed, Ended, Sequence[Mapping[str, Any]]], None]] = {
    "numbers": numbers_are_exact,
    "numbers_trim": numbers_are_trimmed,
    "uuid_key": id_is_a_uuid,
    "d_latin1": latin_1_is_replaced,
}

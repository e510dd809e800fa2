"""The input of csv_load: its defaults, and what is wrong with it by name."""

from __future__ import annotations

from typing import Any

import pytest

from sluice.errors import InvalidInputError
from sluice.runs.input import ToleratedFailures
from sluice.workflows.csv_load.input import LoadInput


def an_input(source: dict[str, Any] | None = None, **changed: Any) -> dict[str, Any]:
    usual = {
        "source": {"bucket": "data", "key": "rows.csv"} | (source or {}),
        "table": "rows",
        "keys": ["id"],
    }
    return usual | changed


def test_defaults() -> None:
    load = LoadInput.from_input(an_input())
    assert (load.source.dialect.format, load.source.compression, load.source.dialect.encoding) == (
        "csv",
        "none",
        "utf-8",
    )
    assert (load.source.dialect.delimiter, load.source.dialect.quote, load.source.headers) == (",", '"', None)
    assert (load.source.version_id, load.source.max_rows) == (None, None)
    assert (load.item_source, load.spec, load.on_conflict) == ("keys", ["id"], "replace")
    assert (load.range_bytes, load.max_concurrency) == (8 << 20, 50)
    assert (load.tolerated_failures, load.rejects_tolerated) == (ToleratedFailures(), {"count": 0})


@pytest.mark.parametrize(
    ("key", "layout", "compression", "delimiter"),
    [
        ("a.csv", "csv", "none", ","),
        ("A.CSV.GZ", "csv", "gzip", ","),
        ("a.tsv.gz", "csv", "gzip", "\t"),
        ("a.txt", "csv", "none", ","),
        ("a.jsonl", "jsonl", "none", ","),
        ("a.ndjson.gz", "jsonl", "gzip", ","),
        ("a.json", "json", "none", ","),
        ("a.csv.bz2", "csv", "bzip2", ","),
        ("a.tsv.zst", "csv", "zstd", "\t"),
        ("a.csv.zip", "csv", "zip", ","),
        ("a.zip", "", "zip", ","),
        ("a.parquet", "", "none", ","),
        ("csv_load/run/rejects.jsonl", "rejects", "none", ","),
    ],
)
def test_key_tells_the_format(key: str, layout: str, compression: str, delimiter: str) -> None:
    source = LoadInput.from_input(an_input({"key": key})).source
    assert (source.dialect.format, source.compression, source.dialect.delimiter) == (layout, compression, delimiter)


def test_everything_can_be_given() -> None:
    source = {
        "key": "rows",
        "versionId": "v1",
        "format": "csv",
        "compression": "gzip",
        "delimiter": "¦",
        "quote": None,
        "headers": ["a", "b"],
        "encoding": "latin-1",
        "maxRows": 10,
    }
    raw = an_input(
        source,
        keys=None,
        mapping={"id": "{a}"},
        onConflict="keep",
        rangeSize=1024,
        maxConcurrency=1,
        toleratedFailurePercentage=12.5,
        toleratedFailureCount=4,
        rejectsTolerated="1.5%",
    )
    load = LoadInput.from_input(raw)
    assert load.source.version_id == "v1"
    assert (load.source.dialect.delimiter, load.source.dialect.quote, load.source.headers) == ("¦", None, ("a", "b"))
    assert (load.source.compression, load.source.dialect.encoding, load.source.max_rows) == ("gzip", "iso8859-1", 10)
    assert (load.item_source, load.spec) == ("mapping", {"id": "{a}"})
    assert (load.on_conflict, load.range_bytes, load.max_concurrency) == ("keep", 1024, 1)
    assert (load.tolerated_failures, load.rejects_tolerated) == (ToleratedFailures(12.5, 4), {"percentage": 1.5})


def test_rejects_may_be_tolerated_by_count() -> None:
    assert LoadInput.from_input(an_input(rejectsTolerated=5)).rejects_tolerated == {"count": 5}
    assert LoadInput.from_input(an_input(rejectsTolerated="any")).rejects_tolerated is None


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        ({}, "mapping: is required, or one of transform and keys instead"),
        (an_input(mapping={"id": "{id}"}), "keys: cannot be combined with mapping"),
        (an_input(keys=None, mapping={}), "mapping: must be an object"),
        (an_input(keys=None, transform=5), "transform: must be a string"),
        (an_input(keys=[]), "keys: must name the column of the partition key"),
        (an_input(keys=["a", "a"]), "keys: must name the column of the partition key"),
        (an_input(table=None), "table: is required"),
        (an_input(table="a b"), "table: a b is not a table name"),
        (an_input(source=None) | {"source": None}, "source: is required"),
        (an_input({"delimeter": ";"}), r"source\.delimeter: unknown field; did you mean delimiter\?"),
        (an_input({"bucket": "a b"}), r"source\.bucket: a b is not a bucket name"),
        (an_input({"key": None}), r"source\.key: is required"),
        (an_input({"key": "x" * 1025 + ".csv"}), r"source\.key: is longer than 1024 bytes"),
        (
            an_input({"format": "xml"}),
            r"source\.format: must be one of csv, .*, dynamodbJson, rejects, not xml",
        ),
        (
            an_input({"compression": "lz4"}),
            r"source\.compression: must be one of none, gzip, .* zip, not lz4",
        ),
        (an_input({"delimiter": "\n"}), r"source\.delimiter: must not contain a newline"),
        (an_input({"quote": "\r"}), r"source\.quote: must not contain a newline"),
        (an_input({"quote": ","}), r"source\.quote: must not be in the delimiter"),
        (an_input({"quote": ""}), r"source\.quote: use null for files without quotes"),
        (an_input({"quote": "''"}), r"source\.quote: must be one character, not 2"),
        (an_input({"escape": "\\\\"}), r"source\.escape: must be one character, not 2"),
        (an_input({"escape": ","}), r"source\.escape: must not be in the delimiter"),
        (an_input({"delimiter": '"|"'}), r"source\.quote: must not be in the delimiter"),
        (an_input({"comment": "#\n"}), r"source\.comment: must not contain a newline"),
        (an_input({"comment": '"'}), r"source\.comment: must not begin with the delimiter or the quote"),
        (an_input({"skipRows": -1}), r"source\.skipRows: must be from 0 to 10,000, not -1"),
        (an_input({"trim": "yes"}), r"source\.trim: must be true or false, not a string"),
        (an_input({"headerRow": "replace"}), r"source\.headerRow: needs headers"),
        (an_input({"headerRow": "none", "headers": ["a"]}), r"source\.headerRow: must be one of replace, not none"),
        (an_input({"key": "a.jsonl", "trim": True}), r"source\.trim: does not apply to the format jsonl"),
        (
            an_input({"delimiter": "€", "encoding": "latin-1"}),
            r"source\.delimiter: cannot be encoded in iso8859-1",
        ),
        (an_input({"delimiter": "\ud800"}), r"source\.delimiter: cannot be encoded in utf-8"),
        (an_input({"encoding": "utf-16"}), r"source\.encoding: utf-16 is not supported"),
        (an_input({"headers": []}), r"source\.headers: must name the columns"),
        (an_input({"headers": [1]}), r"source\.headers\[0\]: must be a string"),
        (an_input({"maxRows": 0}), r"source\.maxRows: must be from 1 "),
        (
            an_input({"key": "a.jsonl", "delimiter": ","}),
            r"source\.delimiter: does not apply to the format jsonl",
        ),
        (an_input(onConflict="merge"), "onConflict: must be one of replace, keep, reject, not merge"),
        (an_input(rangeSize=1), "rangeSize: must be from 1,024 to 1,073,741,824, not 1"),
        (an_input(maxConcurrency=0), "maxConcurrency: must be from 1 to 10,000, not 0"),
        (an_input(toleratedFailurePercentage=101), "toleratedFailurePercentage: must be from 0 to 100"),
        (an_input(toleratedFailureCount=1.5), "toleratedFailureCount: must be a whole number, not 1.5"),
        (
            an_input(rejectsTolerated="many"),
            "rejectsTolerated: must be a count, or a percentage such as 1.5%",
        ),
        (an_input(rejectsTolerated="101%"), "rejectsTolerated: must be a count, or a percentage"),
        (an_input(source={"bucket": "data", "key": "a\0.csv"}), "source.key: must not contain a NUL character"),
        (an_input(source={"bucket": "data", "key": "a\ud800.csv"}), "source.key: must not contain"),
        (an_input(rejectsTolerated=-1), "rejectsTolerated: must be from 0"),
        (an_input(rangesize=5), r"rangesize: unknown field; did you mean rangeSize\?"),
    ],
)
def test_wrong_input_is_named(raw: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidInputError, match=f"^{problem}"):
        LoadInput.from_input(raw)

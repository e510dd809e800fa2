"""What ItemReader makes of a file's bytes."""

import gzip
import io
from typing import Any

import pytest

from local_aws.stepfunctions.distributed_map.formats import count_records, read_records

FIRST_ROW = {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"}


def read(body: bytes, config: dict[str, Any], key: str = "a") -> list[Any]:
    items = list(read_records(io.BytesIO(body), key, config))
    assert count_records(io.BytesIO(body), key, config) == len(items)
    return items


@pytest.mark.parametrize(
    ("body", "items"),
    [
        (b"a,b\n1,2\n", [{"a": "1", "b": "2"}]),
        (b"a,b\r\n1,2\r\n", [{"a": "1", "b": "2"}]),
        (b"a,b\n1\n", [{"a": "1", "b": ""}]),
        (b"a,b\n1,2,3\n", [{"a": "1", "b": "2"}]),
        (b"a,b\n,\n", [{"a": "", "b": ""}]),
        (b"a,b\n  \n", [{"a": "  ", "b": ""}]),
        (b'a,b\n"x\ny","1,""2"""\n', [{"a": "x\ny", "b": '1,"2"'}]),
        (b"a,\n1,2\n", [{"a": "1", "": "2"}]),
        (b"a,b\nx\\,y,C:\\dir\\\\\n", [{"a": "x,y", "b": "C:dir\\"}]),
        (b"a,b\n", []),
        (b"", []),
    ],
)
def test_csv_is_read_as_by_step_functions(body: bytes, items: list[Any]) -> None:
    assert read(body, FIRST_ROW) == items


@pytest.mark.parametrize(
    ("delimiter", "sign"), [("PIPE", "|"), ("SEMICOLON", ";"), ("SPACE", " "), ("TAB", "\t"), ("COMMA", ",")]
)
def test_csv_delimiter_is_named(delimiter: str, sign: str) -> None:
    body = f"a{sign}b\n1{sign}2\n".encode()
    assert read(body, {**FIRST_ROW, "CSVDelimiter": delimiter}) == [{"a": "1", "b": "2"}]


def test_given_headers_leave_the_first_row_an_item() -> None:
    config = {"InputType": "CSV", "CSVHeaderLocation": "GIVEN", "CSVHeaders": ["x", "y"]}
    assert read(b"1,2\n", config) == [{"x": "1", "y": "2"}]


def test_given_headers_must_differ() -> None:
    config = {"InputType": "CSV", "CSVHeaderLocation": "GIVEN", "CSVHeaders": ["x", "x"]}
    with pytest.raises(ValueError, match="cannot contain duplicates"):
        list(read_records(io.BytesIO(b"1,2\n"), "a", config))


def test_json_lines_skip_empty_ones() -> None:
    assert read(b'{"a": 1}\n\n2\n"x"', {"InputType": "JSONL"}) == [{"a": 1}, 2, "x"]


def test_compression_follows_from_the_name() -> None:
    assert read(gzip.compress(b"1\n2\n"), {"InputType": "JSONL"}, "a.jsonl.gz") == [1, 2]


def test_json_pointer_selects_and_unescapes() -> None:
    config = {"InputType": "JSON", "ItemsPointer": "/a~1b/0"}
    assert read(b'{"a/b": [[1, 2]]}', config) == [1, 2]


@pytest.mark.parametrize("body", [b"1", b'{"a": 1}', b'"text"'])
def test_json_that_is_no_array_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match="Attempting to map over non-iterable node"):
        count_records(io.BytesIO(body), "a", {"InputType": "JSON"})

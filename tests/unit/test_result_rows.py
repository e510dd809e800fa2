"""Results of Athena as bytes: where rows end, which of them Step Functions' reader would damage, how they are read."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local_aws.stepfunctions.distributed_map.formats import read_records
from sluice.errors import SourceMalformedError
from sluice.reading.record_scanner import Block, blocks
from sluice.workflows.athena_map.inspector import split_uri
from sluice.workflows.athena_map.result_rows import ResultGrammar, csv_records, damage
from tests.unit.athena_results import athena_csv

NASTY = 'a"b', "c,d", "e\nf", "back\\slash", "\\", "g\r\nh", "\0", "ü☃🗻", "", None

values = st.one_of(st.none(), st.text(st.characters(codec="utf-8"), max_size=6), st.sampled_from(NASTY))


@st.composite
def results(draw: st.DrawFn) -> tuple[list[str], list[list[str | None]]]:
    """Columns of different names, and rows of as many values."""
    columns = draw(st.lists(st.text(st.characters(codec="utf-8"), max_size=4), min_size=1, max_size=3, unique=True))
    row = st.lists(values, min_size=len(columns), max_size=len(columns))
    return columns, draw(st.lists(row, max_size=12))


@given(results(), st.integers(1, 40))
def test_blocks_hold_every_row_once_wherever_they_are_cut(
    result: tuple[list[str], list[list[str | None]]], block_bytes: int
) -> None:
    columns, rows = result
    body = athena_csv(columns, rows)
    found = list(blocks(io.BytesIO(body), ResultGrammar(), block_bytes=block_bytes))
    assert sum(block.rows for block in found) == len(rows) + 1
    assert b"".join(block.data for block in found) == body
    records = [record for block in found for record in csv_records(block.data.decode())]
    assert records == [columns, *([value or "" for value in row] for row in rows)]
    for block in found:
        starts = ResultGrammar().starts(block.data)
        assert len(starts) == block.rows
        assert all(start == 0 or block.data[start - 1 : start] == b"\n" for start in starts)


@given(results())
@settings(max_examples=300)
def test_rows_that_are_left_to_step_functions_come_through_as_they_are(
    result: tuple[list[str], list[list[str | None]]],
) -> None:
    """By the reader of local AWS, which takes backslashes as AWS's does and leaves blank lines out."""
    columns, rows = result
    body = athena_csv(columns, rows)
    if any(damage(block, columns) for block in blocks(io.BytesIO(body), ResultGrammar())):
        return
    read = list(read_records(io.BytesIO(body), "id.csv", {"InputType": "CSV"}))
    assert read == [dict(zip(columns, [value or "" for value in row], strict=True)) for row in rows]


@pytest.mark.parametrize(
    ("data", "columns", "cause"),
    [
        (b'"a","b"\n', 2, None),
        (b'"a\t\n","b"\n', 2, None),
        (b'"a\\",\n', 2, "a backslash or a control character"),
        (b'"a\r\n",\n', 2, "a backslash or a control character"),
        (b'"\x1f",\n', 2, "a backslash or a control character"),
        (b'"a"\n\n"b"\n', 1, "a blank line"),
        (b"\n", 1, "a blank line"),
        (b'"a"\n', 1, None),
        (b'"' + b"x" * (64 << 10) + b'"\n', 1, "a long row"),
    ],
)
def test_damage_is_foreseen(data: bytes, columns: int, cause: str | None) -> None:
    block = Block(0, data, ResultGrammar().measure(data, is_last=True)[1])
    assert damage(block, ["c"] * columns) == cause


def test_rows_without_a_last_newline_are_counted() -> None:
    assert ResultGrammar().measure(b'"a"\n"b', is_last=True) == (6, 2)
    assert ResultGrammar().measure(b'"a"\n"b\n', is_last=False) == (4, 1)
    assert ResultGrammar().measure(b"no end", is_last=False) == (0, 0)
    assert ResultGrammar().open_quote(b'"a","b') == 4
    assert ResultGrammar().open_quote(b'"a"') is None


@pytest.mark.parametrize(
    ("uri", "expected"),
    [("s3://b/k.csv", ("b", "k.csv")), ("s3://b/a/b c/d//e.csv", ("b", "a/b c/d//e.csv"))],
)
def test_uri_is_split_at_any_depth(uri: str, expected: tuple[str, str]) -> None:
    assert split_uri(uri) == expected


@pytest.mark.parametrize("uri", ["b/k", "s3://b", "s3://b/", "s3:///k"])
def test_uri_of_no_object_is_malformed(uri: str) -> None:
    with pytest.raises(SourceMalformedError, match="not the URI of an object"):
        split_uri(uri)


def test_reader_of_python_agrees_with_athenas_form() -> None:
    """The oracle of the other tests, once."""
    body = athena_csv(["a", "b"], [['x"y', None]])
    assert body == b'"a","b"\n"x""y",\n'
    assert list(csv.reader(io.StringIO(body.decode()))) == [["a", "b"], ['x"y', ""]]

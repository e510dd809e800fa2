"""AggregateObjects: any slices of any batch come to the same, and to what DuckDB says."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterator
from datetime import date
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.runs.paths import Run
from tests.unit.aggregated import BUCKET, Batches, aggregation, batches, counts, tally


@pytest.fixture
def aws() -> Iterator[Batches]:
    with batches() as started:
        yield started


def test_slice_ends_before_its_groups_are_too_many(aws: Batches) -> None:
    for name in "abc":
        aws.put(f"in/{name}.csv", b"g,x\n" + b"".join(b"%s%d,1\n" % (name.encode(), each) for each in range(50)))
    first = aws.slice(aggregation(), numbers_max=60, together_bytes=1)
    assert (first["done"], first["nextObject"], first["position"]) == (False, 1, None)
    progress = aws.whole(aggregation(), first, numbers_max=60, together_bytes=1)
    assert (progress["slices"], len(aws.groups(progress))) == (3, 150)


def test_object_that_spans_slices_counts_once_it_has_been_read(aws: Batches) -> None:
    aws.put("in/a.csv", b"g,x\na,1\n")
    aws.put("in/b.csv", b"g,x\n" + b"b,2\nb,no\n" * 100)
    options = {"whole_max_bytes": 20, "block_bytes": 64, "checks": 3}
    progress = aws.slice(aggregation(), **options)
    assert (progress["partSlices"], progress["pendingSlices"], progress["rejectSlices"]) == ([0], [1], [])
    assert counts(progress) == ((1, 1, 0, 0), (1, 1, 0, 0))
    progress = aws.whole(aggregation(), progress, **options)
    assert counts(progress) == ((2, 2, 0, 0), (201, 101, 0, 100))
    assert aws.groups(progress) == {("a",): tally(1, "1"), ("b",): tally(100, *["2"] * 100)}
    assert [each["row"] for each in aws.rejects(progress)] == list(range(2, 201, 2))
    assert (progress["pendingSlices"], progress["position"], progress["reasons"]) == ([], None, {"NumberInvalid": 100})


def test_object_that_proves_unreadable_after_slices_is_dropped_whole(aws: Batches) -> None:
    aws.put("in/a.csv", b"g,x\n" + b"b,2\nb,no\n" * 100 + b'"b,2\n')
    progress = aws.whole(aggregation(), whole_max_bytes=20, block_bytes=64, checks=3)
    assert progress["slices"] > 2
    assert counts(progress) == ((1, 0, 0, 1), (0, 0, 0, 0))
    assert (progress["partSlices"], progress["rejectSlices"], progress["pendingSlices"]) == ([], [], [])


def test_object_that_changes_between_slices_is_dropped_whole(aws: Batches) -> None:
    body = b"g,x\n" + b"b,2\n" * 200
    aws.put("in/a.csv", body)
    options: dict[str, Any] = {"whole_max_bytes": 20, "block_bytes": 64}
    progress = aws.slice(aggregation(), checks=1, **options)
    aws.s3.put_object(Bucket=BUCKET, Key="in/a.csv", Body=body + b"c,3\n")
    progress = aws.whole(aggregation(), progress, **options)
    assert counts(progress) == ((1, 0, 0, 1), (0, 0, 0, 0))


objects = st.lists(
    st.tuples(
        st.sampled_from(["csv", "csv.gz", "jsonl", "txt"]),
        st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["1", "-2.5", "", "no", "1e3"])), max_size=30),
        st.sampled_from(["", "", "", '"']),
    ),
    min_size=1,
    max_size=5,
)
cuts = st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=6)


def body_of(ending: str, rows: list[tuple[str, str]], last: str) -> bytes:
    if ending == "jsonl":
        # A row without a value lacks the column.
        lines = ({"g": group, **({"x": value} if value else {})} for group, value in rows)
        return b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    text = "".join(f"{group},{value}\n" for group, value in [("g", "x"), *rows]) + last
    return gzip.compress(text.encode()) if ending == "csv.gz" else text.encode()


@settings(max_examples=25)
@given(objects, cuts, st.sampled_from([0, 40, 1 << 20]), st.sampled_from([8, 64]), st.randoms())
def test_slices_cut_anywhere_and_tried_again_give_the_whole_result(
    objects: list[tuple[str, list[tuple[str, str]], str]],
    cuts: list[tuple[int, bool]],
    whole_max_bytes: int,
    block_bytes: int,
    order: Any,
) -> None:
    with batches() as aws:
        for number, each in enumerate(objects):
            aws.put(f"in/{number}.{each[0]}", body_of(*each))
        expected = aws.whole(aggregation())
        groups, rejects = aws.groups(expected), aws.rejects(expected)
        order.shuffle(aws.objects)
        aws.run = Run("object_aggregate", "cut", aws.run.execution_arn)
        options: dict[str, Any] = {"whole_max_bytes": whole_max_bytes, "block_bytes": block_bytes, "together_bytes": 30}
        progress = None
        for checks, is_lost in cuts:
            if progress and progress["done"]:
                break
            lost = aws.slice(aggregation(), progress, checks + 1, **options) if is_lost else None
            progress = aws.slice(aggregation(), progress, checks, **options)
            # The first attempt that ended tells how far the slice has come.
            assert not is_lost or progress == lost
        if progress is None or not progress["done"]:
            progress = aws.whole(aggregation(), progress, **options)
        assert counts(progress) == counts(expected)
        assert (progress["bytes"], progress["reasons"]) == (expected["bytes"], expected["reasons"])
        assert progress["columns"]["absent"] == expected["columns"]["absent"]
        assert aws.groups(progress) == groups
        # The offset is for what could not be decoded, and everything here could be.
        assert sorted(map(str, aws.rejects(progress))) == sorted(map(str, rejects))


def test_column_that_an_object_lacks_may_be_in_another_one(aws: Batches) -> None:
    aws.put("in/a.jsonl", b'{"g": "a", "y": 1}\n' * 30)
    requested = aggregation(measures=[{"column": each, "statistics": ["sum"]} for each in ("x", "z")])
    progress = aws.slice(requested, checks=1, whole_max_bytes=20, block_bytes=64)
    assert (progress["done"], progress["columns"]) == (False, {"absent": None, "known": []})
    assert progress["position"]["columns"] == {"absent": ["x", "z"], "known": ["g", "y"]}
    alone = aws.whole(requested, progress, whole_max_bytes=20, block_bytes=64)
    assert alone["columns"] == {"absent": ["x", "z"], "known": ["g", "y"]}
    aws.put("in/b.jsonl", b'{"g": "a", "v": null}\nno JSON\n{"x": null}\n')
    aws.run = Run("object_aggregate", "both", aws.run.execution_arn)
    assert aws.whole(requested)["columns"] == {"absent": ["z"], "known": ["g", "y", "v", "x"]}


@pytest.mark.parametrize("body", [b"", b"\n\n", b"no JSON\n"])
def test_object_without_a_row_lacks_no_column(aws: Batches, body: bytes) -> None:
    aws.put("in/a.jsonl", body)
    assert aws.whole(aggregation())["columns"] == {"absent": None, "known": []}


def test_column_that_only_the_first_slice_of_an_object_has_is_found(aws: Batches) -> None:
    aws.put("in/a.jsonl", b'{"g": "a", "x": 1}\n' * 3 + b'{"g": "a"}\n' * 30)
    options: dict[str, Any] = {"whole_max_bytes": 20, "block_bytes": 64}
    progress = aws.slice(aggregation(), checks=1, **options)
    assert (progress["done"], progress["columns"]["absent"]) == (False, None)
    assert aws.whole(aggregation(), progress, **options)["columns"] == {"absent": [], "known": []}


def test_column_of_a_pending_object_counts_once_the_object_has_been_read(aws: Batches) -> None:
    """The object changes between slices: its rows do not count, so that its columns do not either."""
    body = b'{"g": "a", "x": 1}\n' * 30
    aws.put("in/a.jsonl", body)
    aws.put("in/b.jsonl", b'{"g": "a"}\n')
    options: dict[str, Any] = {"whole_max_bytes": 20, "block_bytes": 64}
    progress = aws.slice(aggregation(), checks=1, **options)
    aws.s3.put_object(Bucket=BUCKET, Key="in/a.jsonl", Body=body + body)
    assert aws.whole(aggregation(), progress, **options)["columns"] == {"absent": ["x"], "known": ["g"]}


# DuckDB has the last word.

rows = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "a b", 'say "a"', "a,b", "\u00fc"]),
        st.dates(date(1900, 1, 1), date(2100, 1, 1)).map(str),
        st.one_of(
            st.just(""),
            st.just("9999.9"),
            st.decimals(-(10**6), 10**6, places=1).map(str),
            st.decimals(-(10**6), 10**6, places=7).map(lambda number: f"{number:f}"),
        ),
    ),
    max_size=60,
)
EXPECTED = """
SELECT g, left(d, 7), count(*), count(n), coalesce(sum(n), 0), min(n), max(n)
FROM (SELECT g, d, CAST(nullif(nullif(x, ''), '9999.9') AS DECIMAL(38, 9)) AS n FROM rows) GROUP BY ALL
"""


@settings(max_examples=25)
@given(st.lists(rows, min_size=1, max_size=4), st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]))
def test_groups_are_those_of_duckdb(objects: list[list[tuple[str, str, str]]], quoting: Any) -> None:
    with batches() as aws, duckdb.connect() as connection:
        connection.execute("CREATE TABLE rows (g VARCHAR, d VARCHAR, x VARCHAR)")
        for number, each in enumerate(objects):
            text = io.StringIO()
            csv.writer(text, quoting=quoting, lineterminator="\n").writerows([("g", "d", "x"), *each])
            aws.put(f"in/{number}.csv", text.getvalue().encode())
            if each:
                connection.executemany("INSERT INTO rows VALUES (?, ?, ?)", each)
        progress = aws.whole(aggregation(groupBy=["g", "d:month"], missing=["9999.9"]))
        found = {
            (
                *key,
                each.rows,
                each.measures[0].count,
                each.measures[0].total,
                each.measures[0].low,
                each.measures[0].high,
            )
            for key, each in aws.groups(progress).items()
        }
        assert found == set(connection.execute(EXPECTED).fetchall())

"""ReduceAggregates: whatever the tree, the fan-in and the slices, the result is what one dict gives."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from typing import Any

import boto3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws

from sluice import errors
from sluice.errors import (
    CountsDoNotReconcileError,
    ServiceUnavailableError,
    SourceMalformedError,
    SourceNotFoundError,
    UnexpectedResponseError,
)
from sluice.workflows.object_aggregate.aggregation import Aggregation
from sluice.workflows.object_aggregate.cells import GroupTally, Key
from sluice.workflows.object_aggregate.merge_plan import FAN_IN, LastMerge, Merge, MergeProgress, plan_merges
from sluice.workflows.object_aggregate.result_format import ResultFormat, plain
from tests.fixtures import EVENTS, expected_error, fixture
from tests.unit.aggregated import BUCKET, RUN, aggregation
from tests.unit.aggregated import tally as group_of
from tests.unit.fake_s3 import CrashError, FakeS3
from tests.unit.lambda_context import Context
from tests.unit.merges import Merges, Row, by_turns, never, part_of, request, tallied

TEXTS = st.text(st.sampled_from('a,"\n\r é\U0001f600'), max_size=3)
NUMBERS = st.decimals(
    allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30, places=12
) | st.sampled_from(
    [
        Decimal("1.0"),
        Decimal("1.00"),
        Decimal("1E+3"),
        Decimal("-0"),
        Decimal("0.1"),
        Decimal("1E-130"),
        Decimal("9E+125"),
    ]
)
ROWS = st.lists(st.tuples(st.tuples(TEXTS, TEXTS), st.none() | NUMBERS), max_size=8)
PARTS = st.lists(ROWS, max_size=9)
INDEXES = {"g": 0, "h": 1}


def expected(groups: dict[Key, GroupTally]) -> dict[Key, list[Decimal | None]]:
    """Rows, count, sum, least, greatest; the mean is looked at on its own."""
    found: dict[Key, list[Decimal | None]] = {}
    for key, tally in groups.items():
        measure = tally.measures[0]
        total = measure.total if measure.count else None
        found[key] = [Decimal(tally.rows), Decimal(measure.count), total, measure.low, measure.high]
    return found


def number(text: str | None) -> Decimal | None:
    return Decimal(text) if text else None


@settings(max_examples=150)
@given(PARTS, st.integers(2, 5), st.lists(st.booleans(), max_size=7))
def test_any_tree_in_any_slices_gives_what_one_dict_gives(
    parts: list[list[Row]], fan_in: int, ends: list[bool]
) -> None:
    merges = Merges(request())
    done = merges.reduce(parts, fan_in, by_turns(ends))
    groups = tallied(row for part in parts for row in part)
    assert (done.groups, done.listed, done.rows) == (len(groups), len(groups), sum(map(len, parts)))
    rows = merges.rows()
    assert [(row["g"], row["h"]) for row in rows] == sorted(groups)
    names = ("rows", "x.count", "x.sum", "x.min", "x.max")
    assert {(row["g"], row["h"]): [number(row[name]) for name in names] for row in rows} == expected(groups)
    for row in rows:
        measure = groups[row["g"], row["h"]].measures[0]
        mean = float(Fraction(measure.total) / measure.count) if measure.count else None
        assert (float(row["x.mean"]) if row["x.mean"] else None) == mean
        assert "E" not in "".join(row.values()).replace("\U0001f600", "")
    document = merges.document()
    assert document["complete"] is True
    assert [{name: value or "" for name, value in group.items()} for group in document["groups"]] == rows


@settings(max_examples=60)
@given(PARTS, st.lists(st.booleans(), max_size=5), st.lists(st.booleans(), max_size=5), st.randoms())
def test_order_of_parts_and_slices_changes_no_byte(
    parts: list[list[Row]], ends: list[bool], other_ends: list[bool], random: Any
) -> None:
    one, other = Merges(request()), Merges(request())
    one.reduce(parts, 2, by_turns(ends))
    random.shuffle(parts)
    other.reduce(parts, 3, by_turns(other_ends))
    assert (one.result("csv"), one.result("json")) == (other.result("csv"), other.result("json"))


@settings(max_examples=100)
@given(
    PARTS,
    st.sampled_from([[], ["g"], ["h"], ["h", "g"]]),
    st.integers(1, 3),
    st.sampled_from(["highest", "lowest"]),
    st.sampled_from(["count", "sum", "min", "max", "mean"]),
    st.lists(st.booleans(), max_size=5),
)
def test_top_groups_are_those_of_a_sort(
    parts: list[list[Row]], per: list[str], count: int, order: str, statistic: str, ends: list[bool]
) -> None:
    top = {"measure": 0, "statistic": statistic, "per": per, "count": count, "order": order}
    merges = Merges(request(top=top))
    columns = [*per, *(each for each in ("g", "h") if each not in per)]
    stored = [[(tuple(key[INDEXES[each]] for each in columns), value) for key, value in part] for part in parts]
    done = merges.reduce(stored, 3, by_turns(ends))
    groups = tallied(row for part in stored for row in part)
    competing: dict[Key, list[tuple[Fraction, Key]]] = {}
    for key, tally in groups.items():
        measure = tally.measures[0]
        values: dict[str, Any] = {"sum": measure.total, "min": measure.low, "max": measure.high}
        values["mean"] = Fraction(measure.total) / (measure.count or 1)
        if statistic == "count" or measure.count:
            value = Fraction(measure.count if statistic == "count" else values[statistic])
            competing.setdefault(key[: len(per)], []).append((-value if order == "highest" else value, key))
    winners = [key for _, found in sorted(competing.items()) for _, key in sorted(found)[:count]]
    assert [tuple(row[each] for each in columns) for row in merges.rows()] == winners
    assert (done.groups, done.listed) == (len(groups), len(winners))


def many(parts: int, rows: int) -> list[list[Row]]:
    """Parts that have some keys in common and some of their own."""
    return [
        [((f"key-{(part * 7 + row) % 23:02d}", str(row % 3)), Decimal(part * row)) for row in range(rows)]
        for part in range(parts)
    ]


@pytest.mark.parametrize("rows", [4, pytest.param(12, marks=pytest.mark.long)])
def test_crash_after_any_call_changes_no_byte(rows: int) -> None:
    """The attempt is tried again as Step Functions does: from the progress of the slice before."""
    parts, ends = many(4, rows), [False, False, True]
    whole = Merges(request())
    whole.reduce(parts, 3, by_turns(ends))
    calls = whole.s3.calls
    assert any("merges" in key for key in whole.s3.objects)
    for crash_at in range(1, calls + 1):
        for has_effect in (True, False):
            crashed = Merges(request(), FakeS3(crash_at=crash_at, has_effect=has_effect))
            _reduce_with_retries(crashed, parts, ends)
            for ending in ("csv", "json"):
                assert crashed.result(ending) == whole.result(ending), (crash_at, has_effect)


def _reduce_with_retries(merges: Merges, parts: list[list[Row]], ends: list[bool]) -> None:
    levels, last = plan_merges(merges.run, merges.put(parts), LastMerge(sum(map(len, parts)), None), 3)
    is_time_up = by_turns(ends)
    for merge in [*(each for level in levels for each in level), last]:
        progress = MergeProgress()
        while not progress.done:
            try:
                progress = merges.slice(merge, progress, is_time_up)
            except CrashError:
                progress = merges.slice(merge, progress, is_time_up)


def test_late_attempt_changes_nothing_and_returns_the_outcome_of_the_first() -> None:
    merges = Merges(request())
    last = Merge("last", tuple(merges.put(many(3, 20))), LastMerge(60, None))
    first = merges.slice(last, MergeProgress(), by_turns([False, False, True]))
    done = first
    while not done.done:
        done = merges.slice(last, done, by_turns([False, True]))
    stored = dict(merges.s3.objects)
    assert merges.slice(last, MergeProgress(), never) == first
    assert merges.slice(last, first, by_turns([True])) is not None
    assert merges.s3.objects == stored


def test_attempt_whose_upload_another_has_completed_is_tried_again() -> None:
    """Both continue from the same slice; the one that is overtaken finds the upload gone, and then the outcome."""
    merges = Merges(request())
    last = Merge("last", tuple(merges.put(many(3, 40))), LastMerge(120, None))
    begun = merges.slice(last, MergeProgress(), by_turns([False] * 20 + [True]))
    assert merges.s3.uploads
    overtaken = Merges(request(), FakeS3(dict(merges.s3.objects), merges.s3.uploads))
    done = merges.slice(last, begun, never)
    assert done.done
    with pytest.raises(ServiceUnavailableError, match="another attempt has completed it"):
        overtaken.slice(last, begun, never)
    overtaken.s3.objects = merges.s3.objects
    assert overtaken.slice(last, begun, never) == done


def test_slice_holds_one_line_of_each_part_and_less_than_a_part_of_the_output() -> None:
    merges = Merges(request())
    last = Merge("last", tuple(merges.put(many(5, 60))), LastMerge(300, None))
    progress = merges.slice(last, MergeProgress(), by_turns([False] * 15 + [True]))
    rest = merges.s3.objects[RUN.merge_rest_key("last", progress.slices)]
    assert len(rest.partition(b"\n")[2]) < 2 * 200 + 400


def test_partial_result_says_so_in_name_and_content() -> None:
    missing = {"objects": 3, "unreadable": 1, "failed": 2}
    merges = Merges(request(), missing=missing)
    merges.reduce(many(2, 3), 2, never)
    assert (merges.document()["complete"], merges.document()["missing"]) == (
        False,
        {name: str(count) for name, count in missing.items()},
    )
    results = [key for key in merges.s3.objects if "result" in key]
    assert sorted(results) == [f"{RUN.prefix}partial_result.{ending}" for ending in ("csv", "json")]


def test_no_groups_are_a_result_with_a_header() -> None:
    merges = Merges(request())
    merges.reduce([], 2, never)
    assert merges.result("csv") == b"g,h,rows,x.count,x.sum,x.min,x.max,x.mean\n"
    assert merges.document()["groups"] == []


def test_rows_that_the_batches_do_not_know_are_no_result() -> None:
    merges = Merges(request())
    last = Merge("last", tuple(merges.put(many(2, 3))), LastMerge(7, None))
    with pytest.raises(CountsDoNotReconcileError, match="7 rows were aggregated, 6 are in"):
        merges.slice(last, MergeProgress(), never)
    assert not any("result" in key for key in merges.s3.objects)


@pytest.mark.parametrize(
    ("part", "error", "words"),
    [
        (None, SourceNotFoundError, "is no s3://"),
        (b'[["b","b"],1,[]]\n[["a","a"],1,[]]\n', UnexpectedResponseError, "not in the order"),
        (b'[["b","b"],1,[]]\n[["b","b"],1,[]]\n', UnexpectedResponseError, "not in the order"),
        (b'[["b","b"],1,[]]', UnexpectedResponseError, "middle of a line"),
    ],
)
def test_damaged_part_is_no_result(part: bytes | None, error: type[Exception], words: str) -> None:
    merges = Merges(request(measures=[]))
    if part is not None:
        merges.s3.objects["part"] = gzip.compress(part)
    with pytest.raises(error, match=words):
        merges.slice(Merge("last", ("part",), LastMerge(2, None)), MergeProgress(), never)


def test_truncated_part_is_no_result() -> None:
    merges = Merges(request())
    merges.s3.objects["part"] = part_of(many(1, 30)[0])[:-9]
    with pytest.raises(SourceMalformedError, match="truncated"):
        merges.slice(Merge("last", ("part",), LastMerge(30, None)), MergeProgress(), never)


@pytest.mark.parametrize(("parts", "sizes"), [(0, []), (FAN_IN, []), (FAN_IN + 1, [2]), (FAN_IN**2 + 1, [33, 2])])
def test_tree_has_as_many_levels_as_its_parts_need(parts: int, sizes: list[int]) -> None:
    levels, last = plan_merges(RUN, [f"{number:04d}" for number in range(parts)], LastMerge(0, None))
    assert [len(merges) for merges in levels] == sizes
    assert sum(len(each.parts) for each in levels[0]) if levels else len(last.parts) == parts
    assert len(last.parts) <= FAN_IN
    names = [each.name for merges in levels for each in merges]
    assert len(set(names)) == len(names)


FORMULAS = ["=cmd()", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"]


@pytest.mark.parametrize("text", [*FORMULAS, "a=1", "", "'=1"])
@pytest.mark.parametrize("is_escaped", [False, True])
def test_groups_that_look_like_formulas_are_escaped_if_the_input_says_so(text: str, is_escaped: bool) -> None:
    changed = aggregation(groupBy=["g", "=h"], escapeFormulas=is_escaped)
    written = ResultFormat.of(Aggregation.from_state(changed), None)
    row, member = written.rows((text, "h"), group_of(2, "-1.5"))
    cell = "'" + text if is_escaped and text in FORMULAS else text
    assert next(csv.reader([row.decode()]))[0] == cell
    assert json.loads(member)["g"] == text
    assert next(csv.reader([written.csv_head.decode()]))[1] == ("'=h" if is_escaped else "=h")
    # Numbers stay as they are.
    assert row.decode().rstrip().endswith(",2,1,-1.5,-1.5,-1.5,-1.5")


@pytest.mark.parametrize(
    ("value", "text"), [("1E+3", "1000"), ("-0.00", "0"), ("1.500", "1.5"), ("1E-5", "0.00001"), ("-12", "-12")]
)
def test_numbers_are_plain(value: str, text: str) -> None:
    assert plain(Decimal(value)) == text


# The handler.


@pytest.fixture
def handler() -> Iterator[Any]:
    with mock_aws():
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        yield import_module("reduce_aggregates.handler").lambda_handler


def test_handler_continues_with_its_own_progress(handler: Any) -> None:
    s3 = boto3.client("s3")
    s3.put_object(Bucket=BUCKET, Key="part", Body=part_of(((str(number),), Decimal(number)) for number in range(30)))
    merge = {"name": "last", "parts": ["part"], "last": {"rows": 30, "missing": None}}
    event = fixture("reduce_aggregates", "usual") | {"merge": merge}
    event["aggregation"]["measures"][0]["statistics"] = ["sum"]
    slices = 0
    while not (event["progress"] or {}).get("done"):
        event["progress"] = handler(event, Context(remaining_milliseconds=1))
        slices += 1
    assert (slices, event["progress"]["groups"]) == (31, 30)
    document = json.loads(s3.get_object(Bucket=BUCKET, Key="object_aggregate/fixture/result.json")["Body"].read())
    assert sum(each["elevation.sum"] for each in document["groups"]) == sum(range(30))


@pytest.mark.parametrize("path", sorted((EVENTS / "reduce_aggregates").glob("*.json")), ids=lambda path: path.stem)
def test_fixture_ends_as_it_is_named(handler: Any, path: Path) -> None:
    event, error = fixture("reduce_aggregates", path.stem), expected_error(path)
    if error is None:
        assert handler(event, Context())["done"]
        return
    with pytest.raises(getattr(errors, error)):
        handler(event, Context())

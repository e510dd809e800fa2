"""Rows that are tallied many at once: what they come to is what they come to row by row, with the same rejects."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sluice.errors import RejectError
from sluice.reading.rows import json_object
from sluice.workflows.object_aggregate.aggregation import Aggregation
from sluice.workflows.object_aggregate.row_rules import columns_of
from tests.unit.tallied import outcome, request


def same(request: Aggregation, data: bytes, block_bytes: int = 1 << 20) -> None:
    assert outcome(request, data, block_bytes, clean=True) == outcome(request, data, block_bytes, clean=False)


# JSON Lines.

texts = st.one_of(
    st.sampled_from(["", "1", "-2.50", " 3 ", "9999.9", "x", "2026-01-31", "2026-01-31 07", "2025-02-30", "\u00e9"]),
    st.sampled_from(["\ud800", "1e5", "\0"]),
)
numbers = st.sampled_from(["1", "-0", "1.50", "1e5", "1E-2", "12345678901234567890", "0.123456789", "1e200"])
values = st.one_of(
    texts.map(json.dumps), numbers, st.sampled_from(["true", "false", "null", "{}", '{"a": 1}', "[1]", "NaN"])
)
objects = st.lists(st.tuples(st.sampled_from(["g", "x", "d", "y"]), values), max_size=5).map(
    lambda pairs: "{" + ", ".join(f"{json.dumps(name)}: {value}" for name, value in pairs) + "}"
)
lines = st.lists(
    st.one_of(objects, objects, objects, st.sampled_from(["", " ", "[]", "{", '{"g": "a"}}', "1"])), max_size=8
)
conditions = st.builds(
    lambda column, comparator, value: {"column": column, "comparator": comparator, "value": value},
    st.sampled_from(["g", "x", "d:year", "d:hour"]),
    st.sampled_from(["equals", "notEquals", "atLeast", "lessThan"]),
    st.one_of(st.sampled_from(["", "1", "2026", "true"]), st.sampled_from([{"number": "1"}, {"number": "2026"}])),
)
missing_texts = st.lists(st.sampled_from(["9999.9", "x", "1"]), max_size=2, unique=True)
missing = st.one_of(missing_texts, st.dictionaries(st.sampled_from(["x", "g", "*"]), missing_texts, min_size=1))
json_requests = st.builds(
    lambda groups, measures, missing, where: request(
        layout={"format": "jsonl"},
        groupBy=groups,
        measures=[{"column": each, "statistics": ["sum"]} for each in measures],
        missing=missing,
        where=where,
    ),
    st.lists(st.sampled_from(["g", "d", "d:year", "d:month", "d:day", "d:hour", "x"]), max_size=3, unique=True),
    st.lists(st.sampled_from(["x", "g"]), max_size=2, unique=True),
    missing,
    st.lists(conditions, max_size=2),
)


@settings(max_examples=500)
@given(json_requests, lines, st.sampled_from(["\n", "\r\n"]), st.sampled_from([1, 40, 1 << 20]))
@example(
    request(layout={"format": "jsonl"}), ['{"g": 1.50, "x": 1}', '{"g": 1.5, "x": 1}', '{"g": true, "x": 1}'], "\n", 99
)
def test_json_of_any_kind_gives_the_same_result(
    request: Aggregation, lines: list[str], end: str, block_bytes: int
) -> None:
    data = end.join(lines).encode("utf-8", "surrogatepass")
    same(request, data, block_bytes)
    rows = [row for row in map(as_object, lines) if row is not None]
    found: Any = outcome(request, data, block_bytes, clean=True)
    columns = found[-1]
    absent = {name for name in columns_of(request) if not any(name in row for row in rows)}
    assert columns.absent == (absent if rows else None)
    assert set(columns.known) == ({name for row in rows for name in row} if absent and rows else set())


def as_object(line: str) -> dict[str, Any] | None:
    """The JSON object of a line; None if it is not one that rows can be."""
    try:
        return json_object(line)
    except RejectError:
        return None


# Rejects among many rows.

MANY = 1_500


def many(kind: str, bad: set[int], bad_value: str) -> bytes:
    cells = [(f"s{number // 40}", bad_value if number in bad else f"{number % 97}.5") for number in range(MANY)]
    if kind == "jsonl":
        return "".join(f'{{"g": "{group}", "x": "{value}"}}\n' for group, value in cells).encode()
    return ("g,x\n" + "".join(f"{group},{value}\n" for group, value in cells)).encode()


@settings(max_examples=40)
@given(
    st.sampled_from(["csv", "jsonl"]),
    st.sets(st.integers(0, MANY - 1), max_size=12),
    st.sampled_from(["nan", '1","', "\0"]),
)
def test_rejects_among_many_rows_are_the_same(kind: str, bad: set[int], bad_value: str) -> None:
    same(request(layout={"format": kind}), many(kind, bad, bad_value))


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_every_row_that_is_rejected_is_named_once(kind: str) -> None:
    bad = {0, 63, 64, 750, 751, MANY - 1}
    found: Any = outcome(request(layout={"format": kind}), many(kind, bad, "nan"), clean=True)
    groups, rows, _, rejects, _ = found
    assert {json.loads(each)["row"] for each in rejects} == {each + 1 for each in bad}
    assert (rows.read, rows.aggregated, rows.rejected) == (MANY, MANY - len(bad), len(bad))
    assert sum(group.rows for group in groups.values()) == MANY - len(bad)

"""Clean records as groups: what they come to is what they come to row by row."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from functools import reduce
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sluice.workflows.object_aggregate.aggregation import Aggregation, MissingTexts
from sluice.workflows.object_aggregate.cells import EXACT, CellCache, Known, MeasureTally
from sluice.workflows.object_aggregate.clean_rows import clean_rows_for
from sluice.workflows.object_aggregate.engines import ColumnEngine
from sluice.workflows.object_aggregate.object_records import ObjectRecords
from sluice.workflows.object_aggregate.tally import ColumnTally, Tally
from tests.unit.sources import a_source
from tests.unit.tallied import outcome, pieces_of, request

CLEAN = [
    pytest.param(b"g,x\na,1\nb,-2.5\n", {}, id="bare"),
    pytest.param(b'"g","x"\n"a, b"," 45.3 "\n"b","  9999.9"\n', {"missing": ["9999.9"]}, id="quoted_padded"),
    pytest.param(b'g,x,note\n"a",1,"say ""hi"", twice"\nb,2,plain\n'.replace(b"\nb", b'\n"b"'), {}, id="mixed"),
    pytest.param(b"g,x\r\na,1\r\nb,2\r\n", {}, id="windows"),
    pytest.param(b"\xef\xbb\xbfg,x\na,1", {}, id="mark_and_no_last_newline"),
    pytest.param(b"g,x\na,1e3\nb,.5\nc,+7.\nd,0.12345678901234567\n", {}, id="long_numbers"),
    pytest.param(b"g\tx\na\t 1 \n", {"layout": {"delimiter": "\t"}}, id="tabs"),
    pytest.param(b'g|x\n"a"|1\n', {"layout": {"delimiter": "|", "quote": None}}, id="no_quote"),
    pytest.param("g,x\nZ\u00fcrich,1\n".encode("latin-1"), {"layout": {"encoding": "iso8859-1"}}, id="latin"),
    pytest.param(b"a,1\nb,2\n", {"layout": {"headers": ["g", "x"]}}, id="headers_given"),
    pytest.param(b'g\na\n"b"\n'.replace(b'"b"', b"b"), {"measures": []}, id="one_column"),
    pytest.param(b"g,x\n2026-01-31 07,1\n2026-01-31T07,2\n", {"groupBy": ["g:hour"]}, id="hours"),
    pytest.param(b"g,x\n2026-01-31,1\n", {"groupBy": ["g:month", "g"]}, id="column_twice"),
    pytest.param(
        b"g,x,y\na,1,2\na,,3\n", {"measures": [{"column": each, "statistics": []} for each in "xy"]}, id="two"
    ),
    pytest.param(b"g,x\na,1\na,2\n", {"groupBy": []}, id="no_groups"),
    pytest.param(
        b"g,x\na,1\nb,5\nb,\nb,4.0\n",
        {"where": [{"column": "x", "comparator": "atLeast", "value": {"number": "4"}}]},
        id="where_number",
    ),
    pytest.param(
        b"g,x\n2026-01,1\n2025-12,2\n",
        {"where": [{"column": "g:year", "comparator": "in", "value": ["2026"]}]},
        id="where_part",
    ),
    pytest.param(
        b"g,x\n2026,1\n2025,1\n",
        {"where": [{"column": "g:year", "comparator": "equals", "value": {"number": "2026"}}]},
        id="number_of_a_date",
    ),
    pytest.param(b"g1x\na12\n", {"layout": {"delimiter": "1"}}, id="delimiter_of_numbers"),
    pytest.param("g,x\n\u00a7a,b\u00a7,1\n".encode(), {"layout": {"quote": "\u00a7"}}, id="quote_of_two_bytes"),
    pytest.param(b"g,x\na,1\nb,2\n", {"groupBy": [], "measures": []}, id="nothing_but_rows"),
    pytest.param(
        b"g,x\na,no\nb,1\n",
        {"where": [{"column": "g", "comparator": "notEquals", "value": "a"}]},
        id="no_number_where_nobody_looks",
    ),
]


@pytest.mark.parametrize(("data", "changed"), CLEAN)
def test_clean_block_needs_no_look_at_its_rows(data: bytes, changed: dict[str, Any]) -> None:
    aggregation = request(**changed)
    assert all(each.clean for each in pieces_of(aggregation, data) if each.block.rows)
    assert outcome(aggregation, data, clean=True) == outcome(aggregation, data, clean=False)


NOT_CLEAN = [
    pytest.param(b"g,x\na,1\nb,no\n", {}, id="no_number"),
    pytest.param(b"g,x\na,1,2\nb\n", {}, id="ragged_that_even_out"),
    pytest.param(b"g,x\na,1\n\nb,2\n", {}, id="blank_line"),
    pytest.param(b"g\na\n\nb\n", {"measures": []}, id="blank_line_of_one_column"),
    pytest.param(b'g,x\n"a\nb",1\n', {}, id="newline_in_quotes"),
    pytest.param(b'g,x\na"b,1\n', {}, id="quote_amid_a_cell"),
    pytest.param(b'g,x\n"a"b,1\n', {}, id="text_after_a_quote"),
    pytest.param(b'g,x\n "a",1\n', {}, id="blank_before_a_quote"),
    pytest.param(b'g,x\n"a" ,1\n', {}, id="blank_after_a_quote"),
    pytest.param(b'g,x\n"a""b",1\n', {}, id="doubled_quote_in_a_group"),
    pytest.param(b"g,x\na,1\rb,2\n", {}, id="lone_carriage_return"),
    pytest.param(b"g,x\na\rb,1\n", {}, id="carriage_return_in_a_group"),
    pytest.param(
        b"g,x\n0000,1\n",
        {"where": [{"column": "g:year", "comparator": "equals", "value": {"number": "1"}}]},
        id="number_of_no_date",
    ),
    pytest.param(b"g,x\n\xff,1\n", {}, id="undecodable"),
    pytest.param(b"g,x\n2026-02-30,1\n", {"groupBy": ["g:day"]}, id="no_such_day"),
    pytest.param(b"g,x\n0000-01,1\n", {"groupBy": ["g:year"]}, id="no_such_year"),
    pytest.param(b"g,x\n2026,1\n", {"groupBy": ["g:month"]}, id="too_short"),
    pytest.param(b"g,x\n20x6,1\n", {"where": [{"column": "g:year", "comparator": "in", "value": []}]}, id="where_part"),
]


@pytest.mark.parametrize(("data", "changed"), NOT_CLEAN)
def test_what_is_not_clean_is_read_row_by_row(data: bytes, changed: dict[str, Any]) -> None:
    aggregation = request(**changed)
    assert not any(each.clean and each.block.rows for each in pieces_of(aggregation, data))
    assert outcome(aggregation, data, clean=True) == outcome(aggregation, data, clean=False)


# Any data at all.

cells = st.one_of(
    st.sampled_from(["", "1", "-2.50", " 3 ", "9999.9", " 9999.9", "1e5", "0.123456789", "x", '"', ",", "\n", "\r\n"]),
    st.sampled_from(["2026-01-31", "2026-01-31 07", "2026-01-31T07:00", "2025-02-30", "\t", "\0", "1_0", "\u0661"]),
    st.text('a1."\n,', max_size=4),
)
quoted = st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC])
rows = st.lists(st.lists(cells, min_size=3, max_size=3), max_size=8)
numbers = st.sampled_from(["0", "1", "-2.5", "1e2", "99999999999.5"]).map(lambda text: {"number": text})
conditions = st.builds(
    lambda column, comparator, value: {"column": column, "comparator": comparator, "value": value},
    st.sampled_from(["g", "x", "d", "d:year", "d:day"]),
    st.sampled_from(["equals", "notEquals", "atLeast", "atMost", "moreThan", "lessThan"]),
    st.one_of(numbers, st.sampled_from(["", "1", "2026", "a", "2026-01-31"])),
)
missing_texts = st.lists(st.sampled_from(["9999.9", "x", "1", ",", '"', 'a","']), max_size=2, unique=True)
requests = st.builds(
    lambda groups, measures, missing, where: request(
        groupBy=groups,
        measures=[{"column": each, "statistics": ["sum"]} for each in measures],
        missing=missing,
        where=where,
    ),
    st.lists(st.sampled_from(["g", "d", "d:year", "d:month", "d:day", "d:hour", "x"]), max_size=3, unique=True),
    st.lists(st.sampled_from(["x", "g"]), max_size=2, unique=True),
    st.one_of(missing_texts, st.dictionaries(st.sampled_from(["x", "g", "*"]), missing_texts, min_size=1)),
    st.lists(conditions, max_size=2),
)


def written(rows: Sequence[Sequence[str]], quoting: int, ends: str) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, quoting=quoting, lineterminator=ends)  # type: ignore[arg-type]
    writer.writerows([["g", "x", "d"], *rows])
    return text.getvalue().encode()


@settings(max_examples=400)
@given(requests, rows, quoted, st.sampled_from(["\n", "\r\n"]), st.sampled_from([1, 16, 1 << 20]))
def test_rows_of_any_kind_give_the_same_result(
    request: Aggregation, rows: list[list[str]], quoting: int, ends: str, block_bytes: int
) -> None:
    data = written(rows, quoting, ends)
    assert outcome(request, data, block_bytes, clean=True) == outcome(request, data, block_bytes, clean=False)


lines = st.lists(st.sampled_from([*'g,x1.a" \t\r\0-', "\n", "\n", ",", ",", "\u00e9"]), max_size=40).map("".join)


@settings(max_examples=600)
@given(lines, st.sampled_from([[], ["9"], ["x"]]), st.sampled_from(['"', None]))
@example('a,"b\n",1', [], '"')
def test_text_of_any_kind_gives_the_same_result(text: str, missing: list[str], quote: str | None) -> None:
    aggregation = request(missing=missing, layout={"quote": quote})
    data = b"g,x\n" + text.encode()
    assert outcome(aggregation, data, clean=True) == outcome(aggregation, data, clean=False)


raw_cells = st.sampled_from(
    [
        "a",
        '"a"',
        "1",
        '"1"',
        " 1",
        '" 1 "',
        "",
        '""',
        '"a,b"',
        '"a""b"',
        '"a',
        'a"',
        '"a"b',
        ' "a"',
        '"a\nb"',
        "2026-01-31",
    ]
)
raw_lines = st.lists(st.lists(raw_cells, min_size=3, max_size=4), min_size=1, max_size=6)
# Those that would reach beyond a cell stand for none.
tricky = st.lists(st.sampled_from(["1", "1,1", '1","1', "1\na", "a"]), max_size=2, unique=True)


@settings(max_examples=600)
@given(requests, raw_lines, tricky, st.sampled_from([["g", "x", "d"], ["d", "g", "x"], ["x", "g", "d"]]))
@example(request(groupBy=["g"]), [["a", "1", "c"], ['"a"', "1", "c"]], [], ["g", "x", "d"])
@example(request(groupBy=["g"]), [["a", "1", "c"], ["a", "1", "c", "d"]], [], ["g", "x", "d"])
@example(request(groupBy=["g"]), [["a", "1", "c"], ["a", "1", "1", "c"]], ["1,1"], ["g", "x", "d"])
@example(request(groupBy=["g"]), [['"a"', '"1"', '"c"'], ['"a"', '"1"', '"1"', '"c"']], ['1","1'], ["g", "x", "d"])
def test_cells_of_any_kind_give_the_same_result(
    request: Aggregation, lines: list[list[str]], missing: list[str], header: list[str]
) -> None:
    request = replace(request, missing=MissingTexts(frozenset(missing)))
    data = "".join(",".join(line) + "\n" for line in [header, *lines]).encode()
    assert outcome(request, data, clean=True) == outcome(request, data, clean=False)


# Numbers.


def tallied(cells: Sequence[str], *rows: slice) -> MeasureTally:
    return CellCache().numbers(cells, frozenset()).tally(rows or [slice(0, len(cells))])


short = st.decimals(-(10**14) + 1, 10**14 - 1, places=4).map(str)
any_number = st.one_of(short, st.decimals(-(10**20), 10**20, places=9).map(str), st.sampled_from(["", "1e125", "-0"]))


@settings(max_examples=300)
@given(st.lists(st.one_of(short, any_number), min_size=1, max_size=60))
def test_numbers_are_tallied_exactly(cells: list[str]) -> None:
    numbers = [Decimal(each) for each in cells if each]
    total = reduce(EXACT.add, numbers, Decimal(0))
    low, high = min(numbers, default=None), max(numbers, default=None)
    assert tallied(cells) == MeasureTally(len(numbers), total, low, high)


def test_numbers_of_several_stretches_are_tallied_together() -> None:
    assert tallied(["1", "9", "-2.5", "", "4"], slice(0, 1), slice(2, 5)) == MeasureTally(
        3, Decimal("2.5"), Decimal("-2.5"), Decimal(4)
    )


@pytest.mark.parametrize("value", ["0.0001", "99999.9999", "0.1", "-0", "0.12345", "0.123456789012345678"])
def test_sum_of_many_numbers_is_exact(value: str) -> None:
    found = tallied([value] * 99_999)
    assert (found.total, found.low, found.high) == (99_999 * Decimal(value), Decimal(value), Decimal(value))


def test_texts_are_forgotten_rather_than_held_for_ever() -> None:
    known = Known(int, texts_max=10)
    for number in range(100):
        assert known.of([str(number), "7"]) == [number, 7]
        assert len(known) <= 10


def test_header_whose_quotes_change_for_ever_is_read_row_by_row() -> None:
    names = [f"c{number}" for number in range(70)]
    several = request(groupBy=["g"], measures=[], where=[])
    columns = ColumnTally(several)
    records = ObjectRecords(["g"], clean_rows_for(several, columns), 1 << 20)
    tally = Tally(0)
    for number in range(70):
        cells = [f'"{name}"' if index == number else name for index, name in enumerate(names)]
        data = f"g,{','.join(names)}\na,{','.join(cells)}\n".encode()
        pieces = list(records.pieces(lambda start, data=data: io.BytesIO(data[start:]), a_source(header=None), None))  # type: ignore[misc]
        ColumnEngine(several, columns).tally(pieces, tally)
    assert tally.groups[("a",)].rows == 70

"""Chunks that are scanned on their own give the records that one scan gives, wherever they are cut."""

from __future__ import annotations

import io
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.reading.chunk_scan import AT_RECORD_START, GrammarStates, scan_chunk, states_of
from tests.unit.sources import a_source

DIALECTS: dict[str, dict[str, Any]] = {
    "csv": {},
    "unquoted": {"quote": None},
    "semicolon": {"delimiter": ";", "quote": "'"},
    "space": {"delimiter": " "},
    "tab": {"delimiter": "\t"},
    "two-byte": {"delimiter": "§", "quote": "«"},
    "jsonl": {"format": "jsonl", "header": None},
    "escape": {"escape": "\\"},
    "escape without quotes": {"escape": "\\", "quote": None},
    "trim": {"trim": True},
    "comment": {"comment": "//"},
    "long delimiter": {"delimiter": "||", "trim": True},
    "all": {"delimiter": "§§", "quote": "'", "escape": "\\", "comment": "//", "trim": True},
}
TOKENS = [
    "a",
    ",",
    '"',
    '""',
    '",',
    ',"',
    ";",
    "'",
    " ",
    "\t",
    "§",
    "«",
    "\n",
    "\r",
    "\r\n",
    "\n\n",
    "é",
    "{",
    "}",
    "b,c\n",
    "\\",
    "/",
    "|",
]

texts = st.lists(st.sampled_from(TOKENS), max_size=30).map("".join)


@cache
def states_for(dialect: str) -> GrammarStates:
    states = states_of(a_source(**DIALECTS[dialect]).dialect)
    assert states is not None
    return states


def joined(
    data: bytes, cuts: list[int], states: GrammarStates, window_bytes: int
) -> tuple[list[tuple[int, int]], bytes]:
    """Where records were seen to end, how many up to there, and the state at the end."""
    ends, rows, state = [], 0, AT_RECORD_START
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        for window in scan_chunk(io.BytesIO(data[start:end]), states, start, window_bytes):
            step = window[state]
            rows, state = rows + step.rows, step.state
            if step.end is not None:
                ends.append((step.end, rows))
    return ends, state


def check(dialect: str, text: str, cuts: list[int], window_bytes: int) -> None:
    grammar, states, data = a_source(**DIALECTS[dialect]).grammar, states_for(dialect), text.encode()
    ends, state = joined(data, sorted(min(cut, len(data)) for cut in cuts), states, window_bytes)
    for end, rows in ends:
        assert grammar.measure(data[:end], is_last=True) == (end, rows)
        # The next record begins at the end of this one.
        assert len(grammar.starts(data)) == rows + len(grammar.starts(data[end:]))
    total = (ends[-1][1] if ends else 0) + states.rows_at_end(state)
    assert total == grammar.measure(data, is_last=True)[1]
    assert states.is_open_quote(state) == (grammar.open_quote(data) is not None)


@pytest.mark.parametrize("dialect", DIALECTS)
@given(text=texts, window_bytes=st.integers(1, 20))
def test_a_cut_at_every_byte_changes_nothing(dialect: str, text: str, window_bytes: int) -> None:
    for cut in range(len(text.encode()) + 1):
        check(dialect, text, [cut], window_bytes)


@pytest.mark.parametrize("dialect", DIALECTS)
@given(text=texts, cuts=st.lists(st.integers(0, 60), max_size=6), window_bytes=st.integers(1, 20))
def test_many_chunks_give_the_records_of_one_scan(dialect: str, text: str, cuts: list[int], window_bytes: int) -> None:
    check(dialect, text, cuts, window_bytes)


def test_states_of_a_csv_are_those_that_its_reader_can_be_in() -> None:
    # At a record's start, in an unquoted field, in a quoted one, at a field's start, after a CR. After the quote that
    # may close a field is as at a field's start: another quote opens it, anything else continues without quotes.
    states = states_for("csv")
    chunks = (b"\n", b"xx", b'"xx', b"xx,", b"xx\r", b'"xx"')
    named = [states.step(AT_RECORD_START, data, 0).state for data in chunks]
    assert len({*named}) == len(states.all) == 5
    assert named[-1] == named[3]


def test_states_become_one_after_some_records() -> None:
    data = b'1,"a, b",2\n' * 1000
    windows = [*scan_chunk(io.BytesIO(data), states_for("csv"), 5)]
    assert len(windows[0]) == len(states_for("csv").all)
    assert len(windows[1]) == 1

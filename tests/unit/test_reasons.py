"""Reasons of rejects and failures: counted by error name, with a message of the most frequent ones."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.rejects import Reject
from sluice.runs.reasons import MESSAGE_MAX_CHARACTERS, Reasons, all_reasons, reasons_in_file
from sluice.runs.summary import RunError

NAMES = ["NumberInvalid", "DateInvalid", "RowRagged", "KeyEmpty", "ItemTooLarge"]
records = st.recursive(
    st.one_of(st.none(), st.text(max_size=5)),
    lambda inner: st.dictionaries(st.sampled_from(["error", "message", "a"]), st.one_of(inner, st.sampled_from(NAMES))),
    max_leaves=6,
)
rejects = st.lists(
    st.builds(
        Reject,
        st.integers(1, 99),
        st.sampled_from(NAMES),
        st.text(max_size=12),
        records,
    ),
    max_size=20,
)


@settings(max_examples=200)
@given(rejects, st.integers(1, 400))
def test_messages_in_a_file_are_the_first_of_each_of_the_most_frequent(rejects: list[Reject], size: int) -> None:
    data = b"".join(each.to_line() for each in rejects)
    counts = Counter(each.reason for each in rejects)
    found = reasons_in_file((data[at : at + size] for at in range(0, len(data), size)), counts)
    most = sorted(counts, key=lambda name: (-counts[name], name))[:3]
    assert found.counts == counts
    first = {name: next(each.message for each in rejects if each.reason == name) for name in most}
    assert list(found.examples.items()) == list(first.items())


@given(rejects)
def test_all_lines_are_counted(rejects: list[Reject]) -> None:
    found = all_reasons([*(each.to_line() for each in rejects), b""])
    assert found.counts == Counter(each.reason for each in rejects)
    assert all(found.messages[each.reason] is not None for each in rejects)


def test_file_is_read_no_further_than_its_messages() -> None:
    lines = iter([Reject(1, "A", "first", None).to_line(), *[Reject(2, "A", "second", None).to_line()] * 3])
    assert reasons_in_file(lines, {"A": 4}).messages == {"A": "first"}
    assert len(list(lines)) == 3


def reasons(**counts: int) -> Reasons:
    return Reasons(Counter(counts), {name: f"why {name}" for name in counts})


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"A": 1}, "A 1 (why A)"),
        ({"A": 1, "B": 2000}, "B 2,000 (why B), A 1 (why A)"),
        ({"D": 1, "C": 1, "B": 1, "A": 1}, "A 1 (why A), B 1 (why B), C 1 (why C), and 1 other reasons"),
    ],
)
def test_reasons_are_one_line(given: dict[str, int], text: str) -> None:
    assert str(reasons(**given)) == text


def test_error_has_its_reasons() -> None:
    error = RunError("TooManyRejectsError", "1 of 2 rows were rejected")
    assert reasons(A=1).explain(error) == RunError(error.name, "1 of 2 rows were rejected: A 1 (why A)")
    assert Reasons().explain(error) == error
    assert reasons(A=1).explain(None) is None


def test_message_too_long_for_a_summary_says_that_it_is_cut() -> None:
    found = Reasons()
    found.add("A", "head " + "x" * MESSAGE_MAX_CHARACTERS + " tail")
    (message,) = found.examples.values()
    assert (len(message), message[:6], message[-6:]) == (MESSAGE_MAX_CHARACTERS, "head x", "x tail")
    state: Any = json.loads(json.dumps(found.examples))
    assert state == found.examples

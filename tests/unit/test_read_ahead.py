"""Reading ahead keeps the order, bounds the requests, and raises what a request raises."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.aws.read_ahead import read_ahead


@given(st.lists(st.integers(), max_size=40), st.integers(1, 8))
def test_items_and_answers_are_in_order(items: list[int], requests: int) -> None:
    assert list(read_ahead(lambda item: item * 2, items, requests)) == [(item, item * 2) for item in items]


def test_items_are_taken_as_they_are_needed() -> None:
    taken = []

    def items() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    answers = read_ahead(str, items(), 4)
    assert next(answers) == (0, "0")
    assert taken == [0, 1, 2, 3]


def test_so_many_requests_are_made_at_once() -> None:
    all_at_work = threading.Barrier(3, timeout=30)

    assert [answer for _, answer in read_ahead(lambda _: all_at_work.wait() >= 0, range(6), 3)] == [True] * 6


def test_error_of_a_request_is_raised_in_its_turn() -> None:
    answers = read_ahead(lambda item: 1 // item, [1, 0, 1], 2)
    assert next(answers) == (1, 1)
    with pytest.raises(ZeroDivisionError):
        next(answers)

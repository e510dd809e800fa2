"""Superseded rows are counted as a model counts them, whatever their items and whichever of them the table refuses."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sluice.dynamodb.items import Item
from sluice.workflows.csv_load.superseded import SupersededRows

Rows = list[list[str]]


def items_of(keys: list[str]) -> list[Item]:
    return [Item((key,), b"{}") for key in keys]


def superseded_in(rows: Rows) -> int:
    """Rows none of whose items are the last ones with their keys."""
    last = {key: number for number, keys in enumerate(rows) for key in keys}
    return sum(bool(keys) and all(last[key] != number for key in keys) for number, keys in enumerate(rows))


@given(st.lists(st.lists(st.sampled_from("abcd"), max_size=3), max_size=20))
def test_rows_are_superseded_when_all_their_items_are(rows: Rows) -> None:
    counted = SupersededRows()
    for number, keys in enumerate(rows):
        counted.take(number, items_of(keys))
    assert (counted.count, counted.is_exact) == (superseded_in(rows), True)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=20))
def test_a_refused_row_supersedes_none(rows: list[tuple[str, bool]]) -> None:
    counted = SupersededRows()
    for number, (key, _) in enumerate(rows):
        counted.take(number, items_of([key]))
    for number, (_, is_refused) in enumerate(rows):
        if is_refused:
            counted.refuse(number)
    assert counted.count == superseded_in([[key] for key, is_refused in rows if not is_refused])


def test_keys_beyond_those_that_are_remembered_make_the_count_a_lower_bound() -> None:
    counted = SupersededRows(keys_max=2)
    for number, key in enumerate("abcacb"):
        counted.take(number, items_of([key]))
    assert (counted.count, counted.is_exact) == (2, False)

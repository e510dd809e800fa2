"""What an undo does with a change that a slice before has announced and left, when another writer was faster."""

from __future__ import annotations

from typing import Any

import pytest

from sluice.errors import RejectError
from sluice.workflows.table_transform.changes import Change, Transfer, Update
from sluice.workflows.table_transform.slice_log import Entry
from sluice.workflows.table_transform.undo import UndoPlan

KEY = {"pk": {"S": "b1"}}
FOUND, WANTED = {**KEY, "n": {"N": "2"}, "mark": {"S": "x"}}, {**KEY, "n": {"N": "1"}}
CHANGE = Update(FOUND, {"n": b'{"N":"1"}'}, ("mark",))


def planned(change: Change, item: dict[str, Any]) -> Change | None:
    entry = Entry(KEY, FOUND)
    entry.change = change
    return UndoPlan({})(entry, item)


def test_change_that_is_made_already_is_not_made_again() -> None:
    assert planned(CHANGE, {**WANTED, "other": {"S": "kept"}}) is None


def test_change_is_made_where_the_item_is_as_it_was_found() -> None:
    item = {**FOUND, "other": {"S": "kept"}}
    assert planned(CHANGE, item) == Update(item, {"n": b'{"N":"1"}'}, ("mark",))


@pytest.mark.parametrize("item", [{**FOUND, "n": {"N": "7"}}, {**WANTED, "mark": {"S": "y"}}, {}])
def test_item_that_others_changed_is_rejected(item: dict[str, Any]) -> None:
    with pytest.raises(RejectError) as caught:
        planned(CHANGE, item)
    assert caught.value.reason == "ChangedSince"


def test_items_that_others_changed_are_not_moved_back() -> None:
    with pytest.raises(RejectError) as caught:
        planned(Transfer(deletions=[FOUND]), FOUND)
    assert caught.value.reason == "ChangedSince"

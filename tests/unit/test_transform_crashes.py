"""Slices that crash, are throttled or are tried twice: the table ends as if nothing had happened."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.dynamodb.writers import OnConflict
from sluice.errors import ServiceUnavailableError, TableNotFoundError, ThrottledError
from sluice.mapping.delete import DELETE
from sluice.workflows.table_transform.progress import TransformProgress
from tests.unit.fake_tables import FakeTables, Json
from tests.unit.segment_slices import NESTS_TABLE, Segment, bird, birds_and_nests, job

Item = dict[str, Any]


class CrashError(Exception):
    """The function's end."""


def tidied(item: Item) -> Any:
    if item["n"] % 5 == 0:
        return DELETE
    if item["n"] % 5 == 1:
        return None
    item["n2"] = 2 * item["n"]
    item.pop("old", None)
    return item


def nests(item: Item) -> Any:
    """None, one or two items, and now and then one that the target holds already."""
    if item["n"] % 5 == 1:
        return None
    return [{"id": f"{item['pk']}{number}", "n": item["n"]} for number in range(int(item["n"]) % 3 + 1)]


TRANSFORMS: dict[str, tuple[Callable[[Item], Any], dict[str, Any]]] = {
    "in_place": (tidied, {}),
    **{
        f"{name}_{on_conflict}": (nests, {"target": NESTS_TABLE, "on_conflict": on_conflict, "deletes_source": moves})
        for on_conflict in OnConflict
        for name, moves in (("copied", False), ("moved", True))
    },
}


def tables_of(items: int) -> FakeTables:
    birds = [bird(f"b{number}", n=number, old="x") for number in range(items)]
    tables = birds_and_nests(*birds, page_items=4)
    tables.tables["nests"].put({"id": {"S": "b20"}, "n": {"N": "1"}}, {"id": {"S": "b70"}, "n": {"N": "7"}})
    return tables


def contents(tables: FakeTables) -> dict[str, list[Json]]:
    return {name: table.all for name, table in tables.tables.items()}


def undisturbed(kind: str, items: int) -> tuple[dict[str, list[Json]], int]:
    """What the tables hold after a run without any trouble, and how many requests that takes."""
    transform, changed = TRANSFORMS[kind]
    tables = tables_of(items)
    Segment(tables, transform, job(**changed)).run()
    return contents(tables), len(tables.log)


@pytest.mark.parametrize("is_carried_out", [False, True])
@pytest.mark.parametrize("kind", TRANSFORMS)
def test_crash_at_any_request_leaves_nothing_undone(kind: str, is_carried_out: bool) -> None:
    expected, requests = undisturbed(kind, 12)
    transform, changed = TRANSFORMS[kind]
    assert requests >= 7
    for at in range(requests):
        tables = tables_of(12)

        def crash(number: int, _operation: str, at: int = at) -> None:
            if number == at:
                raise CrashError

        setattr(tables, "after" if is_carried_out else "before", crash)
        segment = Segment(tables, transform, job(**changed))
        with pytest.raises(CrashError):
            segment.run()
        progress = segment.run().progress
        assert contents(tables) == expected
        assert progress.is_done
        assert progress.counts.check("segment").rejected == progress.reasons.total()


FAILURES = st.sampled_from([ThrottledError, ServiceUnavailableError])


@settings(max_examples=200)
@given(
    st.sampled_from(sorted(TRANSFORMS)), st.lists(st.integers(0, 60), max_size=12, unique=True), FAILURES, st.booleans()
)
def test_throttles_end_slices_and_the_next_continues(
    kind: str, throttled: list[int], failure: type[Exception], is_carried_out: bool
) -> None:
    expected, _ = undisturbed(kind, 12)
    transform, changed = TRANSFORMS[kind]
    tables = tables_of(12)

    def throttle(number: int, _operation: str) -> None:
        if number in throttled:
            raise failure("told to")

    setattr(tables, "after" if is_carried_out else "before", throttle)
    segment = Segment(tables, transform, job(**changed))
    progress, failures = TransformProgress(), 0
    while not progress.is_done:
        try:
            progress = segment.run(progress).progress
        except failure:
            # Nothing was done, so that the state machine retries the slice.
            failures += 1
        assert failures <= len(throttled)
    assert contents(tables) == expected
    progress.counts.check("segment")
    # What was deleted without an answer is not there to be read again.
    is_deleting = kind == "in_place" or kind.startswith("moved")
    assert progress.counts.read == 12 or (is_deleting and is_carried_out)


def test_error_that_no_retry_mends_ends_the_slice() -> None:
    tables = tables_of(12)

    def delete_item(number: int, _operation: str) -> None:
        if number == 3:
            raise TableNotFoundError("there is no table birds")

    tables.before = delete_item
    with pytest.raises(TableNotFoundError):
        Segment(tables, tidied, job()).run()

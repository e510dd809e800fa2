"""Any table or index, for property tests that scan it."""

from __future__ import annotations

import json
from base64 import b64encode
from decimal import Decimal

from hypothesis import strategies as st

from sluice.workflows.distinct_keys.segment_scan import LARGEST_SORT_KEYS
from tests.unit.fake_scan import Attribute, FakeScan, Index, Json

TEXTS = st.text(min_size=1, max_size=8) | st.text('\U0010ffff\U0001f426\u2028\x00"\\%é', min_size=1, max_size=256)
BINARIES = st.binary(min_size=1, max_size=20).map(lambda value: b64encode(value).decode())
NAMES = st.sampled_from(["pk", "status", "a.b", '"%s"', "é🐦", "#k0"])
SIZES = st.sampled_from([1, 100, 4096, 5000, 300_000, 400_000])
LARGEST = {kind: format(Decimal(value), "f") if kind == "N" else value for kind, value in LARGEST_SORT_KEYS.items()}


@st.composite
def numbers(draw: st.DrawFn) -> str:
    """A number as DynamoDB spells it, of up to 38 digits."""
    digits = str(draw(st.integers(0, 10**38 - 1))).rstrip("0")
    if not digits:
        return "0"
    number = Decimal((draw(st.integers(0, 1)), tuple(map(int, digits)), draw(st.integers(-130, 87))))
    return format(number, "f")


VALUES = {"S": TEXTS, "N": numbers(), "B": BINARIES}


@st.composite
def tables(draw: st.DrawFn) -> tuple[FakeScan, list[Json]]:
    """A table or an index with items, and more items that may come and go."""
    names = draw(st.lists(NAMES, min_size=5, max_size=5, unique=True))
    partition, sort, *others = [(name, draw(st.sampled_from("SNB"))) for name in names]
    key = [partition, sort] if draw(st.booleans()) else [partition]
    index = None
    if draw(st.integers(0, 3)) == 0:
        # One partition attribute or two, a sort attribute or none.
        index = Index("other", others[: draw(st.integers(1, 2))], others[2 : draw(st.integers(2, 3))])
    table = FakeScan(
        partition,
        sort if sort in key else None,
        index,
        empty_pages=frozenset(draw(st.sets(st.integers(0, 30), max_size=5))),
    )
    item = _items([*key, *([*index.partition, *index.sort] if index else [])], sort, draw)

    def by_key(items: list[Json]) -> dict[str, Json]:
        return {json.dumps([each[name] for name, _ in key]): each for each in items}

    items = by_key(draw(st.lists(item, max_size=40)))
    for each in items.values():
        table.put(each, draw(SIZES))
    guests = by_key(draw(st.lists(item, max_size=8)))
    return table, [each for name, each in guests.items() if name not in items] + list(items.values())[:4]


def _items(attributes: list[Attribute], sort: Attribute, draw: st.DrawFn) -> st.SearchStrategy[Json]:
    """Items that share a few values, so that there are collections."""
    values: dict[str, st.SearchStrategy[Json]] = {}
    for name, kind in attributes:
        choices = draw(st.lists(VALUES[kind], min_size=1, max_size=6, unique=True))
        largest = [LARGEST[kind]] if (name, kind) == sort else []
        values[name] = st.sampled_from([{kind: each} for each in dict.fromkeys(choices + largest)])
    return st.fixed_dictionaries(values)

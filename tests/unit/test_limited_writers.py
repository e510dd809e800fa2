"""Writers wait for units before they send, and report what requests took; a dry run writes nothing and adds it up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from sluice.dynamodb.dry_writer import DryWriter
from sluice.dynamodb.items import Item
from sluice.dynamodb.writers import OnConflict, Write, WriteSpec, writer_for
from tests.unit.fake_dynamodb import TABLE, FakeDynamoDB, Fault, serving, throttle, wire_to
from tests.unit.test_writers import PATIENT, SCHEMA


@dataclass
class Ledger:
    """A limiter that never waits, and writes down what was asked of it."""

    most: int = 25
    admitted: list[int] = field(default_factory=list)
    units: list[float] = field(default_factory=list)

    def bounded(self, items: int) -> int:
        return min(items, self.most)

    def admit(self, items: int) -> Ledger:
        self.admitted.append(items)
        return self

    def ended(self, units: float, items: int | None = None) -> None:
        self.units.append(units)


@pytest.fixture
def table() -> Iterator[FakeDynamoDB]:
    with serving(FakeDynamoDB()) as served:
        yield served


SPECS = [
    WriteSpec(),
    WriteSpec(on_conflict=OnConflict.KEEP),
    WriteSpec(Write.UPDATE),
    WriteSpec(Write.UPDATE, must_exist=True),
    WriteSpec(Write.DELETE),
]


def item(number: int, spec: WriteSpec) -> Item:
    key = {"pk": {"S": f"k{number}"}}
    return Item((f"k{number}",), json.dumps(key if spec.write is Write.DELETE else key | {"v": {"N": "1"}}).encode())


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("faults", [[], [throttle(), Fault(500, "InternalServerError"), Fault(unprocessed=3)]])
def test_every_item_is_admitted_and_every_unit_reported(
    table: FakeDynamoDB, spec: WriteSpec, faults: list[Fault]
) -> None:
    ledger = Ledger(most=10)
    table.faults.extend(faults)
    with wire_to(table.url, PATIENT) as wire, writer_for(wire, TABLE, SCHEMA, spec, limiter=ledger) as writer:
        for number in range(60):
            writer.put(item(number, spec), number)
    is_batched = spec.write is Write.DELETE or spec.last_wins
    assert sum(ledger.admitted) == 60 + (3 if faults and is_batched else 0)
    assert sum(ledger.units) == writer.outcome.write_units == 60
    assert len(ledger.units) == len(ledger.admitted)
    assert max(ledger.admitted) <= 10


def test_a_dry_run_adds_up_units_by_size_and_keeps_the_first_items() -> None:
    with DryWriter(sample_items=2) as writer:
        for row, size in enumerate([1, 1000, 1017, 1018, 2000, 5000]):
            writer.put(Item((str(row),), json.dumps({"pk": {"S": "k"}, "v": {"S": "x" * size}}).encode()), row)
    assert writer.outcome.accounted == 6
    # An item has 4 bytes more than its text.
    assert writer.planned_units == 1 + 1 + 1 + 1 + 2 + 5
    assert [origin for origin, _ in writer.sample] == [0, 1]

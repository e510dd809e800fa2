"""A writer that writes nothing: it adds up what writing would cost, and keeps a sample of the items."""

from __future__ import annotations

import json
from types import TracebackType
from typing import Self

from sluice.dynamodb.items import Item, item_size
from sluice.dynamodb.table_writer import Origin, WriteOutcome
from sluice.limits import WRITE_UNIT_BYTES


class DryWriter:
    """Every row counts as written. `planned_units`: write units without those of indexes.

    An item that is replaced or updated costs more where it is larger in the table, which is not read.
    """

    def __init__(self, sample_items: int = 0) -> None:
        self.outcome = WriteOutcome()
        self.planned_units = 0.0
        self.sample: list[tuple[Origin, bytes]] = []
        self._sample_items = sample_items

    def put(self, item: Item, origin: Origin) -> None:
        """Count one row's item."""
        self.outcome.written += 1
        self.planned_units += _units(item.body)
        if len(self.sample) < self._sample_items:
            self.sample.append((origin, item.body))

    def flush(self) -> None:
        """Everything was counted at once."""

    def close(self) -> None:
        """Nothing has to end."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing has to end."""


def _units(body: bytes) -> int:
    # An item is never larger than its JSON: only a longer body needs to be measured.
    return 1 if len(body) <= WRITE_UNIT_BYTES else max(1, -(-item_size(json.loads(body)) // WRITE_UNIT_BYTES))

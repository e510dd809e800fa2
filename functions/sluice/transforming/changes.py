"""What is to become of one item in its place: attributes that get other values, or its end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sluice.encoding.item_bodies import utf8_value
from sluice.encoding.plain_values import Attributes
from sluice.encoding.sizes import MAX_ITEM_BYTES, item_size
from sluice.errors import RejectError
from sluice.keys import KeySchema
from sluice.rejects import Reason
from sluice.writing.stored_items import comparable

WRITE_UNIT_BYTES = 1024
# Less than this is measured only where the size is needed anyway: DynamoDB refuses an item that just exceeds its limit.
MEASURED_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Update:
    """`values`: the attributes that get one, each in DynamoDB JSON, UTF-8. `removed`: those that go."""

    before: Attributes
    values: Mapping[str, bytes]
    removed: tuple[str, ...] = ()

    def after(self) -> dict[str, Any]:
        """The item as it becomes."""
        kept = {name: value for name, value in self.before.items() if name not in self.removed}
        return kept | {name: json.loads(value) for name, value in self.values.items()}

    def write_units(self) -> float:
        """What the change takes. Raises RejectError when the item becomes too large."""
        after = item_size(self.after())
        if after > MAX_ITEM_BYTES:
            raise RejectError(
                Reason.ITEM_TOO_LARGE, f"the item would have {after} bytes, DynamoDB takes {MAX_ITEM_BYTES}"
            )
        return write_units(max(item_size(self.before), after))


@dataclass(frozen=True, slots=True)
class Removal:
    """The item goes."""

    before: Attributes

    def after(self) -> None:
        """Nothing."""

    def write_units(self) -> float:
        """What the deletion takes."""
        return write_units(item_size(self.before))


Change = Update | Removal


def difference(before: Attributes, values: Mapping[str, str], removed: set[str], schema: KeySchema) -> Update | None:
    """The change to these values, each in DynamoDB JSON, as far as they are others; None when none is.

    Raises RejectError for a change that the table cannot take.
    """
    changed = {
        name: utf8_value(name, value)
        for name, value in values.items()
        if name not in before or not _is_same(before[name], value)
    }
    if not changed and not removed:
        return None
    for key in schema.attributes:
        if key.name in changed or key.name in removed:
            raise RejectError(Reason.KEY_CHANGED, f"attribute {key.name} is the item's key, which stays in its place")
    update = Update(before, changed, tuple(sorted(removed)))
    if sum(map(len, changed.values())) > MEASURED_BYTES:
        update.write_units()
    return update


def write_units(item_bytes: int) -> float:
    """Write units of an item of this size."""
    return float(max(1, -(-item_bytes // WRITE_UNIT_BYTES)))


def compact(value: object) -> str:
    """JSON as the encoders write it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _is_same(before: Mapping[str, Any], value: str) -> bool:
    """Whether DynamoDB holds the same for both; nearly always the texts are the same then."""
    return compact(before) == value or comparable(before) == comparable(json.loads(value))

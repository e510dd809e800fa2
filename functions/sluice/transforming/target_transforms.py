"""From an item to what it becomes in another table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sluice.encoding.encoders import encoder_for
from sluice.encoding.item import Item, RowEncoder
from sluice.encoding.named_transforms import load_transform
from sluice.encoding.plain_rows import Transform, to_item, transform_failed
from sluice.encoding.plain_values import Attributes, plain_item
from sluice.errors import RejectError
from sluice.keys import KeySchema
from sluice.rejects import Reason
from sluice.transforming.delete import DELETE, Delete
from sluice.transforming.in_place_transforms import cell

# Any number of items, or the marker. Raises RejectError.
IntoTarget = Callable[[Attributes], Sequence[Item] | Delete]


def into_target(way: Mapping[str, Any], target: KeySchema, *, deletes: bool) -> IntoTarget:
    """What the input asks for; `deletes`: the marker means something. Raises InvalidInputError that names the place."""
    if "transform" in way:
        return TransformedForTarget(load_transform(way["transform"]), target, deletes=deletes)
    return MappedForTarget(encoder_for(way, None, target))


class TransformedForTarget:
    """Gives the transform an item of plain values, its own to change."""

    def __init__(self, transform: Transform, target: KeySchema, *, deletes: bool) -> None:
        self._transform = transform
        self._target = target
        self._deletes = deletes

    def __call__(self, before: Attributes) -> Sequence[Item] | Delete:
        """The items that the transform returns. Raises RejectError for whatever it raises or returns wrongly."""
        try:
            return self._items(self._transform(plain_item(before)))
        except RejectError:
            raise
        # Not only the transform can raise anything, but also what it returns, as it is looked at.
        except (Exception, SystemExit) as error:
            raise transform_failed(error) from error

    def _items(self, result: Any) -> Sequence[Item] | Delete:
        if result is None:
            return ()
        if result is DELETE:
            if not self._deletes:
                raise RejectError(Reason.VALUE_UNSUPPORTED, "DELETE means nothing for a target without deleteSource")
            return Delete.DELETE
        items = result if isinstance(result, list | tuple) else (result,)
        return [to_item(each, self._target) for each in items]


class MappedForTarget:
    """The mapping is the whole item."""

    def __init__(self, encode: RowEncoder) -> None:
        self._encode = encode

    def __call__(self, before: Attributes) -> Sequence[Item]:
        """The item that the mapping describes. Raises RejectError."""
        return self._encode({name: cell(typed) for name, typed in before.items()})

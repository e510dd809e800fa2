"""What becomes of a record's item: the guard's attributes, and the transform."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from sluice.dynamodb.conditional_writers import TimedPut
from sluice.dynamodb.plain import plain_item
from sluice.errors import RejectError
from sluice.mapping.delete import DELETE
from sluice.mapping.transforms import Transform, transform_failed
from sluice.rejects import Reason
from sluice.workflows.export_process.records import Attributes

WRITE_MICROS = "WriteTimestampMicros"
TOMBSTONE_EXPIRES_AT = "TombstoneExpiresAt"
GUARD_ATTRIBUTES = (WRITE_MICROS, TOMBSTONE_EXPIRES_AT)
# As long as point-in-time recovery reaches back: no older window can come any more.
TOMBSTONE_SECONDS = 35 * 24 * 3600

_NAMES = tuple(f'"{name}"'.encode() for name in GUARD_ATTRIBUTES)
_TIMED = b'{"%b":{"N":"%%d"},%%b' % WRITE_MICROS.encode()
_TOMBSTONE = b'%%b,"%b":{"N":"%%d"},"%b":{"N":"%%d"}}' % (WRITE_MICROS.encode(), TOMBSTONE_EXPIRES_AT.encode())


def timed_item(item: bytes, micros: int | None) -> TimedPut:
    """The item, in DynamoDB JSON, with the time that it was written.

    Raises RejectError without one, and for an item with an attribute of its own that has the name of the guard's.
    """
    time = _known(micros)
    if _NAMES[0] in item or _NAMES[1] in item or b"\\u" in item:
        _check_names(json.loads(item))
    return TimedPut(_TIMED % (time, item[1:]), time)


def _check_names(item: Attributes) -> None:
    for name in GUARD_ATTRIBUTES:
        if name in item:
            raise RejectError(
                Reason.RECORD_INVALID,
                f"the item has an attribute {name} of its own, which the guard would overwrite; rename it with a "
                "transform, or process the export without the guard",
            )


def tombstone(keys: bytes, micros: int | None) -> TimedPut:
    """What stays of a deleted item for a while: its keys, and when it was deleted. Raises RejectError without that."""
    time = _known(micros)
    return TimedPut(_TOMBSTONE % (keys[:-1], time, time // 1_000_000 + TOMBSTONE_SECONDS), time)


def _known(micros: int | None) -> int:
    if micros is None:
        raise RejectError(Reason.RECORD_INVALID, f"the record has no {WRITE_MICROS}, which the guard needs")
    return micros


Made = TypeVar("Made")
_NO_DELETE = (
    "the transform returned DELETE, which only table_transform carries out; return None for an item that is not to be "
    "in the result: when the source changes an item so, what it became before is deleted"
)
_NO_VALUE = (ValueError, TypeError, KeyError, AttributeError, ArithmeticError)


class Transformation(Generic[Made]):
    """Gives the transform an image of plain values, its own to change; `make` makes of an item what is needed."""

    def __init__(self, transform: Transform, make: Callable[[Any], Made]) -> None:
        self._transform = transform
        self._make = make

    def __call__(self, image: Attributes | None) -> list[Made]:
        """What becomes of the image, nothing of None. Raises RejectError for whatever the transform raises."""
        if image is None:
            return []
        plain = _plain(image)
        try:
            result = self._transform(plain)
            return [self._make(each) for each in _returned(result)]
        except RejectError:
            raise
        # Not only the transform can raise anything, but also what it returns, as it is looked at.
        except (Exception, SystemExit) as error:
            raise transform_failed(error) from error


def _returned(result: Any) -> Sequence[Any]:
    """The items that a transform has returned. Raises RejectError."""
    items = result if isinstance(result, list | tuple) else [] if result is None else [result]
    if any(each is DELETE for each in items):
        raise RejectError(Reason.VALUE_UNSUPPORTED, _NO_DELETE)
    return items


def _plain(image: Attributes) -> dict[str, Any]:
    try:
        return plain_item(image)
    except _NO_VALUE as error:
        raise RejectError(
            Reason.RECORD_INVALID, f"no item in DynamoDB JSON: {type(error).__name__}: {error}"
        ) from error

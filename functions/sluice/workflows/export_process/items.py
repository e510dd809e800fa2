"""What becomes of a record's item: the guard's attributes, and the transform."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from sluice.dynamodb.conditional_writers import TimedPut
from sluice.dynamodb.plain import plain_item
from sluice.errors import RejectError
from sluice.mapping.transforms import Transform, transform_failed
from sluice.rejects import Reason
from sluice.workflows.export_process.records import Attributes

WRITE_MICROS = "WriteTimestampMicros"
TOMBSTONE_EXPIRES_AT = "TombstoneExpiresAt"
GUARD_ATTRIBUTES = (WRITE_MICROS, TOMBSTONE_EXPIRES_AT)
# As long as point-in-time recovery reaches back: no older window can come any more.
TOMBSTONE_SECONDS = 35 * 24 * 3600

_NAME = f'"{WRITE_MICROS}"'.encode()
_TIMED = b'{"%b":{"N":"%%d"},%%b' % WRITE_MICROS.encode()
_TOMBSTONE = b'%%b,"%b":{"N":"%%d"},"%b":{"N":"%%d"}}' % (WRITE_MICROS.encode(), TOMBSTONE_EXPIRES_AT.encode())


def timed_item(item: bytes, micros: int | None) -> TimedPut:
    """The item, in DynamoDB JSON, with the time that it was written. Raises RejectError without one."""
    time = _known(micros)
    if _NAME in item or b"\\u" in item:
        attributes = {**json.loads(item), WRITE_MICROS: {"N": str(time)}}
        return TimedPut(json.dumps(attributes, separators=(",", ":")).encode(), time)
    return TimedPut(_TIMED % (time, item[1:]), time)


def tombstone(keys: bytes, micros: int | None) -> TimedPut:
    """What stays of a deleted item for a while: its keys, and when it was deleted. Raises RejectError without that."""
    time = _known(micros)
    return TimedPut(_TOMBSTONE % (keys[:-1], time, time // 1_000_000 + TOMBSTONE_SECONDS), time)


def _known(micros: int | None) -> int:
    if micros is None:
        raise RejectError(Reason.RECORD_INVALID, f"the record has no {WRITE_MICROS}, which the guard needs")
    return micros


Made = TypeVar("Made")
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
            items = result if isinstance(result, list | tuple) else [result]
            return [self._make(each) for each in items if result is not None]
        except RejectError:
            raise
        # Not only the transform can raise anything, but also what it returns, as it is looked at.
        except (Exception, SystemExit) as error:
            raise transform_failed(error) from error


def _plain(image: Attributes) -> dict[str, Any]:
    try:
        return plain_item(image)
    except _NO_VALUE as error:
        raise RejectError(
            Reason.RECORD_INVALID, f"no item in DynamoDB JSON: {type(error).__name__}: {error}"
        ) from error

"""The guard newerOnly: each item has the time that it was written at its source, and later ones stay."""

from __future__ import annotations

import json

from sluice.errors import RejectError
from sluice.rejects import Reason
from sluice.writing.newer_puts import TimedPut

WRITE_MICROS = "WriteTimestampMicros"
EXPIRES_AT = "TombstoneExpiresAt"
GUARD_ATTRIBUTES = (WRITE_MICROS, EXPIRES_AT)
# As long as point-in-time recovery reaches back: no older window can come any more.
TOMBSTONE_SECONDS = 35 * 24 * 3600

_NAME = f'"{WRITE_MICROS}"'.encode()
_TIMED = b'{"%b":{"N":"%%d"},%%b' % WRITE_MICROS.encode()
_TOMBSTONE = b'%%b,"%b":{"N":"%%d"},"%b":{"N":"%%d"}}' % (WRITE_MICROS.encode(), EXPIRES_AT.encode())


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
        raise RejectError(Reason.RECORD_INVALID, f"the record has no {WRITE_MICROS}, which the guard goes by")
    return micros

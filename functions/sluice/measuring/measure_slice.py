"""One slice of a batch of keys: page by page through their item collections, until the keys or the time are up."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sluice.errors import (
    InvalidInputError,
    ServiceUnavailableError,
    ThrottledError,
    UnexpectedResponseError,
    WireError,
)
from sluice.measuring.measure_progress import MeasureProgress
from sluice.measuring.measure_request import MeasureRequest
from sluice.pacing.allowance import Allowance

# Refused for the key itself, so that another try would be refused as well.
_KEY_REFUSALS = frozenset({"ValidationException", "SerializationException"})

Query = Callable[[bytes], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class SliceResult:
    """The batch's progress after the slice, and the slice's part of the report: a line per finished collection."""

    progress: MeasureProgress
    lines: list[bytes]


def measure_slice(
    request: MeasureRequest, query: Query, is_time_up: Callable[[], bool], reads: Allowance
) -> SliceResult:
    """Measure on from where the slice before has ended; at least one page is read however little time there is.

    `query` sends the body of one Query and returns the answer. Raises InvalidInputError for a key that cannot be
    queried, UnexpectedResponseError, and what `query` raises; a slice that raised is begun again from where it began.
    When DynamoDB throttles or fails after a page was read, that is the slice's end.
    """
    before, keys, lines = request.progress, request.keys, list[bytes]()
    progress = before
    while progress.position < len(keys):
        limit = reads.bounded(None)
        spending = reads.admit(limit or 1) if progress is before else reads.before(limit)
        if spending is None:
            break
        try:
            answer = _page(request, progress, query, limit)
        except (ThrottledError, ServiceUnavailableError):
            if progress is before:
                raise
            break
        spending.ended(answer["ConsumedCapacity"]["CapacityUnits"], len(answer["Items"]))
        progress = progress.with_page(answer, request.collections)
        if progress.start_key is None:
            line = {"key": keys[progress.position], **progress.measure.to_state()}
            lines.append(json.dumps(line, ensure_ascii=False).encode() + b"\n")
            progress = progress.with_collection(line)
        if is_time_up():
            break
    parts = (*before.parts, request.part_key) if lines else before.parts
    done = progress.position == len(keys)
    return SliceResult(replace(progress, slices=before.slices + 1, parts=parts, done=done), lines)


def _page(request: MeasureRequest, progress: MeasureProgress, query: Query, limit: int | None) -> Mapping[str, Any]:
    key = request.keys[progress.position]
    try:
        return query(request.collections.query(key, progress.start_key, limit))
    except WireError as error:
        problem = f"{json.dumps(key)} cannot be queried: {error}"
        if error.name in _KEY_REFUSALS:
            raise InvalidInputError(f"keys[{progress.position}]", problem) from error
        raise UnexpectedResponseError(problem) from error

"""Items by their keys, as they are now."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from sluice.aws.retry import Backoff
from sluice.aws.wire import Attempts, Wire
from sluice.dynamodb.items import Item, equal, key_of
from sluice.dynamodb.plain import Attributes
from sluice.errors import RejectError, ThrottledError
from sluice.mapping.delete import Delete
from sluice.run_item.rate_limiter import RateLimiter
from sluice.workflows.table_transform.input import Table, TransformJob
from sluice.workflows.table_transform.transforms import InPlace, IntoTarget, in_place, into_target

# What BatchGetItem takes.
KEYS_MAX = 100


class ConsistentReads:
    """Reads from one table after the other, as `reads` admits it; `read_units` is what that took."""

    def __init__(self, wire: Wire, reads: RateLimiter) -> None:
        self._wire = wire
        self._reads = reads
        self.read_units = 0.0

    def items(self, table: Table, keys: Sequence[Attributes]) -> dict[tuple[Any, ...], Attributes]:
        """The items that are there, by their primary keys as key_of makes them. Raises what the wire raises."""
        names = [each.name for each in table.schema.attributes]
        wanted = {key_of(each, table.schema): {name: each[name] for name in names} for each in keys}
        found = []
        left: list[Attributes] = list(wanted.values())
        while left:
            size = self._reads.bounded(KEYS_MAX) or KEYS_MAX
            part, left = left[:size], left[size:]
            found += self._read(table.name, part)
        return {key_of(each, table.schema): each for each in found}

    def _read(self, table: str, keys: list[Attributes]) -> list[Attributes]:
        found: list[Attributes] = []
        backoff = Backoff(self._wire.retries)
        while True:
            answer = self._call(table, keys)
            # Both are by the table's name or its ARN, and there is one table.
            found += [item for items in answer["Responses"].values() for item in items]
            unprocessed = [key for left in answer.get("UnprocessedKeys", {}).values() for key in left["Keys"]]
            if not unprocessed:
                return found
            if len(unprocessed) < len(keys):
                backoff.made_progress()
            elif backoff.is_used_up():
                raise ThrottledError(f"BatchGetItem gave back all of {len(keys)} keys until the retries were used up")
            keys = unprocessed
            backoff.pause()

    def _call(self, table: str, keys: list[Attributes]) -> Mapping[str, Any]:
        spending = self._reads.admit(len(keys))
        request = {
            "RequestItems": {table: {"Keys": keys, "ConsistentRead": True}},
            "ReturnConsumedCapacity": "TOTAL",
        }
        answer = self._wire.call("BatchGetItem", json.dumps(request, ensure_ascii=False).encode(), Attempts())
        units = sum(each["CapacityUnits"] for each in answer.get("ConsumedCapacity", []))
        spending.ended(units)
        self.read_units += units
        return answer


class Difference(NamedTuple):
    """One item of the source by its key: what the transform gives now, and what there is, in DynamoDB JSON."""

    key: Attributes
    message: str
    expected: Attributes | None
    found: Attributes | None

    def to_line(self) -> bytes:
        """The difference as one line of JSON."""
        return json.dumps(self._asdict(), ensure_ascii=False).encode() + b"\n"


class Verification(Protocol):
    """Takes lines of the sample; yields at most one difference for each. Raises what the wire raises."""

    def __call__(self, lines: Sequence[Mapping[str, Any]]) -> Iterator[Difference]: ...


def verification_for(job: TransformJob, reads: ConsistentReads) -> Verification:
    """The comparison for a job. Raises InvalidInputError."""
    if job.target is None:
        return InPlaceVerification(job.table, in_place(job.way, job.table.schema), reads)
    transform = into_target(job.way, job.target.schema, deletes=job.deletes_source)
    return TargetVerification(job.table, job.target, transform, reads)


class InPlaceVerification:
    """An item that was changed is not changed by the transform again; one that was deleted is not there."""

    def __init__(self, table: Table, transform: InPlace, reads: ConsistentReads) -> None:
        self._table = table
        self._transform = transform
        self._reads = reads

    def __call__(self, lines: Sequence[Mapping[str, Any]]) -> Iterator[Difference]:
        """Compare the items of these lines."""
        found = self._reads.items(self._table, [line["key"] for line in lines])
        for line in lines:
            difference = self._compare(line, found.get(key_of(line["key"], self._table.schema)))
            if difference is not None:
                yield difference

    def _compare(self, line: Mapping[str, Any], found: Attributes | None) -> Difference | None:
        key = line["key"]
        if found is None:
            return Difference(key, "the item is gone", line["after"], None) if line["after"] else None
        try:
            change = self._transform(found)
        except RejectError as error:
            return Difference(key, str(error), line["after"], found)
        if change is None:
            return None
        return Difference(key, "the transform changes the item again", change.after(), found)


class TargetVerification:
    """What an item becomes is in the target; of an item that is gone, what it became as it was read."""

    def __init__(self, table: Table, target: Table, transform: IntoTarget, reads: ConsistentReads) -> None:
        self._table = table
        self._target = target
        self._transform = transform
        self._reads = reads

    def __call__(self, lines: Sequence[Mapping[str, Any]]) -> Iterator[Difference]:
        """Compare the items of these lines."""
        sources = self._reads.items(self._table, [line["key"] for line in lines])
        expected: list[tuple[Attributes, Attributes]] = []
        for line in lines:
            source = sources.get(key_of(line["key"], self._table.schema))
            try:
                items = self._items(source or line["before"])
            except RejectError as error:
                yield Difference(line["key"], str(error), None, source)
                continue
            if items is None and source:
                yield Difference(line["key"], "the item is still there", None, source)
            expected += [(line["key"], json.loads(item.body)) for item in items or ()]
        yield from self._compare(expected)

    def _items(self, source: Attributes) -> Sequence[Item] | None:
        """None where the item is to be deleted without becoming anything."""
        items = self._transform(source)
        return None if isinstance(items, Delete) else items

    def _compare(self, expected: Sequence[tuple[Attributes, Attributes]]) -> Iterator[Difference]:
        found = self._reads.items(self._target, [item for _, item in expected])
        for key, item in expected:
            there = found.get(key_of(item, self._target.schema))
            if there is None:
                yield Difference(key, "the target has no such item", item, None)
            elif not equal(item, there):
                yield Difference(key, "the target's item is another", item, there)

"""Items of the sample as they are now, compared with what the transform gives now."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from sluice.dynamodb.items import Item, equal, key_of
from sluice.dynamodb.plain import Attributes
from sluice.errors import RejectError
from sluice.mapping.delete import Delete
from sluice.workflows.table_transform.input import Table, TransformJob
from sluice.workflows.table_transform.reads import ConsistentReads
from sluice.workflows.table_transform.transforms import InPlace, IntoTarget, in_place, into_target


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
        return InPlaceVerification(job.table, in_place(job.item_source, job.table.schema), reads)
    transform = into_target(job.item_source, job.target.schema, deletes=job.deletes_source)
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
            return Difference(key, "the item no longer exists", line["after"], None) if line["after"] else None
        try:
            change = self._transform(found)
        except RejectError as error:
            return Difference(key, str(error), line["after"], found)
        if change is None:
            return None
        return Difference(key, "the transform changes the item again", change.after(), found)


class TargetVerification:
    """What an item becomes is in the target; of an item that no longer exists, what it became when it was read."""

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

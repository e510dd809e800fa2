"""What a full export lacks is deleted from its copy: items older than the export become tombstones.

Every item of the export has been put with the export's time before this begins, so an older item is no longer in the
source. Each tombstone is put on condition that the item is still older: other windows may be processed meanwhile.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from sluice.aws.in_flight import InFlight
from sluice.aws.wire import Attempts, Wire
from sluice.dynamodb.items import failed_write_units
from sluice.dynamodb.keys import KeySchema
from sluice.errors import InvalidInputError, UnexpectedResponseError, WireError
from sluice.fields import Fields
from sluice.run_item.progress import WorkDone
from sluice.run_item.rate_limiter import RateLimiter
from sluice.runs.counts import Counts
from sluice.runs.outcomes import PartType
from sluice.runs.paths import Run
from sluice.runs.segments import Segment
from sluice.state import Inline, Named, State, VersionedState
from sluice.sums import FieldSums
from sluice.workflows.export_process.input import Process, TableSink
from sluice.workflows.export_process.items import TOMBSTONE_EXPIRES_AT, WRITE_MICROS, tombstone

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# At 5 to 10 ms a request this is as much as one vCPU can prepare.
THREADS = 16
# The first page of each of so many segments of a table is searched before anything is written.
CHECKED_SEGMENTS = 8

Item = Mapping[str, Mapping[str, Any]]
StartKey = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Mirror(State):
    """`adopts`: items without the guard's attribute count as older than the export."""

    total_segments: int
    adopts: Annotated[bool, Named("adopt")]


@dataclass(frozen=True, slots=True)
class MirrorDone(FieldSums, State):
    """Items of the copy: `live` are as new as the export or newer, `deleted` have become tombstones of its time.

    `tombstones`: those of other times. What an earlier attempt or an earlier run has done counts as deleted, too.
    """

    read: int = 0
    live: int = 0
    deleted: int = 0
    tombstones: int = 0
    read_units: float = 0.0
    write_units: float = 0.0


@dataclass(frozen=True, slots=True)
class MirrorProgress(VersionedState):
    """What the slices so far have done, and where the next one starts: a Scan's ExclusiveStartKey."""

    what: ClassVar = "how far a segment has come"
    reject_slices: ClassVar[tuple[int, ...]] = ()

    start_key: StartKey | None = None
    slices: int = 0
    is_done: Annotated[bool, Named("done")] = False
    done: Annotated[MirrorDone, Inline] = field(default_factory=MirrorDone)

    @property
    def counts(self) -> Counts:
        """The items as rows: those that became tombstones are written."""
        return Counts(self.done.read, self.done.deleted, self.done.live + self.done.tombstones)

    @property
    def write_units(self) -> float:
        """What the tombstones took."""
        return self.done.write_units

    @property
    def reasons(self) -> Counter[str]:
        """The mirror rejects nothing: it fails."""
        return Counter()


MIRRORED_SEGMENTS = PartType(Segment.kind, Segment.from_state, MirrorProgress.from_state)


@dataclass(frozen=True, slots=True)
class MirrorRequest:
    """One slice of a segment of the copy."""

    run: Run
    process: Process
    mirror: Mirror
    segment: int
    progress: MirrorProgress

    @classmethod
    def from_event(cls, event: object) -> MirrorRequest:
        """Read the function's payload. Raises InvalidInputError, FormatVersionError."""
        fields = Fields(event, ("run", "process", "mirror", "segment", "progress"))
        return cls(
            run=Run.from_state(fields.raw("run")),
            process=Process.from_state(fields.raw("process")),
            mirror=Mirror.from_state(fields.raw("mirror")),
            segment=Segment.from_state(fields.raw("segment")).index,
            progress=MirrorProgress.from_state(fields.raw("progress")) if fields.has("progress") else MirrorProgress(),
        )

    @property
    def copy(self) -> Copy:
        """The segment of the copy, as the slice works on it."""
        sink, micros = self.process.sink, self.process.export.write_micros
        if not isinstance(sink, TableSink) or micros is None:
            raise InvalidInputError("process", "must be a full export into a table")
        return Copy(sink.name, sink.schema, micros, self.mirror)


class CopyKind(StrEnum):
    """What an item of the copy is to the mirror."""

    LIVE = "live"
    OLDER = "older"
    DELETED = "deleted"
    TOMBSTONE = "tombstone"


@dataclass(frozen=True, slots=True)
class Copy:
    """The table that a full export was put into. `micros`: the time of the export's items, since 1970."""

    table: str
    schema: KeySchema
    micros: int
    mirror: Mirror

    def scan(self, segment: int, start_key: StartKey | None) -> bytes:
        """The Scan request of one page: of items that are not live, their keys and the guard's attributes."""
        names = {f"#k{number}": each.name for number, each in enumerate(self.schema.attributes)}
        request: dict[str, Any] = {
            "TableName": self.table,
            "Segment": segment,
            "TotalSegments": self.mirror.total_segments,
            "ProjectionExpression": ", ".join([*names, "#time", "#expires"]),
            "FilterExpression": "#time < :time OR attribute_exists(#expires) OR NOT attribute_type(#time, :number)",
            "ExpressionAttributeNames": {**names, "#time": WRITE_MICROS, "#expires": TOMBSTONE_EXPIRES_AT},
            "ExpressionAttributeValues": self._values,
            "ReturnConsumedCapacity": "TOTAL",
        }
        if start_key is not None:
            request["ExclusiveStartKey"] = start_key
        return json.dumps(request, ensure_ascii=False).encode()

    def tombstone(self, item: Item) -> bytes:
        """The PutItem request that replaces an item that is still older than the export."""
        keys = json.dumps(self.key(item), ensure_ascii=False).encode()
        older = "#time < :time AND attribute_not_exists(#expires)"
        # DynamoDB refuses a pair of parentheses too many.
        condition = f"(({older}) OR NOT attribute_type(#time, :number))" if self.mirror.adopts else older
        request = {
            "TableName": self.table,
            "Item": json.loads(tombstone(keys, self.micros).item),
            "ConditionExpression": f"attribute_exists(#key) AND {condition}",
            "ExpressionAttributeNames": {
                "#key": self.schema.partition.name,
                "#time": WRITE_MICROS,
                "#expires": TOMBSTONE_EXPIRES_AT,
            },
            "ExpressionAttributeValues": self._values if self.mirror.adopts else {":time": {"N": str(self.micros)}},
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            "ReturnConsumedCapacity": "TOTAL",
        }
        return json.dumps(request, ensure_ascii=False).encode()

    def kind(self, item: Item) -> CopyKind:
        """What the item is. Raises InvalidInputError for one without the guard's attribute, unless it is adopted."""
        time = item.get(WRITE_MICROS, {}).get("N")
        if time is None:
            if self.mirror.adopts:
                return CopyKind.OLDER
            raise not_guarded(self.table, self.key(item))
        if TOMBSTONE_EXPIRES_AT in item:
            return CopyKind.DELETED if Decimal(time) == self.micros else CopyKind.TOMBSTONE
        return CopyKind.OLDER if Decimal(time) < self.micros else CopyKind.LIVE

    def key(self, item: Item) -> dict[str, Any]:
        """The item's key."""
        return {each.name: item[each.name] for each in self.schema.attributes}

    @property
    def _values(self) -> dict[str, Any]:
        return {":time": {"N": str(self.micros)}, ":number": {"S": "N"}}


def not_guarded(table: str, key: Mapping[str, Any]) -> InvalidInputError:
    """The error about a copy that contains items which nobody knows the age of."""
    return InvalidInputError(
        "mirror",
        f"{table} contains items without a number {WRITE_MICROS}, such as {json.dumps(key, ensure_ascii=False)}, so "
        'it is not known whether they are older than the export. Use a table of its own for the copy, or set "adopt": '
        "true to delete such items where the export does not have them",
    )


def check_guarded(dynamodb: DynamoDBClient, table: str, schema: KeySchema) -> None:
    """Search the first pages of a table for an item without the guard's attribute. Raises InvalidInputError.

    The slices find the others. A table of up to 1 MB in each of its segments is searched as a whole.
    """
    names = {f"#k{number}": each.name for number, each in enumerate(schema.attributes)}
    for segment in range(CHECKED_SEGMENTS):
        found = dynamodb.scan(
            TableName=table,
            Segment=segment,
            TotalSegments=CHECKED_SEGMENTS,
            ProjectionExpression=", ".join(names),
            FilterExpression="NOT attribute_type(#time, :number)",
            ExpressionAttributeNames={**names, "#time": WRITE_MICROS},
            ExpressionAttributeValues={":number": {"S": "N"}},
        )["Items"]
        if found:
            raise not_guarded(table, found[0])


def has_items(dynamodb: DynamoDBClient, table: str) -> bool:
    """Whether a scan of the table finds an item at once."""
    return bool(dynamodb.scan(TableName=table, Limit=1)["Items"])


@dataclass(frozen=True, slots=True)
class _Put:
    """What a tombstone came to."""

    kind: CopyKind
    units: float


class MirrorSlice:
    """One slice of a segment. A page whose tombstones are not all settled in time is read again by the next slice."""

    def __init__(self, wire: Wire, copy: Copy, segment: int, writes: RateLimiter) -> None:
        self._wire = wire
        self._copy = copy
        self._segment = segment
        self._writes = writes
        self._done = MirrorDone()
        self._begun = 0
        self._puts: list[_Put] = []

    @property
    def work_done(self) -> WorkDone:
        """What the slice has taken so far, for another thread: its items are not rows of the export."""
        return WorkDone(read_units=self._done.read_units, write_units=self._done.write_units)

    def run(self, before: MirrorProgress, is_over: Callable[[], bool]) -> MirrorProgress:
        """Work through pages until the segment ends or `is_over`; at least one request is made.

        Raises InvalidInputError for an item without the guard's attribute, and what the wire raises.
        """
        start_key, is_done = before.start_key, False
        with closing(InFlight(self._put, self._puts.append, threads=THREADS, held=2 * THREADS)) as puts:
            while not is_done:
                answer = self._page(start_key)
                if not self._settle_page(answer, puts):
                    break
                start_key = answer.get("LastEvaluatedKey")
                is_done = start_key is None
                if is_over():
                    break
        return MirrorProgress(start_key, before.slices + 1, is_done, before.done + self._done)

    def _page(self, start_key: StartKey | None) -> Mapping[str, Any]:
        answer = self._wire.call("Scan", self._copy.scan(self._segment, start_key))
        try:
            self._done += MirrorDone(read_units=answer["ConsumedCapacity"]["CapacityUnits"])
            answer["Items"], answer["ScannedCount"]
        except KeyError as error:
            raise UnexpectedResponseError(f"a page of {self._copy.table} has no {error}") from error
        return answer

    def _settle_page(self, answer: Mapping[str, Any], puts: InFlight[Item, _Put]) -> bool:
        """Replace the page's older items, and count all of its items; False when the time was up before."""
        kinds = [(self._copy.kind(item), item) for item in answer["Items"]]
        older = [item for kind, item in kinds if kind is CopyKind.OLDER]
        settled = self._replace(older, puts)
        if settled is None:
            return False
        found = [kind for kind, _ in kinds if kind is not CopyKind.OLDER] + [put.kind for put in settled]
        deleted, tombstones = found.count(CopyKind.DELETED), found.count(CopyKind.TOMBSTONE)
        read = answer["ScannedCount"]
        self._done += MirrorDone(read, read - deleted - tombstones, deleted, tombstones)
        return True

    def _replace(self, items: Sequence[Item], puts: InFlight[Item, _Put]) -> list[_Put] | None:
        """What the items are after their tombstones were sent; None when the time is up before all were."""
        settled: list[_Put] = []
        while len(settled) < len(items):
            size = self._writes.bounded(len(items)) or len(items)
            chunk = items[len(settled) : len(settled) + size]
            spending = self._writes.before(len(chunk)) if self._begun else self._writes.admit(len(chunk))
            if spending is None:
                return None
            self._begun += len(chunk)
            for item in chunk:
                puts.submit(item, keys=())
            puts.drain()
            taken, self._puts[:] = list(self._puts), []
            units = sum(put.units for put in taken)
            spending.ended(units)
            self._done += MirrorDone(write_units=units)
            settled += taken
        return settled

    def _put(self, item: Item) -> _Put:
        body = self._copy.tombstone(item)
        try:
            answer = self._wire.call("PutItem", body, Attempts())
        except WireError as error:
            if error.name != "ConditionalCheckFailedException":
                raise
            found = error.details.get("Item")
            units = failed_write_units(json.loads(body)["Item"], found or {})
            # Gone altogether: time to live, or somebody else, has deleted it.
            return _Put(self._copy.kind(found) if found else CopyKind.DELETED, units)
        return _Put(CopyKind.DELETED, answer.get("ConsumedCapacity", {}).get("CapacityUnits", 0.0))

"""The listing of a run: the objects that the filters leave, in batches, one batch per line of JSON Lines.

It is made slice by slice: each slice writes parts with names of its own, so that an attempt whose connection was lost
overwrites nothing. The list of the parts is what the Distributed Map reads.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from sluice.aws.clients import aws_errors
from sluice.runs.counts import Counts
from sluice.runs.input import ToleratedFailures
from sluice.runs.paths import Run
from sluice.state import FIELD, FORMAT, VersionedState
from sluice.workflows.object_map.input import Filters, ObjectAction, ObjectSource
from sluice.workflows.object_map.objects import S3Object, is_taken

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


# With the action beside them a batch's objects fit into the 256 KiB of a child's input.
BATCH_JSON_BYTES = 150_000
LISTING_PART_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Listing(VersionedState):
    """How far the listing has come.

    `position`: where the source is read on, as its reader says, None at the beginning. `seen`: all objects of the
    source, `objects` and `bytes`: those that the filters leave. `batch_sizes`: how many batches have how many objects.
    `before`: what runs that this one continues have done.
    """

    what: ClassVar = "the listing of the run's objects"

    done: bool = False
    position: Any = None
    slices: int = 0
    seen: int = 0
    objects: int = 0
    bytes: int = 0
    batches: int = 0
    batch_sizes: Counter[str] = field(default_factory=Counter)
    parts: tuple[str, ...] = ()
    before: Counts = field(default_factory=Counts)

    def tolerated_batches(self, tolerated: ToleratedFailures) -> int:
        """How many batches may fail before more objects have failed for certain than are tolerated."""
        left = min(int(self.objects * tolerated.percentage / 100), tolerated.count)
        batches = 0
        for size, number in sorted((int(size), number) for size, number in self.batch_sizes.items()):
            fitting = min(number, left // size)
            batches, left = batches + fitting, left - fitting * size
            if fitting < number:
                break
        return batches


@dataclass(frozen=True, slots=True)
class EarlierListing(VersionedState):
    """What a run that continues this one needs to know of it."""

    what: ClassVar = "the plan of the run that is resumed"

    action: ObjectAction
    source: ObjectSource
    filters: Filters
    parts: tuple[str, ...]
    before: Counts


class Reader(Protocol):
    """The objects of a source, a page at a time, each with the position after it and what was done before."""

    def pages(self, position: Any) -> Iterator[tuple[Sequence[S3Object], Any, Counts]]: ...


@dataclass(slots=True)
class Lister:
    """Lists the objects of a run, slice by slice. `attempt` is different for every attempt at a slice."""

    s3: S3Client
    bucket: str
    run: Run
    filters: Filters
    batch_size: int
    max_batch_bytes: int | None
    attempt: str
    _lines: list[bytes] = field(default_factory=list)
    _line_bytes: int = 0
    _batch: list[str] = field(default_factory=list)
    _batch_json_bytes: int = 0
    _batch_bytes: int = 0

    def run_slice(self, listing: Listing, reader: Reader, is_time_up: Callable[[], bool]) -> Listing:
        """List until the source ends, or the time is up. Raises what the reader raises."""
        for page, position, before in reader.pages(listing.position):
            listing = self._add(listing, page)
            listing = replace(listing, position=position, before=listing.before + before)
            if is_time_up():
                return replace(self._flush(listing), slices=listing.slices + 1)
        return self._list_parts(replace(self._flush(listing), slices=listing.slices + 1, done=True))

    def _add(self, listing: Listing, page: Sequence[S3Object]) -> Listing:
        taken = [each for each in page if is_taken(self.filters, each)]
        for each in taken:
            text = json.dumps(each, ensure_ascii=False)
            json_bytes, size = len(text.encode()) + 1, each["Size"] or 0
            if self._is_full(json_bytes, size):
                listing = self._end_batch(listing)
            self._batch.append(text)
            self._batch_json_bytes += json_bytes
            self._batch_bytes += size
        return replace(
            listing,
            seen=listing.seen + len(page),
            objects=listing.objects + len(taken),
            bytes=listing.bytes + sum(each["Size"] or 0 for each in taken),
        )

    def _is_full(self, json_bytes: int, size: int) -> bool:
        """Whether an object must begin a new batch; an object that is too large for any stands alone."""
        return bool(self._batch) and (
            len(self._batch) >= self.batch_size
            or self._batch_json_bytes + json_bytes > BATCH_JSON_BYTES
            or (self.max_batch_bytes is not None and self._batch_bytes + size > self.max_batch_bytes)
        )

    def _end_batch(self, listing: Listing) -> Listing:
        if not self._batch:
            return listing
        line = f'{{"{FIELD}":{FORMAT},"batch":{listing.batches},"objects":[{",".join(self._batch)}]}}\n'.encode()
        sizes = listing.batch_sizes + Counter({str(len(self._batch)): 1})
        self._batch, self._batch_json_bytes, self._batch_bytes = [], 0, 0
        self._lines.append(line)
        self._line_bytes += len(line)
        listing = replace(listing, batches=listing.batches + 1, batch_sizes=sizes)
        return self._end_part(listing) if self._line_bytes >= LISTING_PART_BYTES else listing

    def _end_part(self, listing: Listing) -> Listing:
        if not self._lines:
            return listing
        name = f"{len(listing.parts):06d}-{self.attempt}.jsonl"
        self._put(self.run.listing_part_key(name), b"".join(self._lines), "application/jsonl")
        self._lines, self._line_bytes = [], 0
        return replace(listing, parts=(*listing.parts, name))

    def _flush(self, listing: Listing) -> Listing:
        return self._end_part(self._end_batch(listing))

    def _list_parts(self, listing: Listing) -> Listing:
        """Write the list of all parts, as Athena lists the files of an UNLOAD."""
        uris = (f"s3://{self.bucket}/{self.run.listing_part_key(name)}\n" for name in listing.parts)
        self._put(self.run.listing_key, "".join(uris).encode(), "text/csv")
        return listing

    def _put(self, key: str, body: bytes, content_type: str) -> None:
        with aws_errors(f"s3://{self.bucket}/{key}"):
            self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, ContentType=content_type)

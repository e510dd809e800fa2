"""The journal of a slice: what it announced before it sent it, and what it came to, as numbered objects in S3.

Each entry is created once, under the number after the last one, so all attempts at a slice agree on one sequence. An
attempt begins by creating an entry of its own; from then on no earlier attempt can create another one. A resumed run
seals a journal in the same way. docs/exactly_once.md has the protocol.
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sluice.aws.clients import aws_errors
from sluice.errors import AttemptExistsError, RunContinuedError, ServiceUnavailableError, SourceNotFoundError
from sluice.runs.paths import Run
from sluice.state import FIELD, FORMAT, readable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_GZIP = 31
_FASTEST = 1
# A worker lives for up to 15 minutes after it began: Lambda's limit. Clocks may differ by some seconds.
LATE_SECONDS = 15 * 60 + 60


class EntryKind(StrEnum):
    """BEGIN: an attempt joined. PAGE: changes of newly read items. AGAIN: changes of items that others had changed.

    SEAL: another run continues here. END: what the slice came to, and the changes that it announced but did not settle.
    """

    BEGIN = "begin"
    PAGE = "page"
    AGAIN = "again"
    SEAL = "seal"
    END = "end"


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """`number` counts from 0 in its slice. `head` depends on the kind; `body` is what follows, usually JSON Lines."""

    number: int
    kind: EntryKind
    head: Mapping[str, Any]
    body: bytes

    @property
    def lines(self) -> Iterator[dict[str, Any]]:
        """The changes that the entry announces or hands over, and the items that it rejects."""
        if self.kind in (EntryKind.PAGE, EntryKind.AGAIN):
            return map(json.loads, self.body.splitlines())
        if self.kind is EntryKind.END:
            return map(json.loads, self.body[sum(self.head["parts"].values()) :].splitlines())
        return iter(())

    @property
    def void_lines(self) -> Iterator[dict[str, Any]]:
        """{"key", "puts"}: the indexes of puts for which a table kept another writer's item, or refused the run's."""
        if self.kind is not EntryKind.END:
            return iter(())
        sizes = self.head["parts"]
        start = sizes["rejects"] + sizes["sample"]
        return map(json.loads, self.body[start : start + sizes["void"]].splitlines())


@dataclass(frozen=True, slots=True)
class JournalStore:
    """The journals of one segment, of this run or another one of the workflow."""

    s3: S3Client
    bucket: str
    run: Run
    segment: int

    def of(self, name: str) -> JournalStore:
        """The same segment of another run."""
        return replace(self, run=replace(self.run, name=name))

    def read(self, slice_number: int, number: int) -> JournalEntry | None:
        """An entry, None when there is none. Raises AccessDeniedError, ServiceUnavailableError."""
        stored = self._get(self.run.journal_key(self.segment, slice_number, number))
        return None if stored is None else _decoded(number, stored)

    def entries(self, slice_number: int, first: int = 0) -> Iterator[JournalEntry]:
        """The entries from this one on, in order."""
        number = first
        while (entry := self.read(slice_number, number)) is not None:
            yield entry
            number += 1

    def create(self, slice_number: int, entry: JournalEntry) -> bool:
        """Write an entry unless there is another one of its number; False when there is.

        Raises AccessDeniedError, ServiceUnavailableError.
        """
        key = self.run.journal_key(self.segment, slice_number, entry.number)
        stored = _encoded(entry)
        exists = AttemptExistsError()
        # S3 answers a conflict while another request creates the object.
        named = {"PreconditionFailed": exists, "ConditionalRequestConflict": exists}
        try:
            with aws_errors(f"s3://{self.bucket}/{key}", named):
                self.s3.put_object(
                    Bucket=self.bucket, Key=key, Body=stored, IfNoneMatch="*", ContentType="application/gzip"
                )
        except AttemptExistsError:
            # A request that was repeated after its answer was lost finds the entry that it created itself.
            found = self._get(key)
            if found is None:
                raise ServiceUnavailableError(
                    f"s3://{self.bucket}/{key}: another request created it, and failed"
                ) from None
            return found == stored
        return True

    def _get(self, key: str) -> bytes | None:
        missing = SourceNotFoundError(f"there is no s3://{self.bucket}/{key}")
        try:
            with aws_errors(f"s3://{self.bucket}/{key}", {"NoSuchKey": missing}):
                stored: bytes = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        except SourceNotFoundError:
            return None
        return stored


class SliceJournal:
    """The journal as one attempt at a slice writes it."""

    def __init__(self, store: JournalStore, slice_number: int) -> None:
        self._store = store
        self._slice = slice_number
        self._attempt = uuid4().hex
        self.next_number = 0
        self.pages = 0
        self.late_until = 0
        self.is_first_attempt = True

    def begin(self) -> JournalEntry | None:
        """Join the journal, so that no earlier attempt can announce anything more; `next_number` counts all entries.

        Returns the entry that the slice ended with, where an attempt ended. Raises RunContinuedError when the run was
        resumed or undone, AccessDeniedError, ServiceUnavailableError.
        """
        while not self._store.create(self._slice, self._entry(EntryKind.BEGIN, {"at": int(time.time())}, b"")):
            self.is_first_attempt = False
            for entry in self._store.entries(self._slice, self.next_number):
                self.late_until = max(self.late_until, late_until([entry]))
                if entry.kind is EntryKind.END:
                    return entry
                if entry.kind is EntryKind.SEAL:
                    raise _continued(entry)
                self.next_number = entry.number + 1
        self.next_number += 1
        return None

    def append(self, kind: EntryKind, head: Mapping[str, Any], body: bytes) -> JournalEntry:
        """Create the next entry.

        Raises ServiceUnavailableError when another attempt took over, RunContinuedError when another run did: nothing
        more may be sent then.
        """
        entry = self._entry(kind, head, body)
        if not self._store.create(self._slice, entry):
            other = self._store.read(self._slice, self.next_number)
            if other is not None and other.kind is EntryKind.SEAL:
                raise _continued(other)
            raise ServiceUnavailableError("another attempt at the slice has taken over")
        self.next_number += 1
        self.pages += 1
        return entry

    def _entry(self, kind: EntryKind, head: Mapping[str, Any], body: bytes) -> JournalEntry:
        return JournalEntry(self.next_number, kind, {"attempt": self._attempt, **head}, body)


def seal(store: JournalStore, slice_number: int, run: str) -> list[JournalEntry]:
    """Close the journal of a slice for the sake of `run`, and return its entries without their bodies.

    The last one is an END where the slice had ended, else the seal of this or an earlier run.
    Raises AccessDeniedError, ServiceUnavailableError.
    """
    entries: list[JournalEntry] = []
    while not entries or entries[-1].kind not in (EntryKind.END, EntryKind.SEAL):
        end = JournalEntry(len(entries), EntryKind.SEAL, {"run": run}, b"")
        if entry := store.read(slice_number, len(entries)):
            entries.append(replace(entry, body=b""))
        elif store.create(slice_number, end):
            entries.append(end)
    return entries


def late_until(entries: Iterable[JournalEntry]) -> int:
    """Until when attempts that began here may still send what they announced, in seconds since 1970; 0 for none."""
    return max((entry.head["at"] + LATE_SECONDS for entry in entries if entry.kind is EntryKind.BEGIN), default=0)


def superseded(entries: Iterable[JournalEntry]) -> dict[str, int]:
    """By its key as text, in which entry an item's change was last announced again: earlier ones of it are void."""
    return {
        key_text(line["key"]): entry.number
        for entry in entries
        if entry.kind is EntryKind.AGAIN
        for line in entry.lines
    }


def key_text(key: Mapping[str, Any]) -> str:
    """A key in DynamoDB JSON as text that is the same for the same key."""
    return json.dumps(key, sort_keys=True)


def _continued(entry: JournalEntry) -> RunContinuedError:
    return RunContinuedError(f"run {entry.head['run']} continues this run, whose slices end without writing any more")


def end_body(parts: Mapping[str, bytes], left: Sequence[bytes]) -> bytes:
    """The body of an END: its parts, whose sizes the head gives by their keys, then the lines that are left."""
    return b"".join([*parts.values(), *left])


def _encoded(entry: JournalEntry) -> bytes:
    head = {FIELD: FORMAT, "kind": entry.kind.value, **entry.head}
    packer = zlib.compressobj(_FASTEST, wbits=_GZIP)
    start = packer.compress(json.dumps(head, ensure_ascii=False).encode() + b"\n")
    return start + packer.compress(entry.body) + packer.flush()


def _decoded(number: int, stored: bytes) -> JournalEntry:
    line, _, body = zlib.decompress(stored, wbits=_GZIP).partition(b"\n")
    head = readable(json.loads(line), "a journal")
    return JournalEntry(number, EntryKind(head["kind"]), head, body)

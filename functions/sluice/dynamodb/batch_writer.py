"""BatchWriteItem: puts and deletes, of which the last one for a key wins."""

from __future__ import annotations

import json
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sluice.aws.pipeline import Answer
from sluice.aws.retry import Backoff
from sluice.aws.wire import Attempts, Wire
from sluice.dynamodb.items import Item, key_of
from sluice.dynamodb.keys import KeySchema
from sluice.dynamodb.table_writer import ITEM_REFUSALS, Origin, RejectedWrite, TableWriter, WriteOutcome
from sluice.dynamodb.units import UNLIMITED, UnitSpending, WriteLimiter
from sluice.errors import ThrottledError, UnexpectedResponseError, WireError

# At 5 to 10 ms a request this is as much as one vCPU can prepare.
BATCHES_IN_FLIGHT = 8
BATCH_ITEMS = 25
# DynamoDB takes 16 MB. Less keeps memory small, and beside a megabyte a request's own cost is nothing.
BATCH_BYTES = 1024 * 1024
# Rows that supersede each other share one place in a batch: this bounds how many are held.
BATCH_ROWS = 250

# One change as it stands in a request.
PUT = b'{"PutRequest":{"Item":%b}}'
DELETE_REQUEST = b'{"DeleteRequest":{"Key":%b}}'


class Version(NamedTuple):
    """A row's change; `earlier` is the row with the same key that it supersedes."""

    change: bytes
    origin: Origin
    earlier: Version | None = None


class _Batch(NamedTuple):
    """Changes whose units were waited for."""

    versions: Collection[Version]
    spending: UnitSpending


class BatchWriter(TableWriter[_Batch]):
    """Writes up to 25 items per request; no key is in one request twice, nor in two requests at a time."""

    def __init__(
        self,
        wire: Wire,
        table: str,
        schema: KeySchema,
        threads: int = BATCHES_IN_FLIGHT,
        limiter: WriteLimiter = UNLIMITED,
    ) -> None:
        requests = BatchRequests(wire, table, schema, limiter)
        super().__init__(lambda batch: BatchWrite(requests, batch.versions, batch.spending).run(), threads)
        self._limiter = limiter
        self._most = limiter.bounded(BATCH_ITEMS) or BATCH_ITEMS
        self._batch: dict[Hashable, Version] = {}
        self._batch_bytes = 0
        self._batch_rows = 0

    def put(self, item: Item, origin: Origin) -> None:
        """Accept one row's item; waits while too many requests are in flight. Raises their errors."""
        self._accept(item.key, PUT % item.body, origin)

    def delete(self, key: Item, origin: Origin) -> None:
        """Accept one row's key, whose item is to go; `body` has the key attributes alone. Likewise."""
        self._accept(key.key, DELETE_REQUEST % key.body, origin)

    def _accept(self, key: Hashable, change: bytes, origin: Origin) -> None:
        if self._is_full(key, len(change)):
            self._send_rest()
        self._batch[key] = Version(change, origin, self._batch.get(key))
        self._batch_bytes += len(change)
        self._batch_rows += 1
        self._accepted += 1

    def _is_full(self, key: Hashable, change_bytes: int) -> bool:
        return (
            (len(self._batch) >= self._most and key not in self._batch)
            or (self._batch_bytes + change_bytes > BATCH_BYTES and self._batch_rows > 0)
            or self._batch_rows == BATCH_ROWS
        )

    def _send_rest(self) -> None:
        if self._batch:
            spending = self._limiter.admit(len(self._batch))
            self._in_flight.submit(_Batch(self._batch.values(), spending), keys=self._batch)
            self._batch, self._batch_bytes, self._batch_rows = {}, 0, 0
            self._most = self._limiter.bounded(BATCH_ITEMS) or BATCH_ITEMS


class DeleteWriter(BatchWriter):
    """Deletes the items that it is given; they have their key attributes alone."""

    def put(self, item: Item, origin: Origin) -> None:
        """Accept one row's key, as `delete` does."""
        self.delete(item, origin)


class BatchRequests:
    """BatchWriteItem on one table."""

    def __init__(self, wire: Wire, table: str, schema: KeySchema, limiter: WriteLimiter = UNLIMITED) -> None:
        self.retries = wire.retries
        self.limiter = limiter
        self._wire = wire
        self._schema = schema
        self._start = b'{"RequestItems":{%s:[' % json.dumps(table).encode()
        self._end = b']},"ReturnConsumedCapacity":"TOTAL"}'

    def body(self, changes: Iterable[bytes]) -> bytes:
        """The request of these changes."""
        return self._start + b",".join(changes) + self._end

    def send(self, versions: Iterable[Version], attempts: Attempts) -> dict[str, Any]:
        """One request, and its answer."""
        return self._wire.call("BatchWriteItem", self.body([each.change for each in versions]), attempts)

    def unprocessed(self, versions: list[Version], answer: dict[str, Any]) -> list[Version]:
        """Which versions the answer gives back. Raises UnexpectedResponseError for one that was not sent."""
        returned = answer.get("UnprocessedItems")
        if not returned:
            return []
        sent = {self._identity(json.loads(each.change)): each for each in versions}
        try:
            identities = {self._identity(change) for changes in returned.values() for change in changes}
            return [sent[each] for each in identities]
        except (KeyError, TypeError, ValueError) as exc:
            raise UnexpectedResponseError("BatchWriteItem returned an item that was not sent") from exc

    def _identity(self, change: Mapping[str, Any]) -> tuple[str, Hashable]:
        """What a change does to which key."""
        ((kind, request),) = change.items()
        return kind, key_of(request["Item" if kind == "PutRequest" else "Key"], self._schema)


class BatchWrite:
    """One batch of a table: sent again, and split, until all its items are settled.

    `spending`: what was waited for to send all of it the first time.
    """

    def __init__(
        self, requests: BatchRequests, versions: Collection[Version] = (), spending: UnitSpending | None = None
    ) -> None:
        self._spending = spending
        self._attempts = Attempts()
        self._requests = requests
        self._parts = [list(versions)] if versions else []
        self._backoff = Backoff(requests.retries)
        self._outcome = WriteOutcome()

    def run(self) -> WriteOutcome:
        """Write all items. Raises ThrottledError when rounds without progress use up the retries."""
        while self._parts:
            part = self._parts.pop()
            spending = self._spending or self._requests.limiter.admit(len(part))
            self._spending = None
            try:
                answer = self._requests.send(part, self._attempts)
            except WireError as error:
                spending.ended(0)
                self.refused(part, error)
            else:
                spending.ended(write_units(answer))
                self.answered(part, answer)
        self._outcome.requests += self._attempts.sent
        self._outcome.throttled += self._attempts.throttled
        return self._outcome

    def answered(self, part: list[Version], answer: dict[str, Any]) -> None:
        """Count what the table took; what it gave back is sent again."""
        self._outcome.write_units += write_units(answer)
        left = self._requests.unprocessed(part, answer)
        self._count(part, left)
        if not left:
            return
        self._outcome.throttled += 1
        self._parts.append(left)
        if len(left) < len(part):
            self._backoff.made_progress()
        elif self._backoff.is_used_up():
            raise ThrottledError(f"BatchWriteItem returned all of {len(left)} items until the retries were used up")
        self._backoff.pause()

    def _count(self, part: list[Version], left: list[Version]) -> None:
        self._outcome.written += len(part) - len(left)
        left_ids = {id(each) for each in left}
        for each in part:
            if each.earlier is not None and id(each) not in left_ids:
                self._outcome.superseded += _rows(each.earlier)

    def refused(self, part: list[Version], error: WireError) -> None:
        """Halve the part down to the refused item; what that one superseded is written instead."""
        if error.name not in ITEM_REFUSALS:
            raise error
        if len(part) > 1:
            middle = len(part) // 2
            self._parts += [part[middle:], part[:middle]]
            return
        self._outcome.rejected.append(RejectedWrite.refused(part[0].origin, error))
        if part[0].earlier is not None:
            self._parts.append([part[0].earlier])


def write_units(answer: Mapping[str, Any]) -> float:
    """What BatchWriteItem's answer says that it took."""
    return float(sum(each["CapacityUnits"] for each in answer.get("ConsumedCapacity") or ()))


def _rows(version: Version | None) -> int:
    rows = 0
    while version is not None:
        rows, version = rows + 1, version.earlier
    return rows


class ChangeBatches:
    """Requests of many changes, as batch_writer's PUT and DELETE make them. For any number of threads."""

    operation = "BatchWriteItem"
    changes_per_request = BATCH_ITEMS

    def __init__(self, requests: BatchRequests) -> None:
        self._requests = requests

    def body(self, changes: Sequence[bytes]) -> bytes:
        """The request of up to `changes_per_request` changes."""
        return self._requests.body(changes)

    def units(self, answer: Mapping[str, Any]) -> float | None:
        """The write units of a request that was carried out; None when something of it is left."""
        return None if answer.get("UnprocessedItems") else write_units(answer)

    def settle(self, changes: Sequence[bytes], origins: Sequence[Origin], answer: Answer) -> WriteOutcome:
        """Go on after the answer until all changes are settled.

        DynamoDB refuses a request that has a key twice: it is halved, and written in order.
        Raises ThrottledError, ServiceUnavailableError, TableNotFoundError, AccessDeniedError, UnexpectedResponseError.
        """
        versions = [Version(change, origin) for change, origin in zip(changes, origins, strict=True)]
        if answer is None:
            return BatchWrite(self._requests, versions).run()
        write = BatchWrite(self._requests)
        if isinstance(answer, WireError):
            write.refused(versions, answer)
        else:
            write.answered(versions, answer)
        return write.run()

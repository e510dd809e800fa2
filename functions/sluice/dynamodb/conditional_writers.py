"""PutItem with a condition: keep what exists, or keep what is newer."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from sluice.aws.pipeline import Answer
from sluice.aws.wire import Attempts, Wire
from sluice.dynamodb.items import Attributes, Item, equal, failed_write_units
from sluice.dynamodb.keys import KeySchema
from sluice.dynamodb.table_writer import ITEM_REFUSALS, Origin, RejectedWrite, TableWriter, WriteOutcome
from sluice.dynamodb.units import UNLIMITED, UnitSpending, WriteLimiter
from sluice.errors import WireError
from sluice.rejects import Reason

# At 5 to 10 ms a request this is as much as one vCPU can prepare.
CONDITIONAL_WRITES_IN_FLIGHT = 32


# So many rows at the most wait for a look whether there is another attempt.
UNDECIDED_MAX = 5_000


class _Put(NamedTuple):
    body: bytes
    origin: Origin
    spending: UnitSpending


class ConditionalWriter(TableWriter[_Put]):
    """Writes the items whose key the table does not hold; the others are skipped, or rejected.

    `may_be_repeated` says whether another attempt at these rows may have written some of them, up to the moment in
    which it is called. An item that is in the table just as it is then counts as written.
    """

    def __init__(
        self,
        wire: Wire,
        table: str,
        schema: KeySchema,
        *,
        rejects_existing: bool,
        may_be_repeated: Callable[[], bool],
        threads: int = CONDITIONAL_WRITES_IN_FLIGHT,
        limiter: WriteLimiter = UNLIMITED,
    ) -> None:
        super().__init__(self._write, threads)
        self._wire = wire
        self._rejects_existing = rejects_existing
        self._may_be_repeated = may_be_repeated
        self._limiter = limiter
        request = {
            "TableName": table,
            "ConditionExpression": "attribute_not_exists(#key)",
            "ExpressionAttributeNames": {"#key": schema.partition.name},
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            "ReturnConsumedCapacity": "TOTAL",
        }
        self._start = json.dumps(request).encode().removesuffix(b"}") + b',"Item":'

    def put(self, item: Item, origin: Origin) -> None:
        """Accept one row's item; waits while too many requests are in flight. Raises their errors."""
        self._in_flight.submit(_Put(item.body, origin, self._limiter.admit(1)), keys=(item.key,))
        self._accepted += 1
        if len(self.outcome.undecided) >= UNDECIDED_MAX:
            self._decide()

    def flush(self) -> None:
        """As every writer's; no row is undecided afterwards."""
        self._in_flight.drain()
        self._decide()
        super().flush()

    def _send_rest(self) -> None:
        pass

    def _decide(self) -> None:
        undecided, self.outcome.undecided = self.outcome.undecided, []
        if undecided and self._may_be_repeated():
            self.outcome.written += len(undecided)
        else:
            for origin in undecided:
                self._leave_existing(origin, self.outcome)

    def _write(self, put: _Put) -> WriteOutcome:
        outcome, attempts = WriteOutcome(), Attempts()
        try:
            answer = self._wire.call("PutItem", self._start + put.body + b"}", attempts)
        except WireError as error:
            self._refused(put, error, attempts, outcome)
        else:
            outcome.written = 1
            outcome.write_units = answer.get("ConsumedCapacity", {}).get("CapacityUnits", 0.0)
        put.spending.ended(outcome.write_units)
        outcome.requests = attempts.sent
        outcome.throttled = attempts.throttled
        return outcome

    def _refused(self, put: _Put, error: WireError, attempts: Attempts, outcome: WriteOutcome) -> None:
        if error.name == "ConditionalCheckFailedException":
            self._exists(put, error, attempts, outcome)
        elif error.name in ITEM_REFUSALS:
            outcome.rejected.append(RejectedWrite.refused(put.origin, error))
        else:
            raise error

    def _exists(self, put: _Put, error: WireError, attempts: Attempts, outcome: WriteOutcome) -> None:
        ours: Attributes = json.loads(put.body)
        theirs: dict[str, Any] | None = error.details.get("Item")
        # The answer does not tell what the refused write cost: the larger of both items.
        outcome.write_units = failed_write_units(ours, theirs or {})
        if theirs is None or not equal(ours, theirs):
            self._leave_existing(put.origin, outcome)
        elif attempts.may_have_run:
            outcome.written = 1
        else:
            outcome.undecided.append(put.origin)

    def _leave_existing(self, origin: Origin, outcome: WriteOutcome) -> None:
        if self._rejects_existing:
            outcome.rejected.append(RejectedWrite(origin, Reason.ITEM_EXISTS, "the table holds an item with this key"))
        else:
            outcome.skipped.append(origin)


class TimedPut(NamedTuple):
    """An item in DynamoDB JSON, and the value of the number attribute that tells how new it is."""

    item: bytes
    time: int


class NewerPuts:
    """Requests of one put each, for any number of threads. Items of a key may come in any order: the newest stays."""

    operation = "PutItem"
    changes_per_request = 1

    def __init__(self, wire: Wire, table: str, time_attribute: str) -> None:
        self._wire = wire
        request = {
            "TableName": table,
            "ConditionExpression": "attribute_not_exists(#time) OR #time <= :time",
            "ExpressionAttributeNames": {"#time": time_attribute},
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            "ReturnConsumedCapacity": "TOTAL",
        }
        start = json.dumps(request).encode().removesuffix(b"}")
        self._body = start + b',"ExpressionAttributeValues":{":time":{"N":"%d"}},"Item":%b}'

    def body(self, changes: Sequence[TimedPut]) -> bytes:
        """The request of the one put."""
        (put,) = changes
        return self._body % (put.time, put.item)

    def units(self, answer: Mapping[str, Any]) -> float | None:
        """The write units of a put that was carried out."""
        return float(answer.get("ConsumedCapacity", {}).get("CapacityUnits", 0.0))

    def settle(self, changes: Sequence[TimedPut], origins: Sequence[Origin], answer: Answer) -> WriteOutcome:
        """Go on after the answer until the put is carried out, skipped or rejected.

        Raises ThrottledError, ServiceUnavailableError, TableNotFoundError, AccessDeniedError, UnexpectedResponseError.
        """
        outcome, attempts = WriteOutcome(), Attempts()
        (put,), (origin,) = changes, origins
        if answer is None:
            try:
                answer = self._wire.call(self.operation, self.body(changes), attempts)
            except WireError as error:
                answer = error
        if isinstance(answer, WireError):
            self._refused(put, origin, answer, outcome)
        else:
            outcome.written = 1
            outcome.write_units = self.units(answer) or 0.0
        outcome.requests = attempts.sent
        outcome.throttled = attempts.throttled
        return outcome

    def _refused(self, put: TimedPut, origin: Origin, error: WireError, outcome: WriteOutcome) -> None:
        if error.name == "ConditionalCheckFailedException":
            outcome.skipped.append(origin)
            # The answer does not tell what the refused write cost: the larger of both items.
            outcome.write_units = failed_write_units(json.loads(put.item), error.details.get("Item") or {})
        elif error.name in ITEM_REFUSALS:
            outcome.rejected.append(RejectedWrite.refused(origin, error))
        else:
            raise error

"""UpdateItem: attributes that are set in an item, the others of which stay as they are."""

from __future__ import annotations

import json
from collections.abc import Hashable
from typing import Any, NamedTuple

from sluice.aws.pipeline import Answer, RequestPipeline
from sluice.aws.wire import Attempts, Wire
from sluice.dynamodb.items import Attributes, Item, failed_write_units
from sluice.dynamodb.keys import KeySchema
from sluice.dynamodb.table_writer import ITEM_REFUSALS, Origin, RejectedWrite, TableWriter, WriteOutcome
from sluice.dynamodb.units import UNLIMITED, UnitSpending, WriteLimiter
from sluice.errors import RejectError, WireError
from sluice.rejects import Reason

# At 5 to 10 ms a request this is as much as one vCPU can prepare.
REQUESTS_IN_FLIGHT = 32
# For requests that DynamoDB throttles, refuses or loses: they wait, and are sent again.
TROUBLED_THREADS = 16
# Keys of requests that had to be sent again are remembered until no request is in flight.
BUSY_MAX = 1_000
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html#limits-expression-parameters
EXPRESSION_MAX_BYTES = 4096
# Items whose attributes' names are data have any number of shapes.
SHAPES_MAX = 1_000


class UpdateRequests:
    """Bodies of UpdateItem on one table. `must_exist`: items that the table does not hold are not created."""

    def __init__(self, table: str, schema: KeySchema, *, must_exist: bool) -> None:
        self._table = table
        self._key_names = [key.name for key in schema.attributes]
        self._must_exist = must_exist
        self._heads: dict[tuple[str, ...], bytes] = {}

    def body(self, item: Item) -> bytes:
        """The request that sets the item's attributes but those of its key. Raises RejectError for too many."""
        attributes: dict[str, Any] = json.loads(item.body)
        key = {name: attributes.pop(name) for name in self._key_names}
        head = self._heads.get(names := tuple(attributes)) or self._new_head(names)
        if not attributes:
            return b'%b,"Key":%b}' % (head, _compact(key))
        values = _compact({f":{number}": value for number, value in enumerate(attributes.values())})
        return b'%b,"Key":%b,"ExpressionAttributeValues":%b}' % (head, _compact(key), values)

    def _new_head(self, names: tuple[str, ...]) -> bytes:
        request: dict[str, Any] = {"TableName": self._table, "ReturnConsumedCapacity": "TOTAL"}
        aliases = {f"#{number}": name for number, name in enumerate(names)}
        if names:
            request["UpdateExpression"] = "SET " + ",".join(f"#{number}=:{number}" for number in range(len(names)))
            _check_length(request["UpdateExpression"], len(names))
        if self._must_exist:
            request["ConditionExpression"] = "attribute_exists(#key)"
            aliases["#key"] = self._key_names[0]
        if aliases:
            request["ExpressionAttributeNames"] = aliases
        if len(self._heads) >= SHAPES_MAX:
            self._heads.clear()
        head = self._heads[names] = _compact(request).removesuffix(b"}")
        return head


def _compact(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _check_length(expression: str, attributes: int) -> None:
    if len(expression) > EXPRESSION_MAX_BYTES:
        raise RejectError(
            Reason.ITEM_TOO_WIDE,
            f"setting {attributes} attributes takes an expression of {len(expression):,} bytes, "
            f"and DynamoDB takes {EXPRESSION_MAX_BYTES:,}",
        )


class _Update(NamedTuple):
    key: Hashable
    body: bytes
    origin: Origin
    spending: UnitSpending


class UpdateWriter(TableWriter[tuple[_Update, Answer]]):
    """Updates items, those of one key in order. Requests go out from the caller's thread; troubled ones from others."""

    def __init__(
        self,
        wire: Wire,
        table: str,
        schema: KeySchema,
        *,
        must_exist: bool = False,
        limiter: WriteLimiter = UNLIMITED,
        in_flight: int = REQUESTS_IN_FLIGHT,
    ) -> None:
        super().__init__(lambda troubled: self._settle(*troubled), TROUBLED_THREADS)
        self._wire = wire
        self._requests = UpdateRequests(table, schema, must_exist=must_exist)
        self._limiter = limiter
        self._pipeline: RequestPipeline[_Update] = RequestPipeline(wire, "UpdateItem", self._answered, in_flight)
        self._busy: set[Hashable] = set()

    def put(self, item: Item, origin: Origin) -> None:
        """Accept one row's attributes; waits while too many requests are in flight. Raises their errors."""
        self._accepted += 1
        try:
            body = self._requests.body(item)
        except RejectError as error:
            self.outcome.rejected.append(RejectedWrite(origin, Reason(error.reason), str(error)))
            return
        if item.key in self._busy or len(self._busy) >= BUSY_MAX:
            self._drain()
        self._busy.add(item.key)
        self._pipeline.send(body, _Update(item.key, body, origin, self._limiter.admit(1)))

    def close(self) -> None:
        """End the threads; what has not been flushed may be lost."""
        self._pipeline.close()
        super().close()

    def _send_rest(self) -> None:
        self._drain()

    def _drain(self) -> None:
        self._pipeline.drain()
        self._in_flight.drain()
        self._busy.clear()

    def _answered(self, update: _Update, answer: Answer) -> None:
        if isinstance(answer, dict):
            self._busy.discard(update.key)
            self.outcome.add(_done(update, answer))
            self.outcome.requests += 1
        else:
            self._in_flight.submit((update, answer), keys=(update.key,))

    def _settle(self, update: _Update, answer: Answer) -> WriteOutcome:
        """Send the update until it is carried out, or refused. `answer`: what it was refused with, None otherwise."""
        attempts, refusal = Attempts(sent=1), answer if isinstance(answer, WireError) else None
        outcome = WriteOutcome()
        if refusal is None:
            try:
                outcome = _done(update, self._wire.call("UpdateItem", update.body, attempts))
            except WireError as error:
                refusal = error
        if refusal is not None:
            self._refused(update, refusal, outcome)
        outcome.requests, outcome.throttled = attempts.sent, attempts.throttled
        return outcome

    def _refused(self, update: _Update, error: WireError, outcome: WriteOutcome) -> None:
        if error.name == "ConditionalCheckFailedException":
            problem = "the table holds no item with this key"
            outcome.rejected.append(RejectedWrite(update.origin, Reason.ITEM_MISSING, problem))
            outcome.write_units = float(failed_write_units(_key_of(update)))
        elif error.name in ITEM_REFUSALS:
            outcome.rejected.append(RejectedWrite.refused(update.origin, error))
        else:
            raise error
        update.spending.ended(outcome.write_units)


def _key_of(update: _Update) -> Attributes:
    key: Attributes = json.loads(update.body)["Key"]
    return key


def _done(update: _Update, answer: dict[str, Any]) -> WriteOutcome:
    units = float(answer.get("ConsumedCapacity", {}).get("CapacityUnits", 0.0))
    update.spending.ended(units)
    return WriteOutcome(written=1, write_units=units)

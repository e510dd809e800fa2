"""Puts that leave existing items alone: PutItem with a condition; the first of two rows with a key wins."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from sluice.encoding.item import Item
from sluice.errors import WireError
from sluice.keys import KeySchema
from sluice.rejects import Reason
from sluice.writing.stored_items import Attributes, equal, failed_write_units
from sluice.writing.table_writer import ITEM_REFUSALS, Origin, RejectedWrite, TableWriter, WriteOutcome
from sluice.writing.wire import Attempts, Wire

# At 5 to 10 ms a request this is as much as one vCPU can prepare.
REQUESTS_IN_FLIGHT = 32


class _Put(NamedTuple):
    body: bytes
    origin: Origin


class ConditionalWriter(TableWriter[_Put]):
    """Writes the items whose key the table does not hold; the others are skipped, or rejected."""

    def __init__(
        self,
        wire: Wire,
        table: str,
        schema: KeySchema,
        *,
        rejects_existing: bool,
        is_repeat: bool,
        threads: int = REQUESTS_IN_FLIGHT,
    ) -> None:
        super().__init__(self._write, threads)
        self._wire = wire
        self._rejects_existing = rejects_existing
        self._is_repeat = is_repeat
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
        self._in_flight.submit(_Put(item.body, origin), keys=(item.key,))
        self._accepted += 1

    def _send_rest(self) -> None:
        pass

    def _write(self, put: _Put) -> WriteOutcome:
        outcome, attempts = WriteOutcome(), Attempts()
        try:
            answer = self._wire.call("PutItem", self._start + put.body + b"}", attempts)
        except WireError as error:
            self._refused(put, error, attempts, outcome)
        else:
            outcome.written = 1
            outcome.write_units = answer.get("ConsumedCapacity", {}).get("CapacityUnits", 0.0)
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
        may_be_ours = self._is_repeat or attempts.may_have_run
        if may_be_ours and theirs is not None and equal(ours, theirs):
            outcome.written = 1
        elif self._rejects_existing:
            outcome.rejected.append(
                RejectedWrite(put.origin, Reason.ITEM_EXISTS, "the table holds an item with this key")
            )
        else:
            outcome.skipped.append(put.origin)

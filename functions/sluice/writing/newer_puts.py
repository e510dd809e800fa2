"""Puts that leave what was written later alone: PutItem on the condition that the item there is not newer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sluice.errors import WireError
from sluice.writing.outstanding import Answer
from sluice.writing.stored_items import failed_write_units
from sluice.writing.table_writer import ITEM_REFUSALS, Origin, RejectedWrite, WriteOutcome
from sluice.writing.wire import Attempts, Wire


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

"""Puts that leave what was written later alone: PutItem on the condition that the item there is not newer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

from sluice.errors import WireError
from sluice.writing.stored_items import failed_write_units
from sluice.writing.table_writer import ITEM_REFUSALS, Origin, RejectedWrite, WriteOutcome
from sluice.writing.wire import Attempts, Wire


class TimedPut(NamedTuple):
    """An item in DynamoDB JSON, and the value of the number attribute that tells how new it is."""

    item: bytes
    time: int


class NewerPuts:
    """Writes from any number of threads. Items of a key may come in any order, and again: the newest stays."""

    def __init__(self, wire: Wire, table: str, time_attribute: str) -> None:
        self._wire = wire
        request = {
            "TableName": table,
            "ConditionExpression": "attribute_not_exists(#time) OR #time <= :time",
            "ExpressionAttributeNames": {"#time": time_attribute},
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            "ReturnConsumedCapacity": "TOTAL",
        }
        start = json.dumps(request).encode().removesuffix(b"}").replace(b"%", b"%%")
        self._body = start + b',"ExpressionAttributeValues":{":time":{"N":"%d"}},"Item":%b}'

    def write(self, puts: Sequence[TimedPut], origins: Sequence[Origin]) -> WriteOutcome:
        """Put the items, each with its origin, one after the other; those that are not newer are skipped.

        Raises ThrottledError, ServiceUnavailableError, TableNotFoundError, AccessDeniedError, UnexpectedResponseError.
        """
        outcome, attempts = WriteOutcome(), Attempts()
        for put, origin in zip(puts, origins, strict=True):
            self._put(put, origin, attempts, outcome)
        outcome.requests = attempts.sent
        outcome.throttled = attempts.throttled
        return outcome

    def _put(self, put: TimedPut, origin: Origin, attempts: Attempts, outcome: WriteOutcome) -> None:
        try:
            answer = self._wire.call("PutItem", self._body % (put.time, put.item), attempts)
        except WireError as error:
            self._refused(put, origin, error, outcome)
        else:
            outcome.written += 1
            outcome.write_units += answer.get("ConsumedCapacity", {}).get("CapacityUnits", 0.0)

    def _refused(self, put: TimedPut, origin: Origin, error: WireError, outcome: WriteOutcome) -> None:
        if error.name == "ConditionalCheckFailedException":
            outcome.skipped.append(origin)
            # The answer does not tell what the refused write cost: the larger of both items.
            outcome.write_units += failed_write_units(json.loads(put.item), error.details.get("Item") or {})
        elif error.name in ITEM_REFUSALS:
            outcome.rejected.append(RejectedWrite.refused(origin, error))
        else:
            raise error

"""What became of the items of batches, from the records of a Map Run whose children answer per item.

A child's input has the batch's items as "Items". Its output is {"written", "skipped", "undone": [{"index", "outcome",
"error", "message"}]}; the outcome of an item that was not done is "rejected" or "failed". A child that has seen the
run's stop flag before it began answers {"stopped": true}.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sluice.aws.clients import with_advice
from sluice.runs.outcomes import PENDING, SUCCEEDED, message_of
from sluice.runs.reasons import Reasons

REJECTED = "rejected"
NOT_STARTED = "NotStarted"


@dataclass(frozen=True, slots=True)
class UndoneItem:
    """An item of a batch, such as a row or an object, that was rejected or has failed, and why."""

    is_reject: bool
    error: str
    message: str
    item: Any

    def to_line(self) -> bytes:
        """The item as one line of the rejects or of the failures."""
        line = {"error": self.error, "message": with_advice(self.message), "record": self.item}
        return json.dumps(line, ensure_ascii=False).encode() + b"\n"


@dataclass(slots=True)
class ItemsDone:
    """The items so far, from the records of the Map Run. Rejected and failed items go to files as they are found."""

    written: int = 0
    skipped: int = 0
    rejected: int = 0
    failed: int = 0
    batches: int = 0
    failed_batches: int = 0
    stopped_batches: int = 0
    reasons: Reasons = field(default_factory=Reasons)
    errors: Reasons = field(default_factory=Reasons)

    @property
    def done(self) -> int:
        """Items that are accounted for."""
        return self.written + self.skipped + self.rejected + self.failed

    def add(self, record: Mapping[str, Any]) -> Iterator[UndoneItem]:
        """One batch's record; yields its items that were not done."""
        self.batches += 1
        if record["Status"] == SUCCEEDED:
            yield from self._add_output(json.loads(record["Output"]), record["Input"])
            return
        self.failed_batches += 1
        error = record.get("Error") or (NOT_STARTED if record["Status"] == PENDING else record["Status"])
        message = message_of(record.get("Cause")) or "the batch was not worked through"
        for item in json.loads(record["Input"])["Items"]:
            yield self._undone(UndoneItem(is_reject=False, error=error, message=message, item=item))

    def _add_output(self, output: Mapping[str, Any], batch: str) -> Iterator[UndoneItem]:
        if output.get("stopped"):
            self.stopped_batches += 1
            return
        self.written += output["written"]
        self.skipped += output["skipped"]
        items = json.loads(batch)["Items"] if output["undone"] else []
        for each in output["undone"]:
            is_reject = each["outcome"] == REJECTED
            yield self._undone(UndoneItem(is_reject, each["error"], each["message"], items[each["index"]]))
        self.failed_batches += any(each["outcome"] != REJECTED for each in output["undone"])

    def _undone(self, undone: UndoneItem) -> UndoneItem:
        self.rejected += undone.is_reject
        self.failed += not undone.is_reject
        (self.reasons if undone.is_reject else self.errors).add(undone.error, with_advice(undone.message))
        return undone

"""A Map Run: its counts while it runs, its tolerance, and the children that can be described."""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from ministack.core.responses import new_uuid, now_iso
from ministack.services import stepfunctions as service

from local_aws.stepfunctions.scope import Record

KEPT_CHILDREN = 1_000
KEPT_BYTES = 16 * 1024 * 1024
COUNTS = (
    "pending",
    "running",
    "succeeded",
    "failed",
    "timedOut",
    "aborted",
    "total",
    "resultsWritten",
    "failuresNotRedrivable",
    "pendingRedrive",
)
OUTCOMES = {"SUCCEEDED": "succeeded", "FAILED": "failed", "TIMED_OUT": "timedOut", "ABORTED": "aborted"}


@dataclass(frozen=True)
class Identity:
    """The ARNs of a Map Run and its children, which follow from the parent's."""

    partition: str
    name: str
    run_id: str

    @classmethod
    def of(cls, parent_arn: str, label: str | None) -> "Identity":
        """A new Map Run of this execution; without a label a generated one replaces it."""
        parts = parent_arn.split(":")
        return cls(":".join(parts[:5]), f"{parts[6]}/{label or new_uuid()}", new_uuid())

    @property
    def map_run_arn(self) -> str:
        return f"{self.partition}:mapRun:{self.name}:{self.run_id}"

    @property
    def state_machine_arn(self) -> str:
        return f"{self.partition}:stateMachine:{self.name}"

    def child_arn(self, name: str, *, is_express: bool) -> str:
        """A STANDARD child's ARN ends in its name, an EXPRESS child's in an id of its own."""
        if is_express:
            return f"{self.partition}:express:{self.name}:{name}:{new_uuid()}"
        return f"{self.partition}:execution:{self.name}:{name}"


@dataclass(frozen=True)
class Tolerance:
    """How many items may fail."""

    count: int = 0
    percentage: float = 0.0

    def is_exceeded(self, failed: int, total: int) -> bool:
        """Whether so many failed items end the run: a limit of 0 is one that was not given."""
        if failed == 0:
            return False
        if not self.count and not self.percentage:
            return True
        over_count = bool(self.count) and failed > self.count
        return over_count or (bool(self.percentage) and failed * 100 > self.percentage * total)


class MapRun:
    """The bookkeeping of one Map Run. Safe to use from all of its children's threads."""

    def __init__(self, identity: Identity, parent_arn: str, total: int, concurrency: int, tolerance: Tolerance) -> None:
        self.identity = identity
        self.total = total
        self._lock = threading.Lock()
        self._kept = FinishedChildren()
        self.record: Record = {
            "mapRunArn": identity.map_run_arn,
            "executionArn": parent_arn,
            "status": "RUNNING",
            "startDate": now_iso(),
            "maxConcurrency": concurrency,
            "toleratedFailurePercentage": tolerance.percentage,
            "toleratedFailureCount": tolerance.count,
            "itemCounts": dict.fromkeys(COUNTS, 0) | {"total": total, "pending": total},
            "executionCounts": dict.fromkeys(COUNTS, 0),
            "redriveCount": 0,
            "_stateMachineArn": identity.state_machine_arn,
        }
        service._map_runs[identity.map_run_arn] = self.record

    @property
    def tolerance(self) -> Tolerance:
        """UpdateMapRun may change it while the run lasts."""
        return Tolerance(self.record["toleratedFailureCount"], self.record["toleratedFailurePercentage"])

    def is_exceeded(self) -> bool:
        """Whether more items failed than are tolerated."""
        counts = self.record["itemCounts"]
        return self.tolerance.is_exceeded(counts["failed"] + counts["timedOut"], self.total)

    def child_started(self, child: Record) -> None:
        """Count a child as running, and make it describable."""
        with self._lock:
            self._move(child["itemCount"], "pending", "running")
            self.record["executionCounts"]["total"] += 1
            self.record["executionCounts"]["running"] += 1
        service._executions[child["executionArn"]] = child

    def child_ended(self, child: Record) -> None:
        """Count a child's end, and forget the oldest ended ones beyond what is kept."""
        outcome = OUTCOMES[child["status"]]
        with self._lock:
            self._move(child["itemCount"], "running", outcome)
            self.record["executionCounts"]["running"] -= 1
            self.record["executionCounts"][outcome] += 1
            forgotten = self._kept.add(child)
        for arn in forgotten:
            service._executions.pop(arn, None)

    def never_started(self, item_count: int) -> None:
        """Count a child that the run's end came before."""
        with self._lock:
            self.record["executionCounts"]["total"] += 1
            self.record["executionCounts"]["pending"] += 1

    def results_written(self) -> None:
        """Every record of a child that ended, or never started, is a result written."""
        for counts in (self.record["itemCounts"], self.record["executionCounts"]):
            names = ("succeeded", "failed", "timedOut", "aborted", "pending")
            counts["resultsWritten"] = sum(counts[name] for name in names)

    def end(self, status: str) -> None:
        """Give the run its final status."""
        self.record["stopDate"] = now_iso()
        self.record["status"] = status

    def _move(self, item_count: int, source: str, target: str) -> None:
        self.record["itemCounts"][source] -= item_count
        self.record["itemCounts"][target] += item_count


class FinishedChildren:
    """The most recent ended children, few and small enough to keep; failed ones apart from the others."""

    def __init__(self) -> None:
        self._succeeded: OrderedDict[str, int] = OrderedDict()
        self._others: OrderedDict[str, int] = OrderedDict()
        self._bytes = {id(self._succeeded): 0, id(self._others): 0}

    def add(self, child: Record) -> list[str]:
        """Keep this child; the ARNs of those to forget for it."""
        kept = self._succeeded if child["status"] == "SUCCEEDED" else self._others
        size = _size(child)
        kept[child["executionArn"]] = size
        self._bytes[id(kept)] += size
        forgotten = []
        while len(kept) > KEPT_CHILDREN or (self._bytes[id(kept)] > KEPT_BYTES and len(kept) > 1):
            arn, size = kept.popitem(last=False)
            self._bytes[id(kept)] -= size
            forgotten.append(arn)
        return forgotten


def _size(child: Record) -> int:
    texts: list[Any] = [child["input"], child.get("output"), child.get("cause")]
    own = sum(len(text) for text in texts if text)
    return own * (1 + len(child["events"]) // 2) + 1_000

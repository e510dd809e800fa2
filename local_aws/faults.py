"""Faults for tests: an HTTP request tells a started local AWS what to let fail next.

    with running(fault_injection=True) as local_aws:
        faults.fail_requests(local_aws, "BatchWriteItem", times=3, error="ThrottlingException")
        faults.leave_unprocessed(local_aws, times=2, items=10)
        faults.kill_worker(local_aws, "transform-items", after_seconds=0.2)
        faults.throttle_function(local_aws, "transform-items", times=7)
        faults.let_map_run_counts_lag(local_aws, times=3)
        faults.fail_exports(local_aws, code="S3AccessDenied")
        faults.let_exports_take(local_aws, seconds=0)
        faults.fail_queries(local_aws, reason="Query exhausted resources at this scale factor")
        faults.let_queries_take(local_aws, seconds=60)
        ...
        faults.clear(local_aws)

The server answers these only when it was started with `fault_injection=True`, and only to its owner's credentials.
"""

import threading
from dataclasses import dataclass, field
from typing import Any

from local_aws.control_requests import control
from local_aws.lifecycle import LocalAws

PATH = "/_local_aws/faults"
EXPORT_SECONDS = 1.0


def fail_requests(local_aws: LocalAws, operation: str, *, times: int = 1, error: str = "ThrottlingException") -> None:
    """Let the next requests fail before they do anything: of DynamoDB's operations, Athena's queries, or CopyObject."""
    _send(local_aws, {"kind": "fail", "name": operation, "times": times, "error": error})


def leave_unprocessed(local_aws: LocalAws, *, times: int = 1, items: int = 25) -> None:
    """Let the next BatchWriteItem calls give back so many of their last items as UnprocessedItems."""
    _send(local_aws, {"kind": "unprocessed", "name": "BatchWriteItem", "times": times, "items": items})


def kill_worker(local_aws: LocalAws, function_name: str, *, times: int = 1, after_seconds: float = 0.0) -> None:
    """Kill the process of the next invocations of a Lambda function, so long after they began.

    With 0 seconds the answer is lost in any case; later, a worker that was faster has answered.
    """
    _send(local_aws, {"kind": "kill", "name": function_name, "times": times, "after": after_seconds})


def throttle_function(local_aws: LocalAws, function_name: str, *, times: int = 1) -> None:
    """Let the next invocations of a function by state machines find no free concurrency."""
    _send(local_aws, {"kind": "throttle", "name": function_name, "times": times})


def let_map_run_counts_lag(local_aws: LocalAws, *, times: int = 1, share: float = 0.0) -> None:
    """Let the next DescribeMapRun answers have the counts of when this share of the ended items had ended.

    With a share of 0 all counts are 0. The status is the present one.
    """
    _send(local_aws, {"kind": "map run counts", "name": "", "times": times, "share": share})


def let_map_run_lists_lag(local_aws: LocalAws, *, times: int = 1) -> None:
    """Let the next ListMapRuns answers be empty."""
    _send(local_aws, {"kind": "map run lists", "name": "", "times": times})


def fail_exports(
    local_aws: LocalAws,
    *,
    times: int = 1,
    table_name: str = "",
    code: str = "InternalServerError",
    message: str = "The export failed, as planned by a test",
) -> None:
    """Let the next exports that are started (of this table, or of any) end as FAILED, without data files."""
    _send(local_aws, {"kind": "export", "name": table_name, "times": times, "code": code, "message": message})


def let_exports_take(local_aws: LocalAws, seconds: float) -> None:
    """How long exports that are started from now on are IN_PROGRESS at least; 1 second when nothing is said."""
    _send(local_aws, {"kind": "exports take", "name": "", "times": 0, "seconds": seconds})


def fail_queries(
    local_aws: LocalAws,
    *,
    times: int = 1,
    state: str = "FAILED",
    reason: str = "The query failed, as planned by a test",
) -> None:
    """Let the next queries of Athena that are started end as FAILED, or as CANCELLED, for this reason."""
    _send(local_aws, {"kind": "query", "name": "", "times": times, "state": state, "reason": reason})


def let_queries_take(local_aws: LocalAws, seconds: float) -> None:
    """How long queries of Athena that are started from now on are RUNNING at least; no time when nothing is said."""
    _send(local_aws, {"kind": "queries take", "name": "", "times": 0, "seconds": seconds})


def clear(local_aws: LocalAws) -> None:
    """Forget all faults, and how long exports and queries take."""
    _send(local_aws, {"kind": "clear", "name": "", "times": 0})


def _send(local_aws: LocalAws, fault: dict[str, Any]) -> None:
    control(local_aws, PATH, fault)


@dataclass
class PlannedFaults:
    """The server's side: what is still to fail."""

    _planned: dict[tuple[str, str], list[dict[str, Any]]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    export_seconds: float = EXPORT_SECONDS
    query_seconds: float = 0.0

    def plan(self, fault: dict[str, Any]) -> dict[str, Any]:
        """Take a fault on; the answer is empty."""
        with self._lock:
            if fault["kind"] == "clear":
                self._planned.clear()
                self.export_seconds = EXPORT_SECONDS
                self.query_seconds = 0.0
            elif fault["kind"] == "queries take":
                self.query_seconds = fault["seconds"]
            elif fault["kind"] == "exports take":
                self.export_seconds = fault["seconds"]
            else:
                queue = self._planned.setdefault((fault["kind"], fault["name"]), [])
                queue.extend([fault] * fault["times"])
        return {}

    def take(self, kind: str, name: str) -> dict[str, Any] | None:
        """The next fault of this kind, which is used up by it."""
        if not self._planned:
            return None
        with self._lock:
            queue = self._planned.get((kind, name))
            return queue.pop(0) if queue else None


planned = PlannedFaults()


def kill_after_seconds(function_name: str) -> float | None:
    """When to kill the worker of an invocation that begins now, if at all."""
    fault = planned.take("kill", function_name)
    return None if fault is None else float(fault["after"])

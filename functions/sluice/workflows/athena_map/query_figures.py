"""What Athena says of a query that has ended: its figures, its price, and why it failed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sluice.aws.clients import with_advice
from sluice.errors import QueryCancelledError, QueryFailedError, QueryRefusedError

# USD in us-east-1, as of September 2026; a query is charged for 10 MB at the least, a failed one for nothing.
# https://aws.amazon.com/athena/pricing/
TERABYTE_USD = 5.0
CHARGED_BYTES_MIN = 10 * 10**6
USD_DIGITS = 6

QUERY_SUCCEEDED, QUERY_FAILED, QUERY_CANCELLED = "SUCCEEDED", "FAILED", "CANCELLED"
TASK_FAILED, REFUSED = "States.TaskFailed", "Athena.InvalidRequestException"


@dataclass(frozen=True, slots=True)
class QueryFigures:
    """A query by Athena's id. `bytes_scanned` and `seconds` are Athena's own."""

    id: str
    state: str
    bytes_scanned: int
    seconds: float

    @classmethod
    def from_execution(cls, execution: Mapping[str, Any]) -> QueryFigures:
        """Read a QueryExecution of Athena's, in which figures may be missing."""
        statistics = execution.get("Statistics") or {}
        return cls(
            execution["QueryExecutionId"],
            execution["Status"]["State"],
            statistics.get("DataScannedInBytes") or 0,
            (statistics.get("TotalExecutionTimeInMillis") or 0) / 1000,
        )

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> QueryFigures:
        """Read what RunQuery keeps of its result."""
        return cls(state["id"], QUERY_SUCCEEDED, state["bytesScanned"], state["milliseconds"] / 1000)

    @property
    def usd(self) -> float:
        """What the query costs."""
        charged = 0 if self.state == QUERY_FAILED else max(self.bytes_scanned, CHARGED_BYTES_MIN)
        return round(charged * TERABYTE_USD / 10**12, USD_DIGITS)

    def to_state(self) -> dict[str, Any]:
        """As summaries have it."""
        return {
            "id": self.id,
            "state": self.state,
            "bytesScanned": self.bytes_scanned,
            "seconds": self.seconds,
            "usd": self.usd,
        }


@dataclass(frozen=True, slots=True)
class QueryEnd:
    """How a query failed: the error to show, and its figures where Athena took it on."""

    name: str
    message: str
    figures: QueryFigures | None


def query_end(name: str, cause: str) -> QueryEnd:
    """What RunQuery's error means: Athena's reason instead of Step Functions' message."""
    if name == REFUSED:
        return QueryEnd(QueryRefusedError.__name__, cause.partition(" (Service: ")[0], None)
    if "AccessDeniedException" in cause:
        return QueryEnd("AccessDeniedError", with_advice(cause.partition(" (Service: ")[0]), None)
    execution = _execution(cause) if name == TASK_FAILED else None
    if execution is None:
        return QueryEnd(name, cause, None)
    figures = QueryFigures.from_execution(execution)
    error = QueryCancelledError if figures.state == QUERY_CANCELLED else QueryFailedError
    reason = execution["Status"].get("StateChangeReason") or f"Athena ended the query as {figures.state}"
    return QueryEnd(error.__name__, with_advice(f"{reason} (query {figures.id})"), figures)


def _execution(cause: str) -> Mapping[str, Any] | None:
    """The query in the cause of a task that failed; None where there is none, or a part of one."""
    try:
        execution: Mapping[str, Any] = json.loads(cause)["QueryExecution"]
    except (ValueError, KeyError, TypeError):
        return None
    return execution if "Status" in execution and "QueryExecutionId" in execution else None

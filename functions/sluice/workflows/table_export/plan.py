"""The event of PlanExport, and its result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sluice.fields import Fields
from sluice.runs.paths import Run
from sluice.workflows.table_export.input import ExportInput
from sluice.workflows.table_export.ledger import CopyState, LedgerState, ScheduledExport, instant, instant_reached, iso
from sluice.workflows.table_export.next_export import Action, Decision, Times, next_export


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """`copy` is None until the first window is processed; `table_arn` is DescribeTable's."""

    run: Run
    request: ExportInput
    ledger: LedgerState
    copy: CopyState | None
    table_arn: str
    times: Times

    @classmethod
    def from_event(cls, event: object, data_bucket: str) -> PlanRequest:
        """Read the function's payload. Raises InvalidInputError."""
        fields = Fields(event, ("run", "input", "ledger", "copy", "tableArn", "backups", "startTime", "now"))
        return cls(
            run=Run.from_state(fields.raw("run")),
            request=ExportInput.from_input(fields.raw("input"), data_bucket),
            ledger=LedgerState.from_item(fields.raw("ledger") if fields.has("ledger") else None),
            copy=CopyState.from_item(fields.raw("copy")) if fields.has("copy") else None,
            table_arn=fields.text("tableArn"),
            times=Times(
                earliest=_earliest(fields.raw("backups")),
                start=instant(fields.text("startTime")),
                now=instant(fields.text("now")),
            ),
        )

    def decide(self) -> Decision:
        """What comes next. Raises PointInTimeRecoveryError when the table cannot be exported."""
        return next_export(self.request, self.ledger, self.times)

    @property
    def lag_seconds(self) -> float | None:
        """Age of what the exports hold; None before the first one is complete."""
        return (self.times.now - self.ledger.watermark).total_seconds() if self.ledger.watermark else None

    @property
    def process_lag_seconds(self) -> float | None:
        """Age of the copy while exported windows wait to be processed, else 0; None before the first one is."""
        if self.copy is None:
            return None
        is_waiting = self.ledger.queued > self.copy.processed
        return (self.times.now - self.copy.until).total_seconds() if is_waiting else 0

    @property
    def _is_queued(self) -> bool:
        """Whether the next window is queued: a run without `process` must not leave a hole in a copy that there is."""
        return self.request.process is not None or self.ledger.queued > 0

    def to_state(self, decision: Decision) -> dict[str, Any]:
        """The answer: what is done next, and everything that the states after it write and call."""
        export, gap, ledger = decision.export, decision.gap, self.ledger
        queued_after = ledger.queued + 1 if self._is_queued else ledger.queued
        request = self._request(export) if export else None
        if export and request:
            export = replace(export, client_token=request["ClientToken"])
        return {
            "action": str(decision.action),
            "reason": decision.reason,
            "watermark": iso(ledger.watermark) if ledger.watermark else None,
            "lagSeconds": self.lag_seconds,
            "version": ledger.version,
            "resetRequested": ledger.is_reset_requested and decision.action is Action.WATCH,
            "export": export.to_state() if export else None,
            "ledgerCurrent": export.to_attribute() if export else None,
            "ledgerStatus": "PITR_GAP" if gap else "IN_PROGRESS",
            "runEntry": export.run_entry if export else None,
            "request": request,
            "gap": {"from": iso(gap.since), "to": iso(gap.until)} if gap else None,
            "process": self.request.process,
            "queued": ledger.queued,
            "queueAs": f"PROCESS#{queued_after:012d}" if self._is_queued else None,
            "queuedAfter": queued_after,
            "pollSeconds": self.request.poll_seconds,
        }

    def _request(self, export: ScheduledExport) -> dict[str, Any]:
        """The parameters of ExportTableToPointInTime."""
        state = export.to_state()
        parameters: dict[str, Any] = {
            "TableArn": self.table_arn,
            "S3Bucket": export.bucket,
            "ExportFormat": "DYNAMODB_JSON",
            "ExportType": state["type"],
        }
        if export.prefix:
            parameters["S3Prefix"] = export.prefix
        if export.window.since is None:
            parameters["ExportTime"] = state["to"]
        else:
            parameters["IncrementalExportSpecification"] = {
                "ExportFromTime": state["from"],
                "ExportToTime": state["to"],
                "ExportViewType": state["viewType"],
            }
        return {**parameters, "ClientToken": export.client_token or client_token(parameters, export.attempt)}


def _earliest(backups: Mapping[str, Any]) -> datetime | None:
    recovery = backups.get("PointInTimeRecoveryDescription") or {}
    is_on = recovery.get("PointInTimeRecoveryStatus") == "ENABLED"
    return instant_reached(recovery["EarliestRestorableDateTime"]) if is_on else None


def client_token(parameters: Mapping[str, Any], attempt: int) -> str:
    """The same for the same attempt at the same window: a start that is repeated finds its export."""
    return hashlib.sha256(json.dumps([parameters, attempt], sort_keys=True).encode()).hexdigest()[:36]

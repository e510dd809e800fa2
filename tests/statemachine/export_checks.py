"""What must hold of table_export whatever happens: looked at after every call that has an effect."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from tests.statemachine.export_ledgers import plain
from tests.statemachine.export_service import METADATA_SECONDS, StartedExport, seconds, text
from tests.statemachine.export_stage import Execution

if TYPE_CHECKING:
    from tests.statemachine.export_world import World

# Clocks may be a minute ahead.
SKEW_SECONDS = 61


class Checks:
    """`state`: the state item as it was last seen; `begun_anew`: starts of full exports after a reset."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.state: dict[str, Any] = {}
        self.gaps: dict[str, str] = {}
        self.begun_again: set[str] = set()

    def after_call(self, execution: Execution, resource: str, given: Any, *, is_export_new: bool) -> None:
        """Check what the call has done."""
        if is_export_new:
            self._check_start(list(self._world.service.exports.values()))
        if resource.endswith(":dynamodb:putItem") and given["Item"]["entry"]["S"].startswith("RUN#"):
            self._check_run(plain(given["Item"]))
        if resource.endswith(":dynamodb:updateItem") and given["Key"]["entry"]["S"] != "STATE":
            self._check_copy()
        elif resource.endswith(":dynamodb:updateItem"):
            before, self.state = self.state, self._read_state()
            self._check_lease(before, execution)
            self._check_flags(before)
            self._check_watermark(before, execution)

    def after_operator(self) -> None:
        """Take note of a flag that somebody else has set."""
        self.state = self._read_state()

    def at_the_end(self) -> None:
        """Check the ledger as a whole, and every execution."""
        for execution in self._world.stage.executions:
            assert execution.status in ("SUCCEEDED", "FAILED", "ABORTED")
            assert len(execution.events) < 25_000
            if execution.status == "SUCCEEDED":
                assert execution.output["status"] in ("COMPLETE", "SKIPPED")
        self._check_chain()
        self._check_copy()

    def _read_state(self) -> dict[str, Any]:
        key = {"table": {"S": self._world.service.table}, "entry": {"S": "STATE"}}
        ledger = self._world.ledger
        answer = ledger.call("getItem", {"TableName": ledger.name, "Key": key, "ConsistentRead": True})
        return plain(answer["Item"])

    def _check_start(self, exports: list[StartedExport]) -> None:
        *earlier, new = exports
        now = self._world.now
        again = [each for each in earlier if each.window == new.window and each.status(now) != "FAILED"]
        assert not again, f"{new.window} was started twice"

    def _check_run(self, run: dict[str, Any]) -> None:
        now, service = self._world.now, self._world.service
        assert run["executionArn"]
        if run["status"] == "PITR_GAP":
            assert run["from"] == self.state["watermark"] < run["to"]
            self.gaps[run["from"]] = run["to"]
        elif run["status"] == "COMPLETED":
            export = service.exports[run["exportArn"]]
            assert export.status(now) == "COMPLETED"
            assert (run["type"], run.get("from")) == export.window[:2]
            assert run["to"] == text(export.end)
        elif "exportArn" in run:
            export = service.exports[run["exportArn"]]
            assert export.status(now) == "FAILED" or now > export.start + METADATA_SECONDS

    def _check_lease(self, before: dict[str, Any], execution: Execution) -> None:
        owner, new = before.get("leaseOwner"), self.state.get("leaseOwner")
        assert self.state["version"] == before.get("version", 0) + 1
        if owner != execution.arn:
            assert new == execution.arn, "only the owner of the lease may write"
            self._check_taken_over(before, owner)
        assert ("leaseExpiresAt" in self.state) == (new is not None)

    def _check_taken_over(self, before: dict[str, Any], owner: str | None) -> None:
        running = {each.arn for each in self._world.stage.running}
        if owner in running:
            overdue_seconds = self._world.now - seconds(before["leaseExpiresAt"])
            assert overdue_seconds > -SKEW_SECONDS, f"{owner} still had the lease"

    def _check_flags(self, before: dict[str, Any]) -> None:
        assert self.state.get("paused") == before.get("paused")
        if before.get("resetRequested") and not self.state["resetRequested"]:
            assert self.state["current"]["type"] == "FULL_EXPORT"
            self.begun_again.add(self.state["current"]["to"])

    def _check_watermark(self, before: dict[str, Any], execution: Execution) -> None:
        old, new = before.get("watermark"), self.state.get("watermark")
        if new == old and "current" in self.state:
            self._check_current(self.state["current"])
            return
        export = self._world.service.exports[before["current"]["exportArn"]]
        assert export.status(self._world.now) == "COMPLETED"
        assert new == text(export.end)
        kind, begin, end = export.window
        if kind == "INCREMENTAL_EXPORT":
            assert begin == old, "the windows do not join"
            assert old not in self.gaps, "a full export must follow a gap"
        elif old is not None:
            assert end in self.begun_again or old in self.gaps, "a full export without a reason"
        self._check_queued(before, export, execution)

    def _check_current(self, current: dict[str, Any]) -> None:
        if "exportArn" in current:
            export = self._world.service.exports[current["exportArn"]]
            assert export.window == (current["type"], current.get("from"), current["to"])
            assert export.given["ClientToken"] == current["clientToken"]

    def _check_queued(self, before: dict[str, Any], export: StartedExport, execution: Execution) -> None:
        """Nothing is left out once there is a copy, even by a run without `process`."""
        last = before.get("queued", 0)
        is_wanted = bool(execution.document.get("process")) or last > 0
        assert self.state.get("queued", 0) == last + is_wanted
        if is_wanted:
            assert self._world.windows[int(last)]["exportArn"] == export.arn

    def _check_copy(self) -> None:
        """What the ledger says of the processing is so, and every window is processed in its turn or seen to wait."""
        world, processes = self._world, self._world.processes
        queued = world.windows[: int(self.state.get("queued", 0))]
        assert world.processed <= len(queued)
        for position, window in enumerate(queued):
            statuses = [each.status(world.now) for each in processes.of_export(window["exportArn"])]
            if window["status"] == "SUCCEEDED":
                assert "SUCCEEDED" in statuses
                assert set(window["counts"]) == {"read", "written", "skipped", "rejected", "failed"}
                assert "error" not in window
            else:
                assert position >= world.processed, "a window was skipped"
            assert (window["status"] == "FAILED") <= ({"error", "message", "endedAt", "executionArn"} <= set(window))
            assert (window["status"] == "RUNNING") <= bool(statuses)
            assert window["status"] == "PENDING" or position <= world.processed, "out of order"

    def _check_chain(self) -> None:
        completed = [each for each in self._world.entries if each["status"] == "COMPLETED"]
        completed.sort(key=lambda each: str(each["startTime"]))
        for before, after in pairwise(completed):
            assert after["type"] == "FULL_EXPORT" or after["from"] == before["to"]
        if completed:
            assert completed[0]["type"] == "FULL_EXPORT"
            is_last_noted = self.state.get("current", {}).get("exportArn") != completed[-1]["exportArn"]
            ends = [each["to"] for each in completed]
            assert self.state.get("watermark") == (ends[-1] if is_last_noted else [None, *ends][-2])

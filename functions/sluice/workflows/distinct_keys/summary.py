"""The summary of a distinct_keys run: what the scan found, what became of each key, and why the run failed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import nlargest
from typing import Any

from sluice.errors import InvalidInputError, KeyInvalidError, KeysFailedError, StoppedError
from sluice.runs.counts import Counts
from sluice.runs.input import ToleratedFailures
from sluice.runs.outcomes import PENDING, SUCCEEDED, message_in
from sluice.runs.paths import Run
from sluice.runs.reasons import Reasons
from sluice.runs.summary import RunError, Status, notes_in, summary_state
from sluice.state import readable
from sluice.workflows.distinct_keys.measure import LARGEST, ItemCollections


@dataclass(slots=True)
class Scanned:
    """The segments so far, from the records of ScanSegments; `named`: those that any record is about."""

    named: set[int] = field(default_factory=set)
    segments: dict[int, dict[str, Any]] = field(default_factory=dict)
    errors: list[tuple[int, str, str]] = field(default_factory=list)

    def add(self, record: Mapping[str, Any]) -> None:
        """One segment's record; one that succeeded in any attempt has succeeded."""
        number = json.loads(record["Input"])["segment"]["segment"]
        self.named.add(number)
        if record["Status"] == SUCCEEDED:
            self.segments[number] = dict(readable(json.loads(record["Output"]), "how far a segment has come"))
        elif record["Status"] != PENDING:
            self.errors.append((number, record.get("Error", record["Status"]), message_in(record.get("Cause"))))

    def total(self, count: str) -> int:
        """One count over all segments."""
        return sum(int(each["counts"][count]) for each in self.segments.values())

    @property
    def read_units(self) -> float:
        """Read units of all segments."""
        return sum(float(each["readUnits"]) for each in self.segments.values())

    def lines(self) -> Iterator[bytes]:
        """One line per segment, in order: what it found, and what that took."""
        for number, each in sorted(self.segments.items()):
            line = {"segment": number, **each["counts"], "readUnits": each["readUnits"], "slices": each["slices"]}
            yield json.dumps(line).encode() + b"\n"


@dataclass(slots=True)
class Processed:
    """The keys so far, from the records of ProcessKeys; keys that failed go to a file as they are found.

    `collections`: of the run's table, if the input brought the keys. Only then can a key be invalid.
    """

    collections: ItemCollections | None = None
    processed: int = 0
    failed: int = 0
    failed_batches: int = 0
    read_units: float = 0.0
    errors: Reasons = field(default_factory=Reasons)
    parts: list[str] = field(default_factory=list)
    largest: list[dict[str, Any]] = field(default_factory=list)

    @property
    def done(self) -> int:
        """Keys that are accounted for."""
        return self.processed + self.failed

    @property
    def own_errors(self) -> Reasons:
        """The errors of keys whose batch was started before the Map Run ended."""
        return self.errors.without(PENDING)

    def add(self, record: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """One batch's record; yields its keys that failed, with error and cause."""
        output = json.loads(record["Output"]) if record["Status"] == SUCCEEDED else None
        # A run has as many keys as its table: those of a batch without failures need not be read.
        is_read = output is None or output["failedKeys"] or self.collections is not None
        keys = []
        for key in json.loads(record["Input"])["Items"] if is_read else ():
            if problem := self._problem(key):
                yield self._failed({"key": key, "error": KeyInvalidError.__name__, "cause": problem})
            else:
                keys.append(key)
        if output is not None:
            yield from self._add_output(output, keys)
            return
        self.failed_batches += 1
        error, cause = record.get("Error", record["Status"]), message_in(record.get("Cause"))
        for key in keys:
            yield self._failed({"key": key, "error": error, "cause": cause})

    def _problem(self, key: object) -> str | None:
        """Why a key is not one, as the state CheckKeys has found."""
        if self.collections is None:
            return None
        try:
            self.collections.key_from(key, "key")
        except InvalidInputError as error:
            return str(error)
        return None

    def _add_output(self, output: Mapping[str, Any], keys: Sequence[Any]) -> Iterator[dict[str, Any]]:
        """`keys`: those that the batch has worked on; a failed one is known by its index, or itself."""
        self.processed += output["processed"]
        self.failed_batches += bool(output["failedKeys"])
        for each in output["failedKeys"]:
            key = keys[each["index"]] if "index" in each else each["key"]
            yield self._failed({"key": key, **_own_error(each)})
        if measured := output["measured"]:
            readable(measured, "how far a batch of keys has come")
            self.read_units += measured["readUnits"]
            self.parts += measured["parts"]
            self.largest = nlargest(LARGEST, self.largest + measured["largest"], key=lambda each: each["bytes"])

    def _failed(self, failed: dict[str, Any]) -> dict[str, Any]:
        self.failed += 1
        self.errors.add(failed["error"], failed["cause"] or "")
        return failed


def _own_error(failed: Mapping[str, Any]) -> dict[str, str]:
    """A key's error and cause: those of the execution where a state machine was started, whose cause describes it."""
    try:
        described = json.loads(failed["cause"])
        return {"error": described["Error"], "cause": described.get("Cause", "")}
    except (ValueError, KeyError, TypeError):
        return {"error": failed["error"], "cause": failed["cause"]}


@dataclass(frozen=True, slots=True)
class KeysSummary:
    """What a distinct_keys run did. `found`: keys that the scan has found, or the run's input has brought."""

    run: Run
    bucket: str
    planned: Mapping[str, Any]
    scanned: Scanned
    found: int
    processed: Processed
    error: RunError | None

    @property
    def is_processed(self) -> bool:
        """Whether the run does something with its keys."""
        return bool(self.planned) and self.planned["processor"]["type"] != "none"

    @property
    def is_stopped(self) -> bool:
        """Whether children have ended early because the run was stopped."""
        errors = {name for _, name, _ in self.scanned.errors} | set(self.processed.errors.counts)
        return StoppedError.__name__ in errors

    @property
    def is_scanned(self) -> bool:
        """Whether all segments that were planned have succeeded."""
        plan = self.planned and self.planned["plan"]
        return not plan or len(self.scanned.segments) == plan["segments"]

    @property
    def counts(self) -> Counts:
        """Keys: `read` are found or given, `written` processed, `skipped` those with which nothing is to be done."""
        found, processed = self.found, self.processed
        if not self.is_processed:
            return Counts(read=found, skipped=found)
        lost = max(found - processed.done, 0)
        return Counts(read=found, written=processed.processed, failed=processed.failed + lost)

    @property
    def status(self) -> Status:
        """FAILED with an error; else PARTIAL when any key failed."""
        return Status.of(self.error, is_partial=bool(self.counts.failed))

    def to_state(self) -> dict[str, Any]:
        """The summary object, with what only this workflow has."""
        run, processed = self.run, self.processed
        failed = {"key": run.failures_key, "keys": run.failed_keys_key, "batches": processed.failed_batches}
        errors = processed.errors
        failed |= {"errors": dict(errors.counts), "examples": errors.examples}
        common = summary_state(
            run,
            self.bucket,
            status=self.status,
            counts=self.counts,
            error=self.error,
            capacity={"readUnits": self.scanned.read_units + processed.read_units, "writeUnits": 0},
            failures=failed if processed.failed else None,
            notes=notes_in(self.planned),
        )
        return common | {
            "scan": {
                "segments": len(self.scanned.segments),
                "requests": self.scanned.total("requests"),
                "items": self.scanned.total("items"),
                "readUnits": self.scanned.read_units,
                "keys": run.keys_prefix,
                "bySegment": run.segment_report_key,
            }
            if self.scanned.segments
            else None,
            "report": {"key": run.report_key, "largest": processed.largest} if processed.parts else None,
        }


def failure_reason(summary: KeysSummary) -> RunError | None:
    """Why the run has failed: its own error, in its children's words if they have any, or counts that do not add up."""
    error, scanned = summary.error, summary.scanned
    if summary.is_stopped:
        return RunError(StoppedError.__name__, "the run was stopped before all keys were found and processed")
    if error and error.exceeds_threshold:
        if scanned.errors:
            number, name, message = scanned.errors[0]
            return RunError(name, f"{len(scanned.errors)} segments failed; the first is segment {number}: {message}")
        return _keys_failed(summary, "") or error
    if error or not summary.planned:
        return error
    return _unaccounted(summary) or _too_many_failed(summary)


def _unaccounted(summary: KeysSummary) -> RunError | None:
    planned = summary.planned["plan"]
    missing = planned["segments"] - len(summary.scanned.segments) if planned else 0
    if missing:
        return RunError("CountsDoNotReconcileError", f"{missing} segments are missing from the result files")
    done = summary.processed.done
    if summary.is_processed and done != summary.counts.read:
        problem = f"{summary.counts.read} keys found, {done} accounted for"
        return RunError("CountsDoNotReconcileError", problem)
    return None


def _too_many_failed(summary: KeysSummary) -> RunError | None:
    counts = summary.counts
    limit = ToleratedFailures.from_state(summary.planned).exceeded(counts.failed, counts.read)
    return _keys_failed(summary, f", more than the {limit} tolerated") if limit else None


def _keys_failed(summary: KeysSummary, more: str) -> RunError | None:
    """The error of keys that failed, named after it if all failed with the same; None if no key has an own error."""
    counts, errors = summary.counts, summary.processed.own_errors
    if not errors.counts:
        return None
    name = next(iter(errors.counts)) if len(errors.counts) == 1 else KeysFailedError.__name__
    return errors.explain(RunError(name, f"{counts.failed:,} of {counts.read:,} keys failed{more}"))


def add_all(scanned: Scanned, records: Iterable[Mapping[str, Any]]) -> Scanned:
    """The segments of all records."""
    for record in records:
        scanned.add(record)
    return scanned

"""What a reader of a report can do next, by how the run ended."""

from __future__ import annotations

from sluice.report.facts import RunFacts

RESUMABLE = frozenset({"csv_load", "export_process", "table_transform"})
_DEAD = frozenset({"ABORTED", "TIMED_OUT", "UNKNOWN"})


def next_steps(facts: RunFacts) -> list[tuple[str, str | None]]:
    """Sentences, each with a command line where one helps."""
    run, summary = facts.run, facts.summary or {}
    rejects, failures, sample = (summary.get(name) or {} for name in ("rejects", "failures", "sample"))
    steps: list[tuple[str, str | None]] = []
    if facts.status == "RUNNING":
        steps.append(("The run is still at work.", f"sluice watch {run.name}"))
    if facts.status in _DEAD | {"STOPPED", "FAILED", "PARTIAL"} and run.workflow in RESUMABLE:
        steps.append(("Continue where the run ended. Nothing is applied twice.", f"sluice resume {run.name}"))
    if rejects:
        where = _uri(facts, rejects["key"])
        steps.append(("Look at the rejected rows, correct them, and use the file as the input of a run.", where))
    if failures:
        steps.append(("Look at what failed, and why.", _uri(facts, failures["key"])))
    if summary.get("mode") == "dryRun" and facts.status == "COMPLETE":
        steps.append(('Nothing was written. Run the same input with "mode": "apply".', None))
    elif sample and run.workflow == "table_transform":
        steps.append(("Take the changes back: first a dry run.", f"sluice undo {run.name}"))
    return steps


def _uri(facts: RunFacts, key: str) -> str:
    return f"s3://{facts.bucket}/{key}"

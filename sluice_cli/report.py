"""The end of a run: its summary, how it reads, and the exit code it deserves."""

import json
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sluice_cli.aws import Aws
from sluice_cli.exit_code import ExitCode
from sluice_cli.progress import duration_text
from sluice_cli.run import Run
from sluice_cli.stack import DATA_BUCKET, Stack
from sluice_cli.watch import Ended

SUCCEEDED = "SUCCEEDED"
# What a run raises before it writes anything, because of what its input says.
INPUT_REFUSED = frozenset(
    {
        "ExportNotCompletedError",
        "InvalidInputError",
        "QueryRefusedError",
        "PointInTimeRecoveryError",
        "SourceMalformedError",
        "SourceNotFoundError",
        "TableNotFoundError",
    }
)
# What a run works on, as its summary names it.
SUBJECT = ("source", "table", "index", "target", "action", "undone")
LABEL_WIDTH = 13
DRY_RUN = "dryRun"
LARGEST_SHOWN = 3


def exit_code(ended: Ended) -> ExitCode:
    """SUCCEEDED only for a run that did; BAD_INPUT for one whose input was refused."""
    if ended.status == SUCCEEDED:
        return ExitCode.SUCCEEDED
    return ExitCode.BAD_INPUT if ended.error in INPUT_REFUSED else ExitCode.FAILED


def read_summary(aws: Aws, stack: Stack, run: Run, ended: Ended) -> Any:
    """The run's output; for a failed run what it left in the data bucket, else what is known."""
    if ended.status == SUCCEEDED:
        return json.loads(ended.output)
    return stored_summary(aws, stack, run) or _failed_summary(run, ended)


def summary_lines(summary: Any) -> list[str]:
    """The summary as a table for people; an output that is no summary is shown as it is."""
    if not isinstance(summary, dict) or "counts" not in summary:
        return [json.dumps(summary, indent=2, ensure_ascii=False)]
    named = ("workflow", "execution", "status", "mode", *SUBJECT, "reason", "watermark")
    lines = [_line(name, str(summary[name])) for name in named if summary.get(name) is not None]
    lines += _standing_lines(summary)
    lines += [_line(name, f"{count:,}") for name, count in (summary.get("counts") or {}).items()]
    capacity = summary.get("capacity") or {}
    lines += [
        _line(label, f"{capacity[name]:,.10g}")
        for name, label in (("readUnits", "read units"), ("writeUnits", "write units"))
        if name in capacity
    ]
    results = summary.get("results") or {}
    if results:
        lines.append(_line("results", _uri(results, results.get("prefix", ""))))
    lines += _query_lines(summary)
    lines += _scan_lines(summary, results)
    lines += _objects_lines(summary, results)
    lines += _transform_lines(summary, results)
    lines += [line for each in summary.get("exports") or [] for line in _export_lines(each)]
    lines += _processing_lines(summary)
    lines += _reject_lines(summary, results)
    failures = summary.get("failures")
    if failures:
        batches = f"{failures['batches']:,} {'batch' if failures['batches'] == 1 else 'batches'}"
        lines.append(_line("failures", f"{batches} in {_uri(results, failures['key'])}"))
        lines += _reason_lines(failures.get("errors") or {}, failures.get("examples") or {})
    lines += [_line("note", note) for note in summary.get("notes") or []]
    error = summary.get("error")
    if error:
        lines.append(_line("error", f"{error['name']}: {error['message']}"))
    return lines


def readable_cause(cause: str) -> str:
    """The message in a cause: a Lambda function's failure arrives as JSON."""
    try:
        message = json.loads(cause)["errorMessage"]
    except (ValueError, TypeError, KeyError):
        return cause
    return str(message)


def _query_lines(summary: dict[str, Any]) -> list[str]:
    """What Athena says of a query, and what it costs."""
    query = summary.get("query")
    if not query:
        return []
    took = f"{query['bytesScanned']:,} bytes scanned, {_usd_text(query['usd'])} USD, {query['seconds']:,.3g} s"
    return [_line("query", f"{query['id']} {query['state']}"), _line("", took)]


def _objects_lines(summary: dict[str, Any], results: dict[str, Any]) -> list[str]:
    """What objects had in them, those that could not be read, and whether the result has them all."""
    lines = []
    if rows := summary.get("rows"):
        counts = ", ".join(f"{rows[name]:,} {name}" for name in ("read", "aggregated", "filtered", "rejected"))
        lines.append(_line("rows", counts))
        lines.append(_line("bytes", f"{summary['bytes']:,}"))
    if unreadable := summary.get("unreadable"):
        lines.append(_line("unreadable", f"{unreadable['objects']:,} in {_uri(results, unreadable['key'])}"))
        lines += _reason_lines(unreadable.get("reasons") or {}, unreadable.get("examples") or {})
    if result := summary.get("result"):
        lines.append(_line("groups", f"{summary['groups']:,}, {result['groups']:,} of them in the result"))
        lines.append(_line("result", _uri(results, result["csv"])))
        if missing := result["missing"]:
            lines.append(_line("", f"PARTIAL: {missing['objects']:,} objects are missing from it"))
    return lines


def _scan_lines(summary: dict[str, Any], results: dict[str, Any]) -> list[str]:
    """What a scan took, where its keys are, and the largest of the collections that were measured."""
    lines = []
    if scan := summary.get("scan"):
        took = f"{scan['requests']:,} requests, {scan['readUnits']:,.10g} read units"
        lines.append(_line("scan", f"{scan['segments']:,} segments, {took}"))
        lines.append(_line("keys", _uri(results, scan["keys"])))
    if report := summary.get("report"):
        lines.append(_line("report", _uri(results, report["key"])))
        for each in report["largest"][:LARGEST_SHOWN]:
            key = " ".join(str(value) for typed in each["key"].values() for value in typed.values())
            lines.append(_line("", f"{key}: {each['items']:,} items, {each['bytes']:,} bytes"))
    return lines


def _transform_lines(summary: dict[str, Any], results: dict[str, Any]) -> list[str]:
    """What became of a table's items or would become of them, and how sure that is."""
    is_dry_run = summary.get("mode") == DRY_RUN
    lines = []
    if summary.get("mode") and (changes := summary.get("changes")):
        lines.append(_line("changes", _changes_text(changes, is_dry_run)))
    if estimate := summary.get("estimate"):
        lines.append(_line("estimate", _estimate_text(estimate)))
    if sample := summary.get("sample"):
        lines.append(_line("sample", _uri(results, sample["key"])))
    if verified := summary.get("verified"):
        where = f" in {_uri(results, verified['key'])}" if verified.get("key") else ""
        found = f"{verified['sampled']:,} sampled, {verified['differences']:,} differences"
        lines.append(_line("verified", found + where))
    if resumed := summary.get("resumed"):
        total = resumed["total"]
        counts = ", ".join(f"{count:,} {name}" for name, count in total["counts"].items())
        lines.append(_line("resumed", f"{resumed['run']}; with this run: {counts}"))
        if "changes" in total:
            lines.append(_line("", _changes_text(total["changes"], is_dry_run)))
    return lines


def _changes_text(changes: dict[str, int], is_dry_run: bool) -> str:
    changed, unchanged, deleted = (f"{changes[name]:,}" for name in ("changed", "unchanged", "deleted"))
    if is_dry_run:
        return f"would change {changed}, leave {unchanged} unchanged, delete {deleted}"
    conflicts = f", {changes['conflicts']:,} conflicts" if changes.get("conflicts") else ""
    return f"{changed} changed, {unchanged} unchanged, {deleted} deleted{conflicts}"


def _estimate_text(estimate: dict[str, float]) -> str:
    """Applying's units and cost."""
    read, write, usd = estimate["readUnits"], estimate["writeUnits"], estimate["usd"]
    return f"{read:,.10g} read units, {write:,.10g} write units, {_usd_text(usd)} USD to apply"


def _usd_text(usd: float) -> str:
    """Less than a dollar to the last digit that there is."""
    return f"{usd:,.2f}" if usd >= 1 else f"{usd:.6f}"


def _standing_lines(summary: dict[str, Any]) -> list[str]:
    """How far behind a table's exports are, and who makes them when this run does not."""
    lines = []
    if (lag := summary.get("lagSeconds")) is not None:
        lines.append(_line("lag", duration_text(lag)))
    if owner := summary.get("owner"):
        lines.append(_line("owner", owner.rpartition(":")[2]))
    return lines


def _export_lines(export: dict[str, Any]) -> list[str]:
    """One export that a run has made: its window, what AWS says of it, its manifest, and who processes it."""
    since = f" from {export['from']}" if export.get("from") else ""
    parts = [f"{export['type']}{since} to {export['to']}"]
    if export.get("itemCount") is not None:
        parts.append(f"{export['itemCount']:,} items")
    if export.get("billedSizeBytes") is not None:
        parts.append(f"{export['billedSizeBytes']:,} bytes billed")
    lines = [_line("export", ", ".join(parts))]
    if manifest := export.get("manifest"):
        lines.append(_line("", _uri(export, manifest)))
    if process := export.get("processExecutionArn"):
        lines.append(_line("", f"processed by {process.rpartition(':')[2]}"))
    return lines


def _processing_lines(summary: dict[str, Any]) -> list[str]:
    """How the copy of an exported table stands, unless it is up to date."""
    processing = summary.get("processing")
    if not processing or not processing["waiting"]:
        return []
    waiting = f"{processing['waiting']:,} {'window waits' if processing['waiting'] == 1 else 'windows wait'}"
    copy = f"the copy is complete up to {processing['copiedTo']}" if processing["copiedTo"] else "there is no copy yet"
    return [_line("processing", f"{processing['status']}, {waiting}; {copy}")]


def _reject_lines(summary: dict[str, Any], results: dict[str, Any]) -> list[str]:
    rejects = summary.get("rejects")
    if not rejects:
        return []
    # The counts of object_aggregate are objects, its rejects rows.
    counted = summary.get("rows") or summary.get("counts") or {}
    rejected = counted.get("rejected", sum(rejects["reasons"].values()))
    return [
        _line("rejects", f"{rejected:,} in {_uri(results, rejects['key'])}"),
        *_reason_lines(rejects["reasons"], rejects.get("examples") or {}),
    ]


def _reason_lines(counts: dict[str, int], examples: dict[str, str]) -> list[str]:
    """All reasons, the most frequent first, with a message of those that have one."""
    names = sorted({**counts, **examples}, key=lambda name: (-counts.get(name, 0), name))
    lines = []
    for name in names:
        counted = f"{name} {counts[name]:,}" if name in counts else name
        # A message of several lines would look like the lines that follow.
        message = " ".join(examples.get(name, "").split())
        lines.append(_line("", f"{counted}: {message}" if message else counted))
    return lines


def _line(label: str, value: str) -> str:
    return f"{label:<{LABEL_WIDTH}}{value}"


def _uri(results: dict[str, Any], key: str) -> str:
    return f"s3://{results.get('bucket', '?')}/{key}"


def stored_summary(aws: Aws, stack: Stack, run: Run) -> dict[str, Any] | None:
    """The summary in the data bucket; None when the run has not written one, or it may not be read."""
    try:
        stored = aws.s3.get_object(
            Bucket=stack.outputs.get(DATA_BUCKET, ""), Key=f"{run.workflow}/{run.name}/summary.json"
        )
        summary: dict[str, Any] = json.loads(stored["Body"].read())
    except (BotoCoreError, ClientError, ValueError):
        return None
    return summary


def _failed_summary(run: Run, ended: Ended) -> dict[str, Any]:
    return {
        "workflow": run.workflow,
        "status": "FAILED",
        "execution": run.name,
        "counts": None,
        "capacity": None,
        "results": None,
        "rejects": None,
        "failures": None,
        "error": {"name": ended.error or ended.status, "message": readable_cause(ended.cause)},
    }

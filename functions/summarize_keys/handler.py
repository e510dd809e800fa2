"""SummarizeKeys: the result files of the scan and of the processing become the run's summary."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import IO, Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.aws.clients import aws_errors, s3_client
from sluice.fields import Fields
from sluice.report.ending import end_run
from sluice.runs.paths import Run
from sluice.runs.results import MergedObjects, empty, map_run_records, read_until_complete, spool, upload
from sluice.runs.summary import SUBJECT, RunError, with_subject
from sluice.settings import RunSettings, Settings
from sluice.state import readable
from sluice.step import step
from sluice.workflows.distinct_keys.measure import ItemCollections
from sluice.workflows.distinct_keys.summary import KeysSummary, Processed, Scanned, add_all, failure_reason

CHUNK_BYTES = 1 << 20

settings = Settings.from_env()
run_table = RunSettings.from_env().table
logger = Logger()


@step
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Sum up a run, list its failed keys and merge its report. Raises InvalidInputError, AccessDeniedError,
    ServiceUnavailableError.

    Takes {"run", "planned": PlanScan's result, "error": {"name", "message"}}; all but the run may be null.
    `subject` is what with_subject takes.
    """
    fields = Fields(event, ("run", SUBJECT, "planned", "error"))
    run = Run.from_state(fields.raw("run"))
    planned: Mapping[str, Any] = readable(fields.raw("planned"), "the run's plan") if fields.has("planned") else {}
    error = RunError.from_state(event.get("error"))
    with aws_errors(f"s3://{settings.data_bucket}/{run.prefix}"):
        summary = _summarize(run, planned, error)
        _put(run.segment_report_key, b"".join(summary.scanned.lines()))
        if summary.processed.parts:
            parts = MergedObjects(s3_client(), settings.data_bucket, sorted(summary.processed.parts))
            s3_client().upload_fileobj(io.BufferedReader(parts), settings.data_bucket, run.report_key)
        state = with_subject(summary.to_state(), event)
        _put(run.summary_key, json.dumps(state, ensure_ascii=False, indent=2).encode())
    end_run(settings.data_bucket, run_table, run, state, context)
    logger.info("run summarized", extra={"status": state["status"], "counts": state["counts"]})
    return state


def _summarize(run: Run, planned: Mapping[str, Any], error: RunError | None) -> KeysSummary:
    plan = planned and planned["plan"]
    scanned = _scanned(run, plan["segments"]) if plan else Scanned()
    found = _given_keys(run) if planned and not plan else scanned.total("keys")
    summary = KeysSummary(run, settings.data_bucket, planned, scanned, found, Processed(), error)
    if summary.is_processed and summary.is_scanned:
        collections = None if plan else ItemCollections.from_scan(planned["scan"])
        summary = replace(summary, processed=_processed(run, found, collections))
    return replace(summary, error=failure_reason(summary))


def _given_keys(run: Run) -> int:
    """How many keys the input has brought."""
    body = s3_client().get_object(Bucket=settings.data_bucket, Key=run.given_keys_key)["Body"]
    return sum(bool(line.strip()) for line in body.iter_lines(CHUNK_BYTES))


def _scanned(run: Run, segments: int) -> Scanned:
    """What became of each segment; waits for result files that name them all, but not for ever."""
    return read_until_complete(
        lambda: add_all(Scanned(), _records(f"{run.results_prefix}/segments")),
        lambda scanned: len(scanned.named) >= segments,
    )


def _processed(run: Run, keys: int, collections: ItemCollections | None) -> Processed:
    """What became of each key; waits for result files that account for so many, but not for ever.

    Leaves two files of the keys that failed: with their errors, and as keys to feed back.
    """
    with spool() as failures, spool() as failed_keys:
        processed = read_until_complete(
            lambda: _gather(Processed(collections), _records(f"{run.results_prefix}/keys"), failures, failed_keys),
            lambda gathered: gathered.done >= keys,
        )
        if processed.failed:
            upload(s3_client(), failures, settings.data_bucket, run.failures_key)
            upload(s3_client(), failed_keys, settings.data_bucket, run.failed_keys_key)
    return processed


def _gather(
    processed: Processed, records: Iterator[dict[str, Any]], failures: IO[bytes], failed_keys: IO[bytes]
) -> Processed:
    for each in (failures, failed_keys):
        empty(each)
    for record in records:
        for failed in processed.add(record):
            failures.write(json.dumps(failed, ensure_ascii=False).encode() + b"\n")
            failed_keys.write(json.dumps(failed["key"], ensure_ascii=False).encode() + b"\n")
    return processed


def _records(results_prefix: str) -> Iterator[dict[str, Any]]:
    """The records of a Map Run, as far as there are result files."""
    return map_run_records(s3_client(), settings.data_bucket, results_prefix, None)


def _put(key: str, body: bytes) -> None:
    s3_client().put_object(Bucket=settings.data_bucket, Key=key, Body=body)

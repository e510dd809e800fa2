"""SummarizeKeys: the result files of the scan and of the processing become the run's summary."""

from __future__ import annotations

import io
import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, BinaryIO

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.aws import aws_errors, s3_client
from sluice.fields import Fields
from sluice.results.keys_summary import KeysSummary, Processed, Scanned, add_all, judged
from sluice.results.merged_objects import MergedObjects
from sluice.results.result_files import find_manifest, result_records
from sluice.results.summary import RunError
from sluice.run import Run
from sluice.settings import Settings

# After a failed Map Run its result files come about a second later than the failure; without a reader there are none.
RESULTS_WAIT_SECONDS = 30
SPOOL_BYTES = 8 << 20

settings = Settings.from_env()
logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def lambda_handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Sum up a run, list its failed keys and merge its report. Raises InvalidInputError, AccessDeniedError,
    ServiceUnavailableError.

    Takes {"run", "planned": PlanScan's result, "error": {"name", "message"}}; all but the run may be null.
    """
    fields = Fields(event, ("run", "planned", "error"))
    run, planned = Run.from_state(fields.raw("run")), event.get("planned") or {}
    error = RunError.from_state(event.get("error"))
    with aws_errors(f"s3://{settings.data_bucket}/{run.prefix}"):
        summary = _summarize(run, planned, error)
        _put(run.segment_report_key, b"".join(summary.scanned.lines()))
        if summary.processed.parts:
            parts = MergedObjects(s3_client(), settings.data_bucket, sorted(summary.processed.parts))
            s3_client().upload_fileobj(io.BufferedReader(parts), settings.data_bucket, run.report_key)
        state = summary.to_state()
        _put(run.summary_key, json.dumps(state, ensure_ascii=False, indent=2).encode())
    logger.info("run summarized", extra={"run": run.name, "status": state["status"], "counts": state["counts"]})
    return state


def _summarize(run: Run, planned: Mapping[str, Any], error: RunError | None) -> KeysSummary:
    scanned, processed = Scanned(), Processed()
    if planned and planned["plan"]:
        scanned = add_all(scanned, _records(f"{run.results_prefix}/segments", is_late=error is not None))
    summary = KeysSummary(run, settings.data_bucket, planned, scanned, processed, error)
    if summary.is_processed and not scanned.errors:
        _gather(run, processed, is_late=error is not None)
    return replace(summary, error=judged(summary))


def _gather(run: Run, processed: Processed, *, is_late: bool) -> None:
    """Count the batches, and leave two files of the keys that failed: with their errors, and as keys to feed back."""
    with (
        tempfile.SpooledTemporaryFile(SPOOL_BYTES) as failures,
        tempfile.SpooledTemporaryFile(SPOOL_BYTES) as keys,
    ):
        for record in _records(f"{run.results_prefix}/keys", is_late=is_late):
            for failed in processed.add(record):
                failures.write(json.dumps(failed, ensure_ascii=False).encode() + b"\n")
                keys.write(json.dumps(failed["key"], ensure_ascii=False).encode() + b"\n")
        if processed.failed:
            _upload(failures, run.failures_key)
            _upload(keys, run.failed_keys_key)


def _records(results_prefix: str, *, is_late: bool) -> Iterator[dict[str, Any]]:
    """The records of a Map Run; of a failed one they are waited for, but not for ever."""
    deadline = time.monotonic() + (RESULTS_WAIT_SECONDS if is_late else 0)
    while (manifest := find_manifest(s3_client(), settings.data_bucket, results_prefix)) is None:
        if time.monotonic() > deadline:
            return
        time.sleep(1)
    yield from result_records(s3_client(), settings.data_bucket, manifest)


def _upload(spooled: Any, key: str) -> None:
    spooled.seek(0)
    body: BinaryIO = spooled
    s3_client().upload_fileobj(body, settings.data_bucket, key)


def _put(key: str, body: bytes) -> None:
    s3_client().put_object(Bucket=settings.data_bucket, Key=key, Body=body)

"""VerifySample: some of the items that a run has changed are compared with what the transform gives now."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import botocore.session
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.aws.clients import aws_errors, s3_client
from sluice.aws.listings import keys_below
from sluice.aws.read_ahead import read_ahead
from sluice.aws.wire import Wire
from sluice.fields import Fields
from sluice.limits import time_is_up
from sluice.run_item.item import RunItem
from sluice.run_item.worker import Heartbeats
from sluice.runs.paths import Run
from sluice.settings import RunSettings, Settings
from sluice.step import step
from sluice.workflows.table_transform.input import TransformJob
from sluice.workflows.table_transform.reads import KEYS_MAX, ConsistentReads
from sluice.workflows.table_transform.slice_log import Sample
from sluice.workflows.table_transform.verification import verification_for

# As many as the client has connections.
READERS = 10
SAMPLE_MAX_BYTES = 128 << 20

settings = Settings.from_env()
logger = Logger()
wire = Wire.from_session(botocore.session.get_session())
heartbeats = Heartbeats.to(RunSettings.from_env().table, wire)


@step
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Verify a sample of a run's changes, or as much of it as there is time for at the run's rate.

    Takes {"run", "transform", "verify": {"sample"}} of PlanTransform's result.

    Raises InvalidInputError, TableNotFoundError, ThrottledError, ServiceUnavailableError, AccessDeniedError,
    UnexpectedResponseError, WireError.
    """
    fields = Fields(event, ("run", "transform", "verify"))
    run, job = Run.from_state(fields.raw("run")), TransformJob.from_state(fields.raw("transform"))
    size = fields.section("verify", ("sample",)).integer("sample", 0, low=1, high=10**9)
    item = RunItem.from_plan(run.item_key, {"runItem": job.run_item})
    with (
        aws_errors(f"s3://{settings.data_bucket}/{run.prefix}"),
        heartbeats.worker(item, time_is_up(context), job.item_bytes) as worker,
    ):
        lines, differences, verified = _sample(run, size), list[bytes](), 0
        reads = ConsistentReads(wire, worker.reads)
        verify = verification_for(job, reads)
        while verified < len(lines) and not (worker.is_stopped or (verified and worker.is_over())):
            chunk = [json.loads(line) for line in lines[verified : verified + KEYS_MAX]]
            differences += [each.to_line() for each in verify(chunk)]
            verified += len(chunk)
        if differences:
            s3_client().put_object(Bucket=settings.data_bucket, Key=run.verify_key, Body=b"".join(differences))
    logger.info("verified", extra={"sampled": verified, "differences": len(differences)})
    return {
        "sampled": verified,
        "differences": len(differences),
        "key": run.verify_key if differences else None,
        "readUnits": reads.read_units,
    }


def _sample(run: Run, size: int) -> list[bytes]:
    """Lines of all slices' samples, each as likely as any other."""
    sample = Sample(size, run.name, SAMPLE_MAX_BYTES)
    for body in _parts(run):
        for line in body.splitlines():
            if (slot := sample.slot()) is not None:
                sample.put(slot, line)
    return sample.lines


def _parts(run: Run) -> Iterator[bytes]:
    s3, bucket = s3_client(), settings.data_bucket
    keys = keys_below(s3, bucket, run.samples_prefix)
    for _, part in read_ahead(lambda key: s3.get_object(Bucket=bucket, Key=key)["Body"].read(), keys, READERS):
        yield part

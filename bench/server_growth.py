"""How much local AWS itself grows while a Distributed Map reads a million rows."""

from __future__ import annotations

import json
import time
from typing import Any

from bench.figures import Better, Measurement, figure
from bench.flights import flights_file
from bench.processes import forget_peak, peak_megabytes, resident_megabytes
from local_aws.lifecycle import LocalAws, running
from sluice_cli.sandbox import Sandbox
from sluice_cli.surroundings import Surroundings

ROWS = 1_000_000
BATCH_ROWS = 100
BUCKET = "bench-growth"
KEY = "rows.csv"
RUN_SECONDS = 600


@figure("local_aws_growth_megabytes", goal=200, better=Better.LOWER, unit="MB")
def local_aws_growth() -> Measurement:
    """The server's peak during the Map Run over what it held before, with the CSV already in its S3."""
    with running() as aws:
        local = Sandbox(Surroundings(), aws)
        size = _put_rows(local)
        machine_arn = _create_machine(local)
        before = resident_megabytes(aws.pid)
        forget_peak(aws.pid)
        seconds = _run(local, machine_arn)
        return Measurement(peak_megabytes(aws.pid) - before, _detail(aws, size, before, seconds))


def _detail(aws: LocalAws, size: int, before: float, seconds: float) -> dict[str, Any]:
    return {
        "rows": ROWS,
        "sourceMegabytes": round(size / 1_000_000, 1),
        "children": ROWS // BATCH_ROWS,
        "child": f"STANDARD, {BATCH_ROWS} rows through a Pass state",
        "results": "every child's input and output, written to S3",
        "residentMegabytesBefore": round(before, 1),
        "residentMegabytesAfter": round(resident_megabytes(aws.pid), 1),
        "seconds": round(seconds, 1),
    }


def _put_rows(local: Sandbox) -> int:
    """A million flights in S3: the file's rows, over and over. Returns its bytes."""
    header, *rows = flights_file().splitlines(keepends=True)
    body = header + b"".join((rows * (ROWS // len(rows) + 1))[:ROWS])
    local.s3.create_bucket(Bucket=BUCKET)
    local.s3.put_object(Bucket=BUCKET, Key=KEY, Body=body)
    return len(body)


def _create_machine(local: Sandbox) -> str:
    map_rows = {
        "Type": "Map",
        "Label": "MapRows",
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"},
            "Arguments": {"Bucket": BUCKET, "Key": KEY},
        },
        "ItemBatcher": {"MaxItemsPerBatch": BATCH_ROWS},
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": "PassOn",
            "States": {"PassOn": {"Type": "Pass", "End": True}},
        },
        "ResultWriter": {
            "Resource": "arn:aws:states:::s3:putObject",
            "Arguments": {"Bucket": BUCKET, "Prefix": "results"},
        },
        "End": True,
    }
    definition = {"QueryLanguage": "JSONata", "StartAt": "MapRows", "States": {"MapRows": map_rows}}
    return local.stepfunctions.create_state_machine(
        name="growth", definition=json.dumps(definition), roleArn="arn:aws:iam::000000000000:role/growth"
    )["stateMachineArn"]


def _run(local: Sandbox, machine_arn: str) -> float:
    """Run the state machine; returns the seconds it took."""
    start = time.monotonic()
    execution_arn = local.stepfunctions.start_execution(stateMachineArn=machine_arn, input="{}")["executionArn"]
    status = local.end_of(execution_arn, RUN_SECONDS)["status"]
    (run,) = local.stepfunctions.list_map_runs(executionArn=execution_arn)["mapRuns"]
    counts = local.stepfunctions.describe_map_run(mapRunArn=run["mapRunArn"])["itemCounts"]
    if status != "SUCCEEDED" or counts["succeeded"] != ROWS:
        raise AssertionError(f"the Map Run ended {status} with {counts['succeeded']:,} of {ROWS:,} rows")
    return time.monotonic() - start

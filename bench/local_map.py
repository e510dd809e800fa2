"""Distributed Map on local AWS: how many children it runs in a second."""

from __future__ import annotations

import json
from typing import Any

from bench.figures import Better, Measurement, figure
from bench.processes import cpu_seconds
from local_aws.lifecycle import LocalAws, running
from sluice_cli.sandbox import Sandbox
from sluice_cli.surroundings import Surroundings

CHILDREN = 5_000
ROUNDS = 3
RUN_SECONDS = 600
BUCKET = "bench-map"


@figure("local_map_children_per_second", goal=500, better=Better.HIGHER, unit="children/s")
def map_children() -> Measurement:
    """The best of the rounds: EXPRESS children with one Pass state, from the execution's start to its end."""
    with running() as aws:
        local = Sandbox(Surroundings(), aws)
        local.s3.create_bucket(Bucket=BUCKET)
        machine_arn = _create_machine(local)
        rounds = [_run(aws, local, machine_arn) for _ in range(ROUNDS)]
    detail = {
        "children": CHILDREN,
        "childrenPerSecond": [round(CHILDREN / seconds) for seconds, _ in rounds],
        "childrenPerServerCpuSecond": [round(CHILDREN / used) for _, used in rounds],
    }
    return Measurement(max(CHILDREN / seconds for seconds, _ in rounds), detail)


def _create_machine(local: Sandbox) -> str:
    """Its items come from its input's range; the children's results are written to S3."""
    map_items: dict[str, Any] = {
        "Type": "Map",
        "Label": "MapItems",
        "Items": "{% $states.input.items %}",
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"},
            "StartAt": "PassOn",
            "States": {"PassOn": {"Type": "Pass", "End": True}},
        },
        "ResultWriter": {
            "Resource": "arn:aws:states:::s3:putObject",
            "Arguments": {"Bucket": BUCKET, "Prefix": "results"},
        },
        "End": True,
    }
    definition = {"QueryLanguage": "JSONata", "StartAt": "MapItems", "States": {"MapItems": map_items}}
    return local.stepfunctions.create_state_machine(
        name="children", definition=json.dumps(definition), roleArn="arn:aws:iam::000000000000:role/children"
    )["stateMachineArn"]


def _run(aws: LocalAws, local: Sandbox, machine_arn: str) -> tuple[float, float]:
    """One execution: its seconds, and the server's processor time meanwhile."""
    before = cpu_seconds(aws.pid)
    items = json.dumps({"items": list(range(CHILDREN))})
    execution_arn = local.stepfunctions.start_execution(stateMachineArn=machine_arn, input=items)["executionArn"]
    ended = local.end_of(execution_arn, RUN_SECONDS)
    used = cpu_seconds(aws.pid) - before
    (run,) = local.stepfunctions.list_map_runs(executionArn=execution_arn)["mapRuns"]
    counts = local.stepfunctions.describe_map_run(mapRunArn=run["mapRunArn"])["executionCounts"]
    if ended["status"] != "SUCCEEDED" or counts["succeeded"] != CHILDREN:
        raise AssertionError(
            f"the Map Run ended {ended['status']} with {counts['succeeded']:,} of {CHILDREN:,} children"
        )
    return (ended["stopDate"] - ended["startDate"]).total_seconds(), used

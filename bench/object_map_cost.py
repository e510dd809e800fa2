"""What object_map's actions request and cost per object, counted in runs on local AWS, beside S3 Batch Operations."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bench.figures import Better, Measurement, figure
from bench.prices import (
    S3_BATCH_JOB,
    S3_BATCH_OBJECT,
    S3_COPY_REQUEST,
    S3_HEAD_REQUEST,
)
from bench.runs import completed
from bench.usage import MILLION, RunUsage, run_usage
from demo.weather import PREFIX, put_weather
from sluice.dynamodb.prices import READ_UNIT_USD, WRITE_UNIT_USD
from sluice_cli.sandbox import Sandbox, sandbox

LISTED = f"{PREFIX}listed.jsonl"
# Batches as they are by default.
OBJECTS, BATCH_SIZE = 900, 100
ACTIONS: dict[str, Any] = {
    "copyObject": {"destination": {"prefix": "output/copies"}},
    "putObjectTagging": {"tags": {"reviewed": "yes"}},
}
PRICES = {
    "s3:copyObject": S3_COPY_REQUEST,
    "s3:putObject": S3_COPY_REQUEST,
    "s3:putObjectTagging": S3_COPY_REQUEST,
    "s3:headObject": S3_HEAD_REQUEST,
    "s3:getObject": S3_HEAD_REQUEST,
    "dynamodb:getItem": READ_UNIT_USD,
    "dynamodb:updateItem": WRITE_UNIT_USD,
}
LEFT_OUT = "listing (1,000 requests per million objects), what Lambda functions take, storage"
BATCH = "S3 Batch Operations by its price list: a job, a million objects, and the same million copies"


@dataclass(frozen=True, slots=True)
class ActionUsage:
    """A run of an action. `usage`: that of Express children. `calls`: of the children whose histories local AWS keeps.

    `objects`: how many these children had, in full batches.
    """

    usage: RunUsage
    calls: Counter[str]
    objects: int

    @property
    def calls_per_object(self) -> float:
        """How many calls of AWS an object takes, with its share of its batch's."""
        return self.calls.total() / self.objects

    @property
    def dollars_per_million(self) -> float:
        """The calls, the state machine's transitions and the Express children."""
        calls = sum(number * PRICES[name] for name, number in self.calls.items())
        return calls * MILLION / self.objects + self.usage.dollars_per_million

    def to_detail(self) -> dict[str, Any]:
        """As the results show it."""
        return {
            "objects": self.usage.rows,
            "batches": self.usage.children,
            "callsOf": self.objects,
            "calls": dict(sorted(self.calls.items())),
            "callsPerObject": round(self.calls_per_object, 4),
            "dollarsPerMillionObjects": round(self.dollars_per_million, 4),
        }


@figure("object_map_requests_per_object", goal=1.1, better=Better.LOWER, unit="requests")
def requests_per_object() -> Measurement:
    """Calls of AWS per copied object, in batches of 100: the copy, and its share of the batch's calls."""
    usages = counted()
    return Measurement(usages["copyObject"].calls_per_object, {name: each.to_detail() for name, each in usages.items()})


@figure("object_map_cost_vs_batch_operations", goal=0.9, better=Better.LOWER, unit="ratio")
def cost_vs_batch_operations() -> Measurement:
    """The price of a million copies over that of the same copies by S3 Batch Operations."""
    ours = counted()["copyObject"].dollars_per_million
    theirs = S3_BATCH_JOB + MILLION * (S3_BATCH_OBJECT + S3_COPY_REQUEST)
    detail = {"objectMap": round(ours, 4), "batchOperations": round(theirs, 4), "compared": BATCH, "leftOut": LEFT_OUT}
    return Measurement(ours / theirs, detail)


@cache
def counted() -> dict[str, ActionUsage]:
    """Each of ACTIONS."""
    with tempfile.TemporaryDirectory() as folder, sandbox(Path(folder)) as stack:
        keys = list(put_weather(stack))[:OBJECTS]
        lines = "".join(json.dumps({"Bucket": stack.bucket, "Key": key}) + "\n" for key in keys)
        stack.s3.put_object(Bucket=stack.bucket, Key=LISTED, Body=lines.encode())
        usages = {name: run_usage(stack.stepfunctions, _run(stack, name, "express")) for name in ACTIONS}
        _use_standard_children(stack)
        return {name: _action_usage(stack, name, usage) for name, usage in usages.items()}


def _action_usage(stack: Sandbox, name: str, usage: RunUsage) -> ActionUsage:
    """The Express run; the same states in Standard children say what they called."""
    calls = _calls_of(stack, _run(stack, name, "standard"))
    objects = calls[f"s3:{name}"]
    if not objects or objects % BATCH_SIZE:
        raise AssertionError(f"not of full batches: {calls}")
    return ActionUsage(usage, calls, objects)


def _run(stack: Sandbox, name: str, folder: str) -> str:
    """Run an action for all objects; returns the execution's ARN."""
    action = json.loads(json.dumps({name: ACTIONS[name]}).replace("output/copies", f"output/{folder}"))
    document = {
        "objects": {"bucket": stack.bucket, "key": LISTED},
        "action": action,
        "batchSize": BATCH_SIZE,
        "maxConcurrency": 1,
    }
    ended = completed(stack, "object_map", document)
    counts = json.loads(ended["output"])["counts"]
    if counts["written"] != OBJECTS:
        raise AssertionError(f"not all objects are done: {counts}")
    return ended["executionArn"]


def _use_standard_children(stack: Sandbox) -> None:
    """Change the deployed machine: the histories of Standard children can be read."""
    described = stack.stepfunctions.describe_state_machine(stateMachineArn=stack.machine_arn("object_map"))
    definition = json.dumps(json.loads(described["definition"]))
    changed = definition.replace('"ExecutionType": "EXPRESS"', '"ExecutionType": "STANDARD"')
    stack.stepfunctions.update_state_machine(stateMachineArn=described["stateMachineArn"], definition=changed)


def _calls_of(stack: Sandbox, execution_arn: str) -> Counter[str]:
    """The calls of a run's children by service and operation."""
    (map_run,) = stack.stepfunctions.list_map_runs(executionArn=execution_arn)["mapRuns"]
    pages = stack.stepfunctions.get_paginator("list_executions").paginate(mapRunArn=map_run["mapRunArn"])
    calls: Counter[str] = Counter()
    for child in (each for page in pages for each in page["executions"]):
        histories = stack.stepfunctions.get_paginator("get_execution_history").paginate(
            executionArn=child["executionArn"]
        )
        for event in (each for page in histories for each in page["events"]):
            if called := event.get("taskScheduledEventDetails"):
                calls[f"{called['resourceType'].rpartition(':')[2]}:{called['resource']}"] += 1
    return calls

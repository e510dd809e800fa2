"""What copying the objects that a query's rows name is charged for, counted in real runs on local AWS."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.figures import Better, Measurement, figure
from bench.runs import RUN_SECONDS, completed
from bench.usage import Requests, RunUsage, run_usage
from demo.weather import DATABASE, PREFIX, TABLE, create_weather_table, put_weather
from sluice_cli.sandbox import Sandbox, sandbox

# Of more children than a thousand, local AWS does not keep the histories.
QUERY = f'SELECT DISTINCT "$path" AS path FROM {TABLE} LIMIT 900'
LEFT_OUT = "the query, and the time that Lambda functions are billed for"
SCALED = "one execution over a million rows: its own part once, its children's by the rows"
COMPARED = "one Standard child per row, of one state: the copy"
ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}
TRUST = {"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"}


@figure("copy_cost_vs_standard", goal=0.1, better=Better.LOWER, unit="ratio")
def copy_cost() -> Measurement:
    """athena_map's requests for a million copied rows over those of one Standard child per row, in dollars."""
    with tempfile.TemporaryDirectory() as folder, sandbox(Path(folder)) as stack:
        put_weather(stack)
        create_weather_table(stack)
        # One at a time: on AWS children do not share the processors of a laptop.
        usage, result = _run(stack, "express", maxConcurrency=1)
        with _standard_children(stack):
            twin, _ = _run(stack, "standard", batchSize=1)
        one_by_one = _one_child_per_row(stack, result)
    requests = _with_requests_of(usage, twin)
    detail = {
        "athenaMap": requests.to_detail(),
        "standard": one_by_one.to_detail(),
        "compared": COMPARED,
        "ratioWithoutS3": float(f"{_without_s3(requests) / _without_s3(one_by_one):.4g}"),
        "scaled": SCALED,
        "leftOut": LEFT_OUT,
    }
    return Measurement(requests.dollars_per_million / one_by_one.dollars_per_million, detail)


def _without_s3(usage: RunUsage) -> float:
    """Dollars per million rows, but for the copies, which are the same for all."""
    return replace(usage.per_million, copies=0, heads=0).dollars


def _run(stack: Sandbox, name: str, **fields: Any) -> tuple[RunUsage, str]:
    """Copy all objects that the query names; also returns the key of its result."""
    destination = {"prefix": f"output/{name}", "keys": {"without": PREFIX}}
    action = {"copyObject": {"source": {"uri": "{path}"}, "destination": destination}}
    ended = completed(stack, "athena_map", {"query": QUERY, "database": DATABASE, "action": action, **fields})
    summary = json.loads(ended["output"])
    if summary["counts"]["written"] != summary["counts"]["read"]:
        raise AssertionError(f"not all rows were copied: {summary['counts']}")
    key = f"{summary['results']['prefix']}query/{summary['query']['id']}.csv"
    return run_usage(stack.stepfunctions, ended["executionArn"]), key


def _with_requests_of(usage: RunUsage, twin: RunUsage) -> RunUsage:
    """The Express run, with the requests to S3 that the same states have made in Standard children."""
    counted = twin.children_requests
    requests = Requests(copies=counted.copies, heads=counted.heads) * (usage.rows / twin.rows)
    return RunUsage(usage.rows, 0, usage.children, usage.own, usage.children_requests + requests)


@contextmanager
def _standard_children(stack: Sandbox) -> Iterator[None]:
    """The deployed machine with Standard children, whose histories can be read."""
    described = stack.stepfunctions.describe_state_machine(stateMachineArn=stack.machine_arn("athena_map"))
    arn, definition = described["stateMachineArn"], described["definition"]
    changed = json.dumps(json.loads(definition)).replace('"ExecutionType": "EXPRESS"', '"ExecutionType": "STANDARD"')
    stack.stepfunctions.update_state_machine(stateMachineArn=arn, definition=changed)
    try:
        yield
    finally:
        stack.stepfunctions.update_state_machine(stateMachineArn=arn, definition=definition)


def _one_child_per_row(stack: Sandbox, result: str) -> RunUsage:
    """The same rows through a machine as one would write it."""
    iam = stack.client("iam")
    role = iam.create_role(RoleName="copies", AssumeRolePolicyDocument=_policy(TRUST))["Role"]["Arn"]
    iam.put_role_policy(RoleName="copies", PolicyName="All", PolicyDocument=_policy(ALL))
    machine = stack.stepfunctions.create_state_machine(
        name="copies", roleArn=role, definition=json.dumps(_machine(stack.bucket, result))
    )
    started = stack.stepfunctions.start_execution(stateMachineArn=machine["stateMachineArn"])
    ended = stack.end_of(started["executionArn"], RUN_SECONDS)
    if ended["status"] != "SUCCEEDED":
        raise AssertionError(f"the comparison ended {ended['status']}: {ended.get('cause')}")
    usage = run_usage(stack.stepfunctions, ended["executionArn"])
    return replace(usage, rows=usage.children)


def _policy(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _machine(bucket: str, result: str) -> dict[str, Any]:
    key = f"{{% 'output/one-by-one/' & $substringAfter($states.input.path, '{PREFIX}') %}}"
    source = "{% $encodeUrlComponent($substringAfter($states.input.path, 's3://')) %}"
    arguments = {"Bucket": bucket, "Key": key, "CopySource": source}
    copy = {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:s3:copyObject", "Arguments": arguments, "End": True}
    rows = {
        "Type": "Map",
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"},
            "Arguments": {"Bucket": bucket, "Key": result},
        },
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": "CopyObject",
            "States": {"CopyObject": copy},
        },
        "ResultWriter": {
            "Resource": "arn:aws:states:::s3:putObject",
            "Arguments": {"Bucket": bucket, "Prefix": "output/one-by-one-results"},
        },
        "Output": {"counts": {"read": 0}},
        "End": True,
    }
    return {"QueryLanguage": "JSONata", "StartAt": "CopyRows", "States": {"CopyRows": rows}}

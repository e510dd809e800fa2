"""Invoke on local AWS: a warm function that does nothing, and the first invocation of a function."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from statistics import median
from typing import Any

import boto3

from bench.figures import Better, Measurement, figure
from bench.object_load import Connection, signed_request
from bench.processes import cpu_seconds
from local_aws.lifecycle import LocalAws, client_environment, running

INVOCATIONS = 500
COLD_FUNCTIONS = 8
ROLE = "arn:aws:iam::000000000000:role/bench"
NO_OP = "def handler(event, context):\n    return None\n"
# What Sluice's functions import, with the clients that they make; the answer is the process's time so far.
COLD = """
import time
import boto3
from aws_lambda_powertools import Logger
logger = Logger(service="bench")
clients = [boto3.client(name) for name in ("dynamodb", "s3")]
def handler(event, context):
    return 1000 * time.process_time()
"""


@figure("local_lambda_invoke_ms", goal=3, better=Better.LOWER, unit="ms")
def warm_invoke() -> Measurement:
    """The median time of Invoke, one after the other over one connection: a warm function that does nothing."""
    with running() as aws:
        client = _client(aws)
        _create(client, "no-op", NO_OP)
        connection = Connection(aws.endpoint_url)
        request = signed_request(client, lambda lambda_: lambda_.invoke(FunctionName="no-op", Payload=b"{}"))
        connection.ask(request)
        before = cpu_seconds(aws.pid)
        taken = []
        for _ in range(INVOCATIONS):
            start = time.perf_counter()
            connection.ask(request)
            taken.append(1000 * (time.perf_counter() - start))
        used = cpu_seconds(aws.pid) - before
        detail = {
            "invocations": INVOCATIONS,
            "slowestOfTwenty": round(sorted(taken)[-INVOCATIONS // 20], 3),
            "serverCpuMilliseconds": round(1000 * used / INVOCATIONS, 3),
        }
        return Measurement(median(taken), detail)


@figure("local_lambda_cold_vs_new_process", goal=4, better=Better.HIGHER, unit="ratio")
def cold_start() -> Measurement:
    """How much more processor time a new interpreter takes for a function's imports than its first invocation here."""
    with running() as aws:
        client = _client(aws)
        for number in range(COLD_FUNCTIONS + 1):
            _create(client, f"cold-{number}", COLD)
        forked = [_invoke(client, f"cold-{number}") for number in range(COLD_FUNCTIONS + 1)][1:]
        started = [_new_process(aws) for _ in range(COLD_FUNCTIONS)]
    detail = {
        "functions": COLD_FUNCTIONS,
        "imports": "boto3 and Powertools, with clients of DynamoDB and S3",
        "workerCpuMilliseconds": [round(each, 1) for each in forked],
        "newProcessCpuMilliseconds": [round(each, 1) for each in started],
    }
    return Measurement(median(started) / median(forked), detail)


def _new_process(aws: LocalAws) -> float:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "index.py").write_text(COLD)
        command = [sys.executable, "-c", "import index; print(index.handler(None, None))"]
        environment = {"PATH": os.environ["PATH"], **client_environment(aws)}
        done = subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    return float(done.stdout)


def _client(aws: LocalAws) -> Any:
    environment = client_environment(aws)
    return boto3.client(
        "lambda",
        endpoint_url=aws.endpoint_url,
        region_name=aws.region,
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
    )


def _create(client: Any, name: str, source: str) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("index.py", source)
    code = {"ZipFile": content.getvalue()}
    client.create_function(
        FunctionName=name, Runtime="python3.12", Role=ROLE, Handler="index.handler", Code=code, Timeout=60
    )


def _invoke(client: Any, name: str) -> float:
    answer = client.invoke(FunctionName=name, Payload=b"{}")
    if "FunctionError" in answer:
        raise AssertionError(answer["Payload"].read())
    return float(json.loads(answer["Payload"].read()))

"""How long `sluice local up` takes: against ministack as it comes, and with a data directory that holds a table."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import boto3

from bench.figures import Better, Measurement, figure
from bench.processes import cpu_seconds
from local_aws.lifecycle import LocalAws, client_environment
from sluice_cli import local

ROUNDS = 5
ITEMS = 100_000
BATCH_ITEMS = 25
DEADLINE_SECONDS = 60
UP = (
    "import sys; from pathlib import Path; from sluice_cli.main import main; "
    "from sluice_cli.surroundings import Surroundings; "
    "sys.exit(main(['local', 'up', '--detach', *sys.argv[2:]], Surroundings(root=Path(sys.argv[1]))))"
)


@figure("local_up_seconds", goal=2, better=Better.LOWER, unit="s")
def local_up() -> Measurement:
    """From the command to its end, with the server answering; the best of several, as the first one fills caches."""
    with TemporaryDirectory() as root:
        rounds = [_up(Path(root)) for _ in range(ROUNDS)]
    best, server_cpu = min(rounds)
    return Measurement(
        best,
        {
            "rounds": ROUNDS,
            "serverCpuSeconds": round(server_cpu, 2),
            "ministackSeconds": round(min(_ministack_seconds() for _ in range(ROUNDS)), 2),
            "pythonSeconds": round(min(_timed(_start_python) for _ in range(ROUNDS)), 2),
            **_with_data(),
        },
    )


def _up(root: Path, *options: str) -> tuple[float, float]:
    """The command's seconds, and the processor seconds that the server had used when it answered."""
    seconds = _timed(lambda: _run_up(root, *options))
    aws = local.require(root)
    used = cpu_seconds(aws.pid)
    local.down(root)
    return seconds, used


def _run_up(root: Path, *options: str) -> None:
    subprocess.run([sys.executable, "-c", UP, str(root), *options], check=True, capture_output=True)


def _start_python() -> None:
    subprocess.run([sys.executable, "-c", "pass"], check=True)


def _with_data() -> dict[str, Any]:
    """What a data directory costs: `up` with a table of many small items in it, and `down`, which saves them."""
    with TemporaryDirectory() as directory:
        root, data = Path(directory) / "project", Path(directory) / "data"
        root.mkdir()
        aws, _ = local.up(root, outlive_caller=True, data=data)
        _put_items(aws)
        saving = _timed(lambda: local.down(root))
        loading = _timed(lambda: _run_up(root, "--data", str(data)))
        local.down(root)
        size = (data / "state").stat().st_size
    return {
        "itemsInDataDirectory": ITEMS,
        "megabytesInDataDirectory": round(size / 1_000_000, 1),
        "downWithDataSeconds": round(saving, 2),
        "upWithDataSeconds": round(loading, 2),
    }


def _put_items(aws: LocalAws) -> None:
    environment = client_environment(aws)
    client = boto3.client(
        "dynamodb",
        endpoint_url=aws.endpoint_url,
        region_name=aws.region,
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
    )
    client.create_table(
        TableName="items",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    for first in range(0, ITEMS, BATCH_ITEMS):
        puts: Any = [{"PutRequest": {"Item": _item(number)}} for number in range(first, first + BATCH_ITEMS)]
        client.batch_write_item(RequestItems={"items": puts})


def _item(number: int) -> dict[str, Any]:
    texts = {name: {"S": f"{name} {number % 100}"} for name in ("carrier", "origin", "destination", "tail")}
    return {"id": {"S": str(number)}, "distance": {"N": str(number % 5_000)}, **texts}


def _ministack_seconds() -> float:
    """ministack itself, which imports a service when it is first called, until its health path answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "DOCKER_HOST": "unix:///nonexistent",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "LOG_LEVEL": "WARNING",
    }
    command = [sys.executable, "-m", "ministack"]
    since = time.perf_counter()
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_for(f"http://127.0.0.1:{port}/_ministack/health")
            return time.perf_counter() - since
        finally:
            process.kill()


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except (urllib.error.URLError, OSError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _timed(call: Callable[[], object]) -> float:
    since = time.perf_counter()
    call()
    return time.perf_counter() - since

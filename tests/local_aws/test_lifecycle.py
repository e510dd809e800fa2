import io
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from local_aws import (
    LocalAws,
    PortTakenError,
    StartFailedError,
    client_environment,
    is_running,
    running,
    start,
    stop,
)
from tests.local_aws.sessions import session_of

DEADLINE_SECONDS = 60


def wait_until_deleted(local_aws: LocalAws) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while is_running(local_aws) or local_aws.directory.exists():
        assert time.monotonic() < deadline, "local AWS is still there"
        time.sleep(0.02)


def test_started_server_answers_until_it_is_stopped() -> None:
    local_aws = start()
    with urllib.request.urlopen(f"{local_aws.endpoint_url}/_ministack/health") as answer:
        assert answer.status == 200
    assert is_running(local_aws)

    stop(local_aws)

    assert not is_running(local_aws)
    assert not local_aws.directory.exists()


def test_stop_is_harmless_when_the_server_has_ended(local_aws: LocalAws) -> None:
    with running() as short_lived:
        pass
    stop(short_lived)
    assert is_running(local_aws)


def test_taken_port_is_named(local_aws: LocalAws) -> None:
    with pytest.raises(PortTakenError, match=str(local_aws.port)):
        start(port=local_aws.port)


def test_address_that_is_not_this_machines_is_named() -> None:
    with pytest.raises(StartFailedError, match="cannot listen on"):
        start(bind_host="192.0.2.1")


def test_server_that_ends_before_it_is_ready_shows_its_log() -> None:
    with pytest.raises(StartFailedError, match="did not answer"):
        start(ready_timeout_seconds=0)


def test_another_process_with_the_same_pid_is_distinguished(local_aws: LocalAws, tmp_path: Path) -> None:
    assert not is_running(replace(local_aws, directory=tmp_path))


def test_sigterm_ends_the_server_and_removes_its_directory() -> None:
    local_aws = start()
    os.kill(local_aws.pid, signal.SIGTERM)
    wait_until_deleted(local_aws)
    stop(local_aws)


def worker_of(local_aws: LocalAws) -> int:
    """The process id of a Lambda worker that has begun to serve a long invocation."""
    functions = session_of(local_aws).client("lambda", endpoint_url=local_aws.endpoint_url)
    package = io.BytesIO()
    source = "import os, time\ndef handler(e, c):\n    time.sleep(e)\n    return os.getpid()"
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("index.py", source)
    functions.create_function(
        FunctionName="sleeper",
        Runtime="python3.13",
        Role="arn:aws:iam::000000000000:role/local",
        Handler="index.handler",
        Timeout=60,
        Code={"ZipFile": package.getvalue()},
    )
    pid = int(json.load(functions.invoke(FunctionName="sleeper", Payload="0")["Payload"]))
    functions.invoke(FunctionName="sleeper", Payload="60", InvocationType="Event")
    return pid


def wait_until_dead(pid: int) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    raise AssertionError(f"process {pid} is still there")


@pytest.mark.parametrize("end", ["stop", signal.SIGTERM, signal.SIGKILL])
def test_lambda_workers_end_with_the_server(end: str | signal.Signals) -> None:
    local_aws = start()
    try:
        worker = worker_of(local_aws)
        if isinstance(end, signal.Signals):
            os.kill(local_aws.pid, end)
        else:
            stop(local_aws)
        wait_until_dead(worker)
    finally:
        stop(local_aws)


@pytest.mark.parametrize("outlive_caller", [False, True])
def test_server_outlives_its_caller_only_on_request(outlive_caller: bool, tmp_path: Path) -> None:
    script = (
        "import local_aws, os\n"
        f"started = local_aws.start(outlive_caller={outlive_caller})\n"
        "print(started.port, started.pid, started.directory, flush=True)\n"
        "os._exit(0)\n"
    )
    root = Path(__file__).resolve().parents[2]
    answer = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True)
    port, pid, directory = answer.stdout.split()
    local_aws = LocalAws(f"http://127.0.0.1:{port}", int(port), int(pid), Path(directory))
    try:
        if outlive_caller:
            time.sleep(0.3)
            assert is_running(local_aws)
        else:
            wait_until_deleted(local_aws)
    finally:
        stop(local_aws)


def test_every_address_keeps_loopback_for_lambda_workers() -> None:
    with running(bind_host="0.0.0.0") as local_aws:
        assert local_aws.endpoint_url == f"http://127.0.0.1:{local_aws.port}"
        with urllib.request.urlopen(f"{local_aws.endpoint_url}/_ministack/health") as answer:
            assert answer.status == 200


def test_client_environment_names_this_server_only(local_aws: LocalAws) -> None:
    environment = client_environment(local_aws)
    assert environment["AWS_ENDPOINT_URL"] == local_aws.endpoint_url
    assert environment["AWS_REGION"] == environment["AWS_DEFAULT_REGION"] == local_aws.region

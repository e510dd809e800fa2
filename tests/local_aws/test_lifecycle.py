import os
import signal
import subprocess
import sys
import time
import urllib.request
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


def wait_until_gone(local_aws: LocalAws) -> None:
    deadline = time.monotonic() + 10
    while is_running(local_aws) or local_aws.directory.exists():
        assert time.monotonic() < deadline, "local AWS is still there"
        time.sleep(0.02)


def test_started_server_answers_and_is_gone_after_stop() -> None:
    local_aws = start()
    with urllib.request.urlopen(f"{local_aws.endpoint_url}/_ministack/health") as answer:
        assert answer.status == 200
    assert is_running(local_aws)

    stop(local_aws)

    assert not is_running(local_aws)
    assert not local_aws.directory.exists()


def test_stop_is_harmless_when_the_server_is_gone(local_aws: LocalAws) -> None:
    with running() as short_lived:
        pass
    stop(short_lived)
    assert is_running(local_aws)


def test_taken_port_is_named(local_aws: LocalAws) -> None:
    with pytest.raises(PortTakenError, match=str(local_aws.port)):
        start(port=local_aws.port)


def test_address_that_is_not_this_machines_is_named() -> None:
    with pytest.raises(StartFailedError, match="192.0.2.1"):
        start(bind_host="192.0.2.1")


def test_server_that_ends_before_it_is_ready_shows_its_log() -> None:
    with pytest.raises(StartFailedError, match="did not answer"):
        start(ready_timeout_seconds=0)


def test_another_process_with_the_same_pid_is_told_apart(local_aws: LocalAws, tmp_path: Path) -> None:
    assert not is_running(replace(local_aws, directory=tmp_path))


def test_sigterm_ends_the_server_and_removes_its_directory() -> None:
    local_aws = start()
    os.kill(local_aws.pid, signal.SIGTERM)
    wait_until_gone(local_aws)
    stop(local_aws)


@pytest.mark.parametrize("outlive_caller", [False, True])
def test_server_outlives_its_caller_only_when_asked(outlive_caller: bool, tmp_path: Path) -> None:
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
            wait_until_gone(local_aws)
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

"""Execution environments of Lambda functions: forked from a warm parent, each as fresh as an own interpreter."""

import io
import json
import os
import signal
import subprocess
import sys
import uuid
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

from local_aws import LocalAws
from local_aws.lambda_functions.zygotes import KEPT_ZYGOTES

ROLE = "arn:aws:iam::000000000000:role/local"
Files = dict[str, str]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux only")


@pytest.fixture
def create(client: Callable[[str], Any]) -> Callable[..., str]:
    """Creates a function of these files and returns its name."""

    def created(files: Files | str, *, variables: dict[str, str] | None = None, **settings: Any) -> str:
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            for path, text in ({"index.py": files} if isinstance(files, str) else files).items():
                archive.writestr(path, text)
        name = f"t-{uuid.uuid4().hex[:12]}"
        client("lambda").create_function(
            FunctionName=name,
            Runtime="python3.13",
            Role=ROLE,
            Handler="index.handler",
            Code={"ZipFile": content.getvalue()},
            Environment={"Variables": variables or {}},
            **{"Timeout": 60, **settings},
        )
        return name

    return created


@pytest.fixture
def invoke(client: Callable[[str], Any]) -> Callable[[str], Any]:
    """Invokes a function and returns its answer."""
    return lambda name: json.load(client("lambda").invoke(FunctionName=name)["Payload"])


@pytest.fixture
def call(create: Callable[..., str], invoke: Callable[[str], Any]) -> Callable[..., Any]:
    """Creates a function of these files, invokes it once, and returns its answer."""
    return lambda files, **settings: invoke(create(files, **settings))


def test_functions_share_a_warm_parent_which_has_boto3(call: Callable[..., Any], local_aws: LocalAws) -> None:
    source = "import os, sys\ndef handler(e, c): return [os.getppid(), 'boto3' in sys.modules]"
    (parent, has_boto3), other = call(source), call(source)
    assert has_boto3
    assert other == [parent, True]
    assert parent != local_aws.pid


def test_what_one_function_changes_in_a_library_no_other_sees(call: Callable[..., Any]) -> None:
    source = "import boto3\nseen = getattr(boto3, 'seen', 0)\nboto3.seen = seen + 1\ndef handler(e, c): return seen"
    assert [call(source), call(source)] == [0, 0]


def test_random_numbers_differ_between_environments(call: Callable[..., Any]) -> None:
    source = "import random, uuid\ndef handler(e, c): return [random.random(), str(uuid.uuid4())]"
    first, second = call(source), call(source)
    assert first[0] != second[0]
    assert first[1] != second[1]


def test_environment_has_the_functions_variables_and_no_others(call: Callable[..., Any]) -> None:
    source = "import os\ndef handler(e, c): return dict(os.environ)"
    assert call(source, variables={"ONLY_FIRST": "1"})["ONLY_FIRST"] == "1"
    second = call(source)
    assert "ONLY_FIRST" not in second
    assert not {"LOCAL_AWS_FAULT_INJECTION", "GATEWAY_PORT"} & second.keys()


def test_temporary_files_have_a_directory_of_their_own(call: Callable[..., Any]) -> None:
    source = (
        "import os, tempfile\n"
        "def handler(e, c):\n"
        "    open(os.path.join(tempfile.gettempdir(), 'mine'), 'w').close()\n"
        "    return [tempfile.gettempdir(), os.environ['HOME'], os.listdir(tempfile.gettempdir())]\n"
    )
    (first, home, files), second = call(source), call(source)
    assert first == home != second[0]
    assert files == second[2] == ["mine"]


def test_no_socket_of_the_server_is_open(call: Callable[..., Any]) -> None:
    source = (
        "import os\n"
        "def target(number):\n"
        "    try: return os.readlink(f'/proc/self/fd/{number}')\n"
        "    except FileNotFoundError: return ''\n"
        "def handler(e, c): return [target(number) for number in os.listdir('/proc/self/fd')]\n"
    )
    assert not [each for each in call(source) if each.startswith("socket:")]


def test_memory_is_limited_by_the_functions_setting(call: Callable[..., Any]) -> None:
    source = "def handler(e, c): return len(bytearray(700 * 1024 * 1024))"
    assert call(source, MemorySize=128)["errorType"] == "MemoryError"
    assert call(source, MemorySize=1024) == 700 * 1024 * 1024


@pytest.mark.parametrize("module", ["boto3", "statistics", "worker_main"])
def test_packages_own_module_goes_before_an_installed_one(call: Callable[..., Any], module: str) -> None:
    source = f"import {module}\ndef handler(e, c): return {module}.OWN"
    assert call({"index.py": source, f"{module}.py": "OWN = 'own'"}) == "own"


def test_modules_of_the_emulator_are_not_found(call: Callable[..., Any]) -> None:
    assert call("import packages\ndef handler(e, c): pass")["errorType"] == "Runtime.ImportModuleError"


def test_variable_that_the_interpreter_reads_at_its_start_counts(call: Callable[..., Any]) -> None:
    command = [sys.executable, "-c", "print(hash('text'))"]
    expected = int(subprocess.check_output(command, env={"PYTHONHASHSEED": "7"}))
    assert call("def handler(e, c): return hash('text')", variables={"PYTHONHASHSEED": "7"}) == expected


def test_variable_that_a_library_reads_when_it_is_imported_counts(call: Callable[..., Any]) -> None:
    source = "from botocore.compat import HAS_CRT\ndef handler(e, c): return HAS_CRT"
    assert call(source, variables={"BOTO_DISABLE_CRT": "true"}) is False


def test_exit_code_of_a_worker_is_reported(call: Callable[..., Any]) -> None:
    assert "exit status 3" in call("import sys\ndef handler(e, c): sys.exit(3)")["errorMessage"]


def test_functions_continue_when_their_parent_was_killed(call: Callable[..., Any]) -> None:
    source = "import os\ndef handler(e, c): return os.getppid()"
    os.kill(call(source), signal.SIGKILL)
    assert call("def handler(e, c): return 'done'") == "done"
    assert call(source) > 0


def test_worker_outlives_the_retirement_of_its_parent(
    create: Callable[..., str], invoke: Callable[[str], Any], local_aws: LocalAws
) -> None:
    source = "import os, six\ndef handler(e, c): return [six.OWN, os.getpid(), os.getppid()]"
    names = [create({"index.py": source, "six.py": f"OWN = {number}"}) for number in range(KEPT_ZYGOTES + 1)]
    answers = [invoke(name) for name in names]
    assert [own for own, _, _ in answers] == list(range(KEPT_ZYGOTES + 1))
    assert len({parent for _, _, parent in answers} | {local_aws.pid}) == KEPT_ZYGOTES + 2
    assert invoke(names[0]) == answers[0]

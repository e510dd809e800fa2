"""Lambda functions, invoked by state machines and directly, on a started local AWS."""

import io
import json
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from local_aws import LocalAws, faults
from local_aws.stepfunctions.lambda_calls import CONCURRENT_INVOCATIONS

Run = Callable[..., dict[str, Any]]
Function = Callable[..., str]
DEADLINE_SECONDS = 60


def invoke(name: str, **fields: Any) -> dict[str, Any]:
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": {"FunctionName": name, "Payload": "{% $states.input %}"},
        **fields,
    }


def test_result_comes_with_what_invoke_says(function: Function, run_state: Run) -> None:
    output = run_state(invoke(function("def handler(e, c): return {'got': e}")), [1])["output"]
    assert output["Payload"] == {"got": [1]}
    assert (output["StatusCode"], output["ExecutedVersion"]) == (200, "$LATEST")
    assert output["SdkHttpMetadata"]["HttpStatusCode"] == 200


def test_exception_has_its_class_name(function: Function, run_state: Run) -> None:
    source = "class OddInputError(Exception): pass\ndef handler(e, c): raise OddInputError('field x')"
    ended = run_state(invoke(function(source)))
    assert ended["error"] == "OddInputError"
    cause = json.loads(ended["cause"])
    assert set(cause) == {"errorMessage", "errorType", "requestId", "stackTrace"}
    assert (cause["errorMessage"], cause["errorType"]) == ("field x", "OddInputError")
    assert "raise OddInputError" in cause["stackTrace"][0]


@pytest.mark.parametrize(
    ("source", "handler", "error"),
    [
        ("import no_such_module\ndef handler(e, c): pass", "index.handler", "Runtime.ImportModuleError"),
        ("def other(e, c): pass", "index.handler", "Runtime.HandlerNotFound"),
        ("def handler(:", "index.handler", "Runtime.UserCodeSyntaxError"),
        ("raise KeyError('setting')\ndef handler(e, c): pass", "index.handler", "KeyError"),
        ("def handler(e, c): return {1, 2}", "index.handler", "Runtime.MarshalError"),
    ],
)
def test_functions_that_cannot_answer_are_distinguished(
    function: Function, run_state: Run, source: str, handler: str, error: str
) -> None:
    assert run_state(invoke(function(source, handler=handler)))["error"] == error


def test_function_that_takes_too_long(function: Function, run_state: Run) -> None:
    source = "import time\ndef handler(e, c): time.sleep(30)"
    ended = run_state(invoke(function(source, Timeout=1)))
    assert ended["error"] == "Sandbox.Timedout"
    assert "Task timed out after 1.00 seconds" in json.loads(ended["cause"])["errorMessage"]


def test_task_that_takes_too_long(function: Function, run_state: Run) -> None:
    source = "import time\ndef handler(e, c): time.sleep(5)"
    assert run_state(invoke(function(source, Timeout=10), TimeoutSeconds=1))["error"] == "States.Timeout"


def test_waiting_for_a_free_process_is_not_part_of_the_tasks_time(function: Function, run_state: Run) -> None:
    name = function("import time\ndef handler(e, c):\n    time.sleep(2)\n    return 1", Timeout=DEADLINE_SECONDS)
    task = invoke(name, TimeoutSeconds=8, Output="{% $states.result.Payload %}", End=True)
    config = {"Mode": "INLINE"}
    count = 5 * CONCURRENT_INVOCATIONS
    state = {
        "Type": "Map",
        "Items": f"{{% [1..{count}] %}}",
        "ItemProcessor": {"ProcessorConfig": config, "StartAt": "Call", "States": {"Call": task}},
    }
    assert run_state(state)["output"] == [1] * count


def test_process_that_exits(function: Function, run_state: Run) -> None:
    ended = run_state(invoke(function("import os\ndef handler(e, c): os._exit(3)")))
    assert ended["error"] == "Lambda.Unknown"
    assert "exit status 3" in ended["cause"]


def test_reserved_concurrency_throttles(function: Function, run_state: Run, client: Callable[[str], Any]) -> None:
    name = function("def handler(e, c): return 1")
    client("lambda").put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    assert run_state(invoke(name))["error"] == "Lambda.TooManyRequestsException"


def test_killed_worker_is_replaced(function: Function, run_state: Run, local_aws: LocalAws) -> None:
    name = function("import time\ndef handler(e, c):\n    time.sleep(0.3)\n    return 'done'")
    retrier = {"ErrorEquals": ["Lambda.Unknown"], "IntervalSeconds": 1, "MaxAttempts": 1}
    faults.kill_worker(local_aws, name, after_seconds=0.1)
    ended = run_state(invoke(name, Retry=[retrier], Output="{% $states.result.Payload %}"))
    assert ended["output"] == "done"


def test_exception_leaves_the_worker_alive(function: Function, client: Callable[[str], Any]) -> None:
    name = function("import os\ndef handler(e, c):\n    if e: raise ValueError\n    return os.getpid()")

    def call(event: Any) -> Any:
        return json.load(client("lambda").invoke(FunctionName=name, Payload=json.dumps(event))["Payload"])

    first = call(None)
    assert call("raise")["errorType"] == "ValueError"
    assert call(None) == first


def test_invocations_run_side_by_side_in_own_processes(
    function: Function, client: Callable[[str], Any], tmp_path: Path
) -> None:
    # Each waits for the others.
    source = (
        "import os, time\n"
        "def handler(folder, c):\n"
        "    open(f'{folder}/{c.aws_request_id}', 'w').close()\n"
        "    while len(os.listdir(folder)) < 3: time.sleep(0.01)\n"
        "    return os.getpid()\n"
    )
    name = function(source, Timeout=DEADLINE_SECONDS)

    def call(_number: int) -> Any:
        payload = json.dumps(str(tmp_path))
        return json.load(client("lambda").invoke(FunctionName=name, Payload=payload)["Payload"])

    with ThreadPoolExecutor(3) as pool:
        assert len(set(pool.map(call, range(3)))) == 3


def test_function_talks_to_this_server_and_has_a_directory_of_its_own(
    function: Function, client: Callable[[str], Any], local_aws: LocalAws
) -> None:
    source = (
        "import os, tempfile\n"
        "def handler(e, c):\n"
        "    names = ('AWS_ENDPOINT_URL', 'AWS_REGION', 'AWS_LAMBDA_FUNCTION_NAME', 'MINE', 'GATEWAY_PORT')\n"
        "    return {'env': {n: os.environ.get(n) for n in names}, 'tmp': tempfile.gettempdir(),\n"
        "            'left': c.get_remaining_time_in_millis(), 'id': bool(c.aws_request_id)}\n"
    )
    name = function(source, Environment={"Variables": {"MINE": "1"}}, Timeout=700)
    answer = json.load(client("lambda").invoke(FunctionName=name)["Payload"])
    assert answer["env"] == {
        "AWS_ENDPOINT_URL": local_aws.endpoint_url,
        "AWS_REGION": local_aws.region,
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "MINE": "1",
        "GATEWAY_PORT": None,
    }
    assert answer["tmp"].startswith(str(local_aws.directory))
    assert 600_000 < answer["left"] <= 700_000
    assert answer["id"]


def test_what_a_function_prints_is_in_its_log(function: Function, client: Callable[[str], Any]) -> None:
    name = function("def handler(e, c): print('hello from inside')")
    client("lambda").invoke(FunctionName=name)
    messages: list[str] = []
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline and not any("hello from inside" in text for text in messages):
        events = client("logs").filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
        messages = [event["message"] for event in events]
    assert any("hello from inside" in text for text in messages)


def test_new_code_is_used_at_once(function: Function, client: Callable[[str], Any]) -> None:
    name = function("def handler(e, c): return 1")
    assert json.load(client("lambda").invoke(FunctionName=name)["Payload"]) == 1
    client("lambda").update_function_code(FunctionName=name, ZipFile=_package("def handler(e, c): return 2"))
    assert json.load(client("lambda").invoke(FunctionName=name)["Payload"]) == 2


@pytest.mark.parametrize("change", ["update", "delete"])
def test_running_invocation_outlives_a_change_of_its_function(
    function: Function, client: Callable[[str], Any], tmp_path: Path, change: str
) -> None:
    source = (
        "import os, time\n"
        "def handler(folder, c):\n"
        "    open(f'{folder}/started', 'w').close()\n"
        "    while not os.path.exists(f'{folder}/go'): time.sleep(0.01)\n"
        "    return 'old'\n"
    )
    name = function(source, Timeout=DEADLINE_SECONDS)
    lambda_client = client("lambda")
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(lambda_client.invoke, FunctionName=name, Payload=json.dumps(str(tmp_path)))
        while not (tmp_path / "started").exists():
            assert not running.done()
            time.sleep(0.01)
        if change == "delete":
            lambda_client.delete_function(FunctionName=name)
        else:
            lambda_client.update_function_code(FunctionName=name, ZipFile=_package("def handler(e, c): return 'new'"))
            assert json.load(lambda_client.invoke(FunctionName=name)["Payload"]) == "new"
        (tmp_path / "go").touch()
        answer = running.result()
    assert json.load(answer["Payload"]) == "old"
    assert "FunctionError" not in answer


def _package(source: str) -> bytes:
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("index.py", source)
    return package.getvalue()

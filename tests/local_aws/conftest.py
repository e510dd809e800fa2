"""One local AWS for all tests of this folder, clients of it, and what the tests run on it."""

import io
import json
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.config import Config

from local_aws import LocalAws, running
from tests.local_aws.exporting import Exporting
from tests.local_aws.querying import Querying
from tests.local_aws.sessions import session_of

ROLE = "arn:aws:iam::000000000000:role/local"
DEADLINE_SECONDS = 120

Client = Callable[[str], Any]
Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def local_aws() -> Iterator[LocalAws]:
    with running(fault_injection=True) as started:
        yield started


@pytest.fixture(scope="session")
def exporting() -> Iterator[Exporting]:
    """A local AWS of its own, as its clock is put forward."""
    with running(fault_injection=True) as started:
        yield Exporting(started)


@pytest.fixture(scope="session")
def client(local_aws: LocalAws) -> Client:
    """Clients without retries, so that a test sees the answer itself."""
    session = session_of(local_aws)
    config = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}, inject_host_prefix=False)
    clients: dict[str, Any] = {}

    def get(service: str) -> Any:
        if service not in clients:
            clients[service] = session.client(service, endpoint_url=local_aws.endpoint_url, config=config)
        return clients[service]

    return get


@pytest.fixture
def name() -> str:
    """A name that no other test uses."""
    return f"t-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def bucket(client: Client, name: str) -> str:
    client("s3").create_bucket(Bucket=name)
    return name


@pytest.fixture
def querying(client: Client, bucket: str) -> Querying:
    return Querying(client, bucket)


@pytest.fixture
def table(client: Client, name: str) -> str:
    client("dynamodb").create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
    )
    return name


@pytest.fixture
def function(client: Client, name: str) -> Callable[..., str]:
    """Creates a Python function from its source and returns its name."""

    def create(source: str, *, handler: str = "index.handler", **settings: Any) -> str:
        package = io.BytesIO()
        with zipfile.ZipFile(package, "w") as archive:
            archive.writestr("index.py", source)
        client("lambda").create_function(
            FunctionName=name,
            Runtime="python3.13",
            Role=ROLE,
            Handler=handler,
            Code={"ZipFile": package.getvalue()},
            **settings,
        )
        return name

    return create


@pytest.fixture
def start_machine(client: Client, name: str) -> Callable[..., str]:
    """Creates a state machine and starts it; returns the execution's ARN."""

    def start(definition: dict[str, Any], data: Any = None) -> str:
        machine = client("stepfunctions").create_state_machine(
            name=f"{name}-{uuid.uuid4().hex[:6]}",
            definition=json.dumps({"QueryLanguage": "JSONata", **definition}),
            roleArn=ROLE,
        )
        started = client("stepfunctions").start_execution(
            stateMachineArn=machine["stateMachineArn"], input=json.dumps({} if data is None else data)
        )
        return str(started["executionArn"])

    return start


@pytest.fixture
def ended(client: Client) -> Run:
    """Waits for an execution's end; its output is parsed."""

    def wait(execution_arn: str) -> dict[str, Any]:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < deadline:
            execution: dict[str, Any] = client("stepfunctions").describe_execution(executionArn=execution_arn)
            if execution["status"] != "RUNNING":
                if "output" in execution:
                    execution["output"] = json.loads(execution["output"])
                return execution
            time.sleep(0.02)
        raise AssertionError(f"{execution_arn} is still running")

    return wait


@pytest.fixture
def run_machine(start_machine: Callable[..., str], ended: Run) -> Run:
    """Creates a state machine, runs it, and returns how it ended."""
    return lambda definition, data=None: ended(start_machine(definition, data))


@pytest.fixture
def run_state(run_machine: Run) -> Run:
    """Runs a machine of this one state."""

    def run(state: dict[str, Any], data: Any = None) -> dict[str, Any]:
        ending = {} if state["Type"] in ("Fail", "Succeed", "Choice") else {"End": True}
        return run_machine({"StartAt": "Only", "States": {"Only": {**state, **ending}}}, data)

    return run

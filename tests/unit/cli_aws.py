"""What the command line's tests stand on: botocore stubs, a clock that moves by waiting, plain streams."""

import fcntl
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from botocore.stub import Stubber

from local_aws.access.credentials import RootCredentials
from local_aws.lifecycle import LocalAws
from local_aws.run_directory import LOCK_FILE
from sluice_cli.aws import Aws, Target
from sluice_cli.local_state import Started
from sluice_cli.main import main
from sluice_cli.surroundings import Clock, Surroundings

STATES = "arn:aws:states:eu-west-1:111122223333"
MACHINE = f"{STATES}:stateMachine:CsvLoad"
DIRECT_MACHINE = f"{STATES}:stateMachine:CsvLoadDirect"
EXECUTION = f"{STATES}:execution:CsvLoad:july"
MAP_RUN = f"{STATES}:mapRun:CsvLoad/LoadRanges:4f5a"
LATER_MAP_RUN = f"{STATES}:mapRun:CsvLoad/MergeRejects:77b1"
STARTED = datetime(2026, 7, 1, 12, tzinfo=UTC)
CREDENTIALS = RootCredentials("AKIALOCAL", "local-secret")
OUTPUTS = {
    "DataBucket": "data",
    "CsvLoadDirectStateMachineArn": DIRECT_MACHINE,
    "CsvLoadStateMachineArn": MACHINE,
    "ExportLedgerTable": "ledger",
}
SUMMARY: dict[str, Any] = {
    "workflow": "csv_load",
    "status": "PARTIAL",
    "execution": "july",
    "counts": {"read": 28298, "written": 28290, "skipped": 0, "rejected": 8, "failed": 0},
    "capacity": {"readUnits": 0, "writeUnits": 56580.5},
    "results": {"bucket": "data", "prefix": "csv_load/july/"},
    "rejects": {"key": "csv_load/july/rejects.jsonl", "reasons": {"KeyEmpty": 3, "RowRagged": 5}},
    "failures": None,
    "error": None,
}


@dataclass
class FakeTime:
    """A clock whose time passes only in sleep, which may do something else, too."""

    seconds: float = 0
    pauses: list[float] = field(default_factory=list)
    on_sleep: Callable[[], None] = lambda: None

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.seconds += seconds
        self.on_sleep()

    @property
    def clock(self) -> Clock:
        return Clock(lambda: self.seconds, self.sleep)


@dataclass
class StubbedAws:
    """Clients that answer only expected calls."""

    aws: Aws
    cloudformation: Stubber
    stepfunctions: Stubber
    s3: Stubber
    functions: Stubber
    dynamodb: Stubber
    logs: Stubber

    @classmethod
    def make(cls, target: Target) -> "StubbedAws":
        session = _session()
        logs = session.client("logs")
        aws = Aws(
            target,
            session.client("cloudformation"),
            session.client("stepfunctions"),
            session.client("s3"),
            session.client("lambda"),
            session.client("dynamodb"),
            lambda: logs,
        )
        clients = (aws.cloudformation, aws.stepfunctions, aws.s3, aws.functions, aws.dynamodb, logs)
        return cls(aws, *(Stubber(client) for client in clients))

    @property
    def stubs(self) -> tuple[Stubber, ...]:
        return self.cloudformation, self.stepfunctions, self.s3, self.functions, self.dynamodb, self.logs

    def expect_stack(
        self,
        outputs: dict[str, str] | None = None,
        name: str = "sluice",
        parameters: dict[str, str] | None = None,
        now: datetime = STARTED,
    ) -> None:
        given = [{"ParameterKey": key, "ParameterValue": value} for key, value in (parameters or {}).items()]
        found = [
            {"OutputKey": key, "OutputValue": value} for key, value in (OUTPUTS if outputs is None else outputs).items()
        ]
        stack = {
            "StackName": name,
            "CreationTime": STARTED,
            "StackStatus": "CREATE_COMPLETE",
            "Outputs": found,
            "Parameters": given,
        }
        metadata = {"HTTPHeaders": {"date": format_datetime(now, usegmt=True)}}
        answer = {"Stacks": [stack], "ResponseMetadata": metadata}
        self.cloudformation.add_response("describe_stacks", answer, {"StackName": name})

    def expect_start(self, input_json: str) -> None:
        self.stepfunctions.add_response(
            "start_execution",
            {"executionArn": EXECUTION, "startDate": STARTED},
            {"stateMachineArn": MACHINE, "name": "july", "input": input_json},
        )

    def expect_execution(self, status: str, arn: str = EXECUTION, **more: str) -> None:
        answer = {
            "executionArn": arn,
            "stateMachineArn": MACHINE,
            "status": status,
            "startDate": STARTED,
            "stopDate": STARTED + timedelta(seconds=75),
        }
        self.stepfunctions.add_response("describe_execution", answer | more, {"executionArn": arn})

    def expect_map_runs(self, *arns: str) -> None:
        """Listed newest first."""
        listed = [
            {
                "executionArn": EXECUTION,
                "mapRunArn": arn,
                "stateMachineArn": MACHINE,
                "startDate": STARTED + timedelta(seconds=position),
            }
            for position, arn in enumerate(arns)
        ]
        self.stepfunctions.add_response("list_map_runs", {"mapRuns": listed[::-1]}, {"executionArn": EXECUTION})

    def expect_map_run(self, status: str, arn: str = MAP_RUN, **counts: int) -> None:
        self.stepfunctions.add_response(
            "describe_map_run", map_run_description(status, arn, **counts), {"mapRunArn": arn}
        )


def map_run_description(status: str, arn: str = MAP_RUN, **counts: int) -> Any:
    """DescribeMapRun's answer; counts left out are 0."""
    names = ("pending", "running", "succeeded", "failed", "timedOut", "aborted", "total", "resultsWritten")
    all_counts = dict.fromkeys(names, 0) | counts
    return {
        "mapRunArn": arn,
        "executionArn": EXECUTION,
        "status": status,
        "startDate": STARTED,
        "maxConcurrency": 50,
        "toleratedFailurePercentage": 0.0,
        "toleratedFailureCount": 0,
        "itemCounts": all_counts,
        "executionCounts": all_counts,
    }


@cache
def _session() -> boto3.Session:
    """One for all tests: it keeps the service descriptions that it has read."""
    return boto3.Session("AKIATEST", "secret", region_name="eu-west-1")


@contextmanager
def stubbed_aws(target: Target | None = None) -> Iterator[StubbedAws]:
    """Stubs, each of which must have been used up at the end."""
    stubbed = StubbedAws.make(target or Target())
    for stub in stubbed.stubs:
        stub.activate()
    yield stubbed
    for stub in stubbed.stubs:
        stub.assert_no_pending_responses()


@contextmanager
def local_aws_seeming_to_run(root: Path, port: int = 4999, **options: Any) -> Iterator[LocalAws]:
    """What a running server leaves to be found by: its lock, held, and the project's state file."""
    directory = root / "server"
    directory.mkdir()
    CREDENTIALS.write(directory)
    local = LocalAws(f"http://127.0.0.1:{port}", port, os.getpid(), directory)
    Started(local, {"port": port, **options}).write(root)
    with (directory / LOCK_FILE).open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield local


@dataclass
class Terminal:
    """Runs `sluice` and keeps what it printed."""

    root: Path
    connect: Callable[[Target], Aws]
    time: FakeTime = field(default_factory=FakeTime)
    stdin: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    sam: Path = Path("/nonexistent/sam")
    stdout: io.StringIO = field(default_factory=io.StringIO)
    stderr: io.StringIO = field(default_factory=io.StringIO)

    def sluice(self, *arguments: str) -> int:
        return main(arguments, self.surroundings)

    @property
    def surroundings(self) -> Surroundings:
        return Surroundings(
            root=self.root,
            stdin=io.StringIO(self.stdin),
            stdout=self.stdout,
            stderr=self.stderr,
            environment=self.environment,
            clock=self.time.clock,
            connect=self.connect,
            sam=self.sam,
        )

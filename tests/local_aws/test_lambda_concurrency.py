"""The account's Lambda concurrency, on a local AWS with a quota of its own."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws import LocalAws, running
from tests.local_aws.accounts import Account
from tests.local_aws.packages import package

QUOTA = 101
WAITER = """import os, time
def handler(event, context):
    while event and not os.path.exists(event):
        time.sleep(0.02)
    return event
"""
ACCOUNT_SETTINGS = ("lambda:GetAccountSettings", "*")


@pytest.fixture(scope="module")
def limited() -> Iterator[LocalAws]:
    with running(enforce_iam=True, lambda_concurrency=2) as started:
        yield started


@pytest.fixture(scope="module")
def account(limited: LocalAws) -> Account:
    return Account(limited)


@pytest.fixture
def reserving() -> Iterator[Account]:
    with running(enforce_iam=True, lambda_concurrency=QUOTA) as started:
        yield Account(started)


def create(account: Account, name: str) -> str:
    account.functions.create_function(
        FunctionName=name,
        Runtime="python3.13",
        Role=account.role(),
        Handler="index.handler",
        Timeout=60,
        Code={"ZipFile": package(WAITER)},
    )
    return name


def invoke(account: Account, name: str, until: Path | None = None) -> Any:
    """Run an execution, which ends when the file is there."""
    answer = account.functions.invoke(FunctionName=name, Payload=json.dumps(until and str(until)))
    return json.loads(answer["Payload"].read())


def occupy(account: Account, name: str, until: Path) -> None:
    """Run a long execution, as soon as one is admitted."""
    while not until.exists():
        with suppress(ClientError):
            invoke(account, name, until)
            return


@contextmanager
def running_executions(account: Account, name: str, number: int, directory: Path) -> Iterator[None]:
    """So many long executions, from when a further one is throttled."""
    until = directory / "end"
    with ThreadPoolExecutor(number) as pool:
        try:
            for _ in range(number):
                pool.submit(occupy, account, name, until)
            deadline = time.monotonic() + 30
            with suppress(ClientError):
                while time.monotonic() < deadline:
                    invoke(account, name)
                raise AssertionError("the long executions are not running")
            yield
        finally:
            until.touch()


@pytest.fixture
def busy(account: Account, name: str, tmp_path: Path) -> Iterator[str]:
    """A function that has taken the whole quota."""
    created = create(account, name)
    with running_executions(account, created, 2, tmp_path):
        yield created


def test_invoke_beyond_the_quota_is_throttled(account: Account, busy: str) -> None:
    with pytest.raises(account.functions.exceptions.TooManyRequestsException) as refused:
        invoke(account, busy)
    answer = refused.value.response
    assert answer["Error"]["Code"] == "TooManyRequestsException"
    assert answer["Error"]["Message"] == "Rate Exceeded."
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert answer["Reason"] == "ConcurrentInvocationLimitExceeded"


def test_state_machine_beyond_the_quota_sees_the_error(account: Account, busy: str) -> None:
    arn = f"arn:aws:lambda:us-east-1:000000000000:function:{busy}"
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": {"FunctionName": busy, "Payload": None},
    }
    ended = account.run(task, ("lambda:InvokeFunction", arn))
    assert ended["error"] == "Lambda.TooManyRequestsException"
    assert ended["cause"].startswith("Rate Exceeded. (Service: AWSLambda; Status Code: 429; ")


def test_executions_that_ended_free_their_slot(account: Account, name: str) -> None:
    created = create(account, name)
    assert [invoke(account, created) for _ in range(5)] == [None] * 5


def test_account_settings_tell_the_quota(account: Account) -> None:
    settings = account.functions.get_account_settings()
    assert settings["AccountLimit"]["ConcurrentExecutions"] == 2
    assert settings["AccountLimit"]["UnreservedConcurrentExecutions"] == 2
    assert settings["AccountUsage"]["FunctionCount"] == len(account.functions.list_functions()["Functions"])


def test_account_settings_need_their_right(account: Account) -> None:
    assert "AccountLimit" in account.session("lambda", ACCOUNT_SETTINGS).get_account_settings()
    with pytest.raises(ClientError, match="lambda:GetAccountSettings"):
        account.session("lambda", ("lambda:InvokeFunction", "*")).get_account_settings()


def test_without_a_limit_the_quota_is_that_of_aws(client: Any) -> None:
    limit = client("lambda").get_account_settings()["AccountLimit"]
    assert limit["ConcurrentExecutions"] == 1000


def test_reservation_lowers_what_the_others_share(reserving: Account, tmp_path: Path) -> None:
    name = create(reserving, "reserving")
    functions = reserving.functions
    functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    limit = functions.get_account_settings()["AccountLimit"]
    assert (limit["ConcurrentExecutions"], limit["UnreservedConcurrentExecutions"]) == (QUOTA, QUOTA - 1)
    with running_executions(reserving, name, 1, tmp_path):
        with pytest.raises(functions.exceptions.TooManyRequestsException) as refused:
            invoke(reserving, name)
        assert refused.value.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
        assert invoke(reserving, create(reserving, "other")) is None


def test_reservation_must_leave_the_minimum(reserving: Account) -> None:
    name = create(reserving, "greedy")
    functions = reserving.functions
    with pytest.raises(ClientError, match=r"below its minimum value of \[100\]") as refused:
        functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=2)
    assert refused.value.response["Error"]["Code"] == "InvalidParameterValueException"
    functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    with pytest.raises(functions.exceptions.TooManyRequestsException):
        invoke(reserving, name)

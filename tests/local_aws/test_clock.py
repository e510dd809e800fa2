"""A server whose clock is put forward."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from local_aws import clock, running
from tests.local_aws.exporting import BUCKET, HOUR, Exporting, by_key

DAY = 24 * HOUR


def test_clock_goes_forward_by_the_sum_of_its_steps(exporting: Exporting) -> None:
    before = clock.now(exporting.aws)

    steps = [clock.advance(exporting.aws, seconds) for seconds in (HOUR, 0.5, 2 * DAY)]

    assert steps[0] - before >= timedelta(hours=1)
    assert steps[1] - steps[0] >= timedelta(seconds=0.5)
    assert timedelta(days=2) <= steps[2] - steps[1] < timedelta(days=2, minutes=1)
    assert steps[0].tzinfo is UTC or steps[0].utcoffset() == timedelta(0)
    assert clock.now(exporting.aws) >= steps[2]


def test_clock_does_not_go_back(exporting: Exporting) -> None:
    with pytest.raises(ValueError, match="-1 s"):
        clock.advance(exporting.aws, -1)


def test_clock_is_out_of_reach_unless_the_server_was_started_for_it() -> None:
    with running() as aws, pytest.raises(OSError, match="HTTP Error 4"):
        clock.advance(aws, 1)


def test_all_of_the_server_lives_later(exporting: Exporting) -> None:
    moment = clock.advance(exporting.aws, 40 * DAY)
    moment -= timedelta(seconds=1)

    table = exporting.new_table()
    exporting.s3.put_object(Bucket=BUCKET, Key=f"{table}/object", Body=b"")
    state = {"Type": "Pass", "Output": "{% [$states.context.Execution.StartTime, $now()] %}"}
    execution = exporting.execution(exporting.start_machine(state))

    head = exporting.s3.head_object(Bucket=BUCKET, Key=f"{table}/object")
    description = exporting.dynamodb.describe_table(TableName=table)["Table"]
    context_time, jsonata_time = (datetime.fromisoformat(text) for text in json.loads(execution["output"]))
    times = [
        head["LastModified"],
        description["CreationDateTime"],
        execution["startDate"],
        execution["stopDate"],
        context_time,
        jsonata_time,
    ]
    assert [time for time in times if not moment <= time < moment + timedelta(minutes=1)] == []


def test_step_ends_no_wait_and_no_timeout(exporting: Exporting) -> None:
    wait = {"Type": "Wait", "Seconds": 1}
    arn = exporting.start_machine(wait, TimeoutSeconds=60)

    clock.advance(exporting.aws, DAY)

    assert exporting.execution(arn)["status"] == "SUCCEEDED"


def test_requests_continue_while_the_clock_is_put_forward(exporting: Exporting) -> None:
    table = exporting.new_table()
    with ThreadPoolExecutor(8) as pool:
        writes = [pool.submit(exporting.put, table, f"key-{number}", n=number) for number in range(300)]
        for _ in range(50):
            clock.advance(exporting.aws, 60)
        items = [write.result() for write in writes]

    assert by_key([record["Item"] for record in exporting.full(table).records]) == by_key(items)


@pytest.fixture(scope="module")
def enforcing() -> Iterator[Exporting]:
    with running(fault_injection=True, enforce_iam=True) as started:
        yield Exporting(started)


def test_callers_may_sign_with_the_real_time(enforcing: Exporting) -> None:
    table = enforcing.new_table()
    clock.advance(enforcing.aws, 40 * DAY)

    item = enforcing.put(table, "a")

    assert enforcing.items(table) == [item]


def test_state_machine_calls_with_the_servers_time(enforcing: Exporting) -> None:
    """Its calls to S3 go over HTTP, signed inside the server."""
    clock.advance(enforcing.aws, 40 * DAY)
    statement = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam = enforcing.client("iam")
    service = {"Service": "states.amazonaws.com"}
    trust = {"Statement": [{"Effect": "Allow", "Principal": service, "Action": "sts:AssumeRole"}]}
    iam.create_role(RoleName="local", AssumeRolePolicyDocument=json.dumps(trust))
    iam.put_role_policy(RoleName="local", PolicyName="p", PolicyDocument=policy)
    arguments = {"Bucket": BUCKET, "Key": "from-a-machine", "Body": "text"}
    state = {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:s3:putObject", "Arguments": arguments}

    assert enforcing.execution(enforcing.start_machine(state))["status"] == "SUCCEEDED"
    # A text is stored as JSON, as on AWS.
    assert enforcing.object(BUCKET, "from-a-machine") == b'"text"'

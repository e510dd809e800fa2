"""What a local AWS with a data directory keeps, when it ends by itself and when it is killed."""

import io
import json
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from local_aws import LocalAws, running, start, stop
from tests.local_aws.sessions import session_of
from tests.saved_snapshots import kill, wait_until_saved

ROLE = "arn:aws:iam::000000000000:role/local"
TABLE = "kept-table"
BUCKET = "kept-bucket"
LARGE_BODY = bytes(range(256)) * 400
DEADLINE_SECONDS = 120

PASS_MACHINE = {"StartAt": "Only", "States": {"Only": {"Type": "Pass", "Result": {"done": True}, "End": True}}}
WAITING_MACHINE = {"StartAt": "Only", "States": {"Only": {"Type": "Wait", "Seconds": 3600, "End": True}}}


class Clients:
    """Clients of one local AWS."""

    def __init__(self, aws: LocalAws) -> None:
        self.aws = aws
        self._session = session_of(aws)

    def __getattr__(self, service: str) -> Any:
        return self._session.client(service, endpoint_url=self.aws.endpoint_url)

    def without_retries(self, service: str) -> Any:
        config = Config(retries={"total_max_attempts": 1})
        return self._session.client(service, endpoint_url=self.aws.endpoint_url, config=config)


@contextmanager
def local_aws_with(data: Path) -> Iterator[Clients]:
    with running(data=data) as aws:
        yield Clients(aws)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "kept"


def create_table(clients: Clients, name: str = TABLE, **more: Any) -> None:
    attributes = [{"AttributeName": each, "AttributeType": "S"} for each in ("id", "group")]
    clients.dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=attributes,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-group",
                "KeySchema": [{"AttributeName": "group", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        **more,
    )


def put_items(clients: Clients, count: int, name: str = TABLE) -> None:
    for number in range(count):
        item = {"id": {"S": str(number)}, "group": {"S": f"g{number % 3}"}, "raw": {"B": b"\x00\xff"}}
        clients.dynamodb.put_item(TableName=name, Item=item)


def items(clients: Clients, name: str = TABLE) -> list[Any]:
    pages = clients.dynamodb.get_paginator("scan").paginate(TableName=name)
    return sorted((item for page in pages for item in page["Items"]), key=lambda item: item["id"]["S"])


def create_machine(clients: Clients, name: str, definition: dict[str, Any]) -> str:
    answer = clients.stepfunctions.create_state_machine(name=name, definition=json.dumps(definition), roleArn=ROLE)
    return str(answer["stateMachineArn"])


def end_of(clients: Clients, execution_arn: str) -> dict[str, Any]:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        execution: dict[str, Any] = clients.stepfunctions.describe_execution(executionArn=execution_arn)
        if execution["status"] != "RUNNING":
            return execution
        assert time.monotonic() < deadline, "the execution is still running"
        time.sleep(0.02)


def test_tables_are_kept_with_items_indexes_and_settings(data: Path) -> None:
    with local_aws_with(data) as clients:
        create_table(clients)
        put_items(clients, 30)
        ttl = {"Enabled": True, "AttributeName": "expires"}
        clients.dynamodb.update_time_to_live(TableName=TABLE, TimeToLiveSpecification=ttl)
        before, description = items(clients), clients.dynamodb.describe_table(TableName=TABLE)["Table"]
    with local_aws_with(data) as clients:
        assert items(clients) == before
        assert clients.dynamodb.describe_table(TableName=TABLE)["Table"] == description
        found = clients.dynamodb.query(
            TableName=TABLE,
            IndexName="by-group",
            KeyConditionExpression="#g = :g",
            ExpressionAttributeNames={"#g": "group"},
            ExpressionAttributeValues={":g": {"S": "g1"}},
        )
        assert found["Count"] == 10
        expected = clients.dynamodb.describe_time_to_live(TableName=TABLE)["TimeToLiveDescription"]
        assert expected == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}


def test_objects_are_kept_with_versions_and_started_uploads(data: Path) -> None:
    with local_aws_with(data) as clients:
        s3 = clients.s3
        s3.create_bucket(Bucket=BUCKET)
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        first = s3.put_object(Bucket=BUCKET, Key="a/large", Body=LARGE_BODY, Metadata={"made": "here"})
        s3.put_object(Bucket=BUCKET, Key="a/large", Body=b"second")
        s3.put_object(Bucket=BUCKET, Key="empty", Body=b"")
        upload = s3.create_multipart_upload(Bucket=BUCKET, Key="parts")["UploadId"]
        part = s3.upload_part(Bucket=BUCKET, Key="parts", UploadId=upload, PartNumber=1, Body=LARGE_BODY)
    with local_aws_with(data) as clients:
        s3 = clients.s3
        old = s3.get_object(Bucket=BUCKET, Key="a/large", VersionId=first["VersionId"])
        assert (old["Body"].read(), old["Metadata"], old["ETag"]) == (LARGE_BODY, {"made": "here"}, first["ETag"])
        assert s3.get_object(Bucket=BUCKET, Key="a/large")["Body"].read() == b"second"
        assert s3.get_object(Bucket=BUCKET, Key="empty")["Body"].read() == b""
        s3.complete_multipart_upload(
            Bucket=BUCKET,
            Key="parts",
            UploadId=upload,
            MultipartUpload={"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]},
        )
        assert s3.get_object(Bucket=BUCKET, Key="parts", Range="bytes=10-19")["Body"].read() == LARGE_BODY[10:20]


def test_bodies_that_no_object_has_any_more_are_removed(data: Path) -> None:
    with local_aws_with(data) as clients:
        clients.s3.create_bucket(Bucket=BUCKET)
        for key, body in (("kept", LARGE_BODY), ("same", LARGE_BODY), ("deleted", LARGE_BODY[::-1])):
            clients.s3.put_object(Bucket=BUCKET, Key=key, Body=body)
    assert len(list((data / "bodies").iterdir())) == 2
    with local_aws_with(data) as clients:
        clients.s3.delete_object(Bucket=BUCKET, Key="deleted")
    assert [each.read_bytes() for each in (data / "bodies").iterdir()] == [LARGE_BODY]


def test_functions_are_kept_and_run(data: Path) -> None:
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("index.py", "import os\ndef handler(event, context):\n    return event, os.environ['KEPT']\n")
        archive.writestr("filler.bin", LARGE_BODY)
    with local_aws_with(data) as clients:
        clients.__getattr__("lambda").create_function(
            FunctionName="kept",
            Runtime="python3.13",
            Role=ROLE,
            Handler="index.handler",
            Environment={"Variables": {"KEPT": "yes"}},
            Code={"ZipFile": package.getvalue()},
        )
        before = clients.__getattr__("lambda").get_function(FunctionName="kept")["Configuration"]
    with local_aws_with(data) as clients:
        functions = clients.__getattr__("lambda")
        assert functions.get_function(FunctionName="kept")["Configuration"] == before
        assert json.load(functions.invoke(FunctionName="kept", Payload=b"7")["Payload"]) == [7, "yes"]


def test_roles_stacks_queues_schedules_and_databases_are_kept(data: Path) -> None:
    template = {"Resources": {"Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "of-a-stack"}}}}
    trust = {"Version": "2012-10-17", "Statement": []}
    with local_aws_with(data) as clients:
        clients.iam.create_role(RoleName="kept", AssumeRolePolicyDocument=json.dumps(trust))
        clients.glue.create_database(DatabaseInput={"Name": "kept"})
        clients.scheduler.create_schedule_group(Name="kept")
        clients.cloudformation.create_stack(StackName="kept", TemplateBody=json.dumps(template))
        clients.cloudformation.get_waiter("stack_create_complete").wait(StackName="kept", WaiterConfig={"Delay": 1})
        url = clients.sqs.get_queue_url(QueueName="of-a-stack")["QueueUrl"]
        clients.sqs.send_message(QueueUrl=url, MessageBody="kept")
    with local_aws_with(data) as clients:
        assert clients.iam.get_role(RoleName="kept")["Role"]["RoleName"] == "kept"
        assert clients.glue.get_database(Name="kept")["Database"]["Name"] == "kept"
        assert clients.scheduler.get_schedule_group(Name="kept")["State"] == "ACTIVE"
        (stack,) = clients.cloudformation.describe_stacks(StackName="kept")["Stacks"]
        assert stack["StackStatus"] == "CREATE_COMPLETE"
        assert clients.sqs.get_queue_url(QueueName="of-a-stack")["QueueUrl"] == url
        assert clients.sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"] == "kept"


def test_ended_executions_are_kept_and_running_ones_have_failed(data: Path) -> None:
    with local_aws_with(data) as clients:
        states = clients.stepfunctions
        passing, waiting = (
            create_machine(clients, "passing", PASS_MACHINE),
            create_machine(clients, "w", WAITING_MACHINE),
        )
        ended = states.start_execution(stateMachineArn=passing, input='{"a": 1}')["executionArn"]
        assert end_of(clients, ended)["status"] == "SUCCEEDED"
        history = states.get_execution_history(executionArn=ended)["events"]
        running_arn = states.start_execution(stateMachineArn=waiting)["executionArn"]
    with local_aws_with(data) as clients:
        states = clients.stepfunctions
        assert end_of(clients, ended)["output"] == '{"done":true}'
        assert states.get_execution_history(executionArn=ended)["events"] == history
        interrupted = end_of(clients, running_arn)
        assert (interrupted["status"], interrupted["error"]) == ("FAILED", "States.Runtime")
        last = states.get_execution_history(executionArn=running_arn)["events"][-1]
        assert last["executionFailedEventDetails"]["cause"] == interrupted["cause"]
        again = states.start_execution(stateMachineArn=passing)["executionArn"]
        assert end_of(clients, again)["status"] == "SUCCEEDED"


def test_exports_see_what_a_table_held_before_the_restart(data: Path) -> None:
    with local_aws_with(data) as clients:
        clients.s3.create_bucket(Bucket=BUCKET)
        create_table(clients)
        on = {"PointInTimeRecoveryEnabled": True}
        clients.dynamodb.update_continuous_backups(TableName=TABLE, PointInTimeRecoverySpecification=on)
        put_items(clients, 3)
        arn = clients.dynamodb.describe_table(TableName=TABLE)["Table"]["TableArn"]
        earlier = export(clients, arn)
        moment = earlier["ExportTime"]
        for number in range(3):
            clients.dynamodb.delete_item(TableName=TABLE, Key={"id": {"S": str(number)}})
    with local_aws_with(data) as clients:
        assert clients.dynamodb.describe_export(ExportArn=earlier["ExportArn"])["ExportDescription"] == earlier
        assert items(clients) == []
        then = export(clients, arn, ExportTime=moment)
        assert (then["ExportStatus"], then["ItemCount"]) == ("COMPLETED", 3)
        assert export(clients, arn)["ItemCount"] == 0


def export(clients: Clients, table_arn: str, **more: Any) -> dict[str, Any]:
    answer = clients.dynamodb.export_table_to_point_in_time(TableArn=table_arn, S3Bucket=BUCKET, **more)
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        arn = answer["ExportDescription"]["ExportArn"]
        found: dict[str, Any] = clients.dynamodb.describe_export(ExportArn=arn)["ExportDescription"]
        if found["ExportStatus"] != "IN_PROGRESS":
            return found
        assert time.monotonic() < deadline, "the export is still in progress"
        time.sleep(0.05)


def test_schedule_that_was_delivered_is_not_delivered_again(data: Path) -> None:
    target = {"Arn": "arn:aws:sqs:us-east-1:000000000000:kept", "RoleArn": ROLE, "Input": "delivered"}
    with local_aws_with(data) as clients:
        url = clients.sqs.create_queue(QueueName="kept")["QueueUrl"]
        clients.scheduler.create_schedule(
            Name="once",
            ScheduleExpression=f"at({time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(time.time() - 60))})",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target=target,
        )
        assert delivered(clients, url) == 1
    with local_aws_with(data) as clients:
        # Schedules are looked at in order of creation: once the second one is delivered, the first one was seen.
        clients.scheduler.create_schedule(
            Name="second",
            ScheduleExpression=f"at({time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(time.time() - 60))})",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={**target, "Input": "second"},
        )
        messages = received(clients, url, until="second")
        assert [each for each in messages if each == "delivered"] == []


def delivered(clients: Clients, url: str) -> int:
    return len(received(clients, url, until="delivered"))


def received(clients: Clients, url: str, *, until: str) -> list[str]:
    """The bodies of the messages up to this one, each taken out of the queue."""
    bodies: list[str] = []
    deadline = time.monotonic() + DEADLINE_SECONDS
    while until not in bodies:
        assert time.monotonic() < deadline, f"{until} was not delivered"
        for message in clients.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            bodies.append(message["Body"])
            clients.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        time.sleep(0.05)
    return bodies


def test_credentials_are_new_at_each_start(data: Path) -> None:
    with local_aws_with(data) as clients:
        old = clients.aws.credentials
        clients.dynamodb.list_tables()
    with local_aws_with(data) as clients:
        assert clients.aws.credentials != old


def test_port_is_the_last_starts_when_it_is_free(data: Path) -> None:
    with local_aws_with(data) as clients:
        port = clients.aws.port
    with local_aws_with(data) as clients:
        assert clients.aws.port == port


def test_killed_server_keeps_what_it_had_saved(data: Path) -> None:
    aws = start(data=data)
    try:
        clients = Clients(aws)
        create_table(clients)
        put_items(clients, 20)
        before = items(clients)
        wait_until_saved(data)
    finally:
        kill(aws)
        stop(aws)
    with local_aws_with(data) as clients:
        assert items(clients) == before


def test_snapshot_never_holds_half_a_transaction(data: Path) -> None:
    aws = start(data=data)
    written: list[int] = []
    try:
        clients = Clients(aws)
        create_table(clients)
        writer = threading.Thread(target=write_pairs, args=(clients, written), daemon=True)
        writer.start()
        wait_until_saved(data)
        acknowledged = len(written)
        wait_until_saved(data)
    finally:
        kill(aws)
        stop(aws)
    writer.join(DEADLINE_SECONDS)
    with local_aws_with(data) as clients:
        left, right = ({item["value"]["N"] for item in items(clients) if item["id"]["S"] == side} for side in "ab")
        assert left == right
        (last,) = left
        assert int(last) + 1 >= acknowledged


def write_pairs(clients: Clients, written: list[int]) -> None:
    """Two items of the same value, over and over until the server is gone."""
    client, value = clients.without_retries("dynamodb"), 0
    while True:
        puts = [{"Put": {"TableName": TABLE, "Item": {"id": {"S": side}, "value": {"N": str(value)}}}} for side in "ab"]
        try:
            client.transact_write_items(TransactItems=puts)
        except (BotoCoreError, ClientError):
            return
        written.append(value)
        value += 1


def test_half_written_snapshot_is_left_aside(data: Path) -> None:
    with local_aws_with(data) as clients:
        create_table(clients)
        put_items(clients, 3)
    whole = (data / "state").read_bytes()
    (data / "state.new").write_bytes(whole[: len(whole) // 2])
    (data / "bodies" / "0123.new").write_bytes(b"half")
    with local_aws_with(data) as clients:
        assert len(items(clients)) == 3
    assert sorted(each.name for each in data.iterdir()) == ["bodies", "local-aws.json", "lock", "state"]
    assert list((data / "bodies").iterdir()) == []

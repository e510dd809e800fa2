"""Roles that may not run a query, see a table, read its objects or write the result."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws import LocalAws, running
from tests.local_aws.accounts import Account
from tests.local_aws.querying import OPEN_CSV

BUCKET = "queried-bucket"
BUCKET_LOCATION = "us-east-1:000000000000"
GROUP = f"arn:aws:athena:{BUCKET_LOCATION}:workgroup/primary"
GLUE = f"arn:aws:glue:{BUCKET_LOCATION}"
OBJECTS = f"arn:aws:s3:::{BUCKET}"
START = ("athena:StartQueryExecution", GROUP)
GET = ("athena:GetQueryExecution", GROUP)
CATALOG = ("athena:GetDataCatalog", f"arn:aws:athena:{BUCKET_LOCATION}:datacatalog/*")
LOCATION = ("s3:GetBucketLocation", OBJECTS)
WRITE = ("s3:PutObject", f"{OBJECTS}/results/*")
DATABASE = [("glue:GetDatabase", f"{GLUE}:{each}") for each in ("catalog", "database/default", "database/d")]
TABLE = [("glue:GetTable", f"{GLUE}:{each}") for each in ("catalog", "database/d", "table/d/t")]
LISTING = ("s3:ListBucket", OBJECTS, "t/*")
READ = ("s3:GetObject", f"{OBJECTS}/t/*")
ALL: list[tuple[str, ...]] = [START, GET, CATALOG, LOCATION, WRITE, *DATABASE, *TABLE, LISTING, READ]
COPY_READ = ("s3:GetObject", f"{OBJECTS}/t/*")
COPY_WRITE = ("s3:PutObject", f"{OBJECTS}/copies/*")
BUCKET_LISTING = ("s3:ListBucket", OBJECTS)


@pytest.fixture(scope="module")
def enforcing() -> Iterator[LocalAws]:
    with running(enforce_iam=True) as started:
        yield started


@pytest.fixture(scope="module")
def account(enforcing: LocalAws) -> Account:
    account = Account(enforcing)
    account.client("s3").create_bucket(Bucket=BUCKET)
    account.client("s3").put_object(Bucket=BUCKET, Key="t/x.csv", Body=b"1\n")
    glue = account.client("glue")
    glue.create_database(DatabaseInput={"Name": "d"})
    storage = {
        "Columns": [{"Name": "a", "Type": "string"}],
        "Location": f"s3://{BUCKET}/t/",
        "SerdeInfo": {"SerializationLibrary": OPEN_CSV},
    }
    glue.create_table(DatabaseName="d", TableInput={"Name": "t", "StorageDescriptor": storage})
    return account


def query() -> dict[str, Any]:
    arguments = {
        "QueryString": "SELECT * FROM d.t",
        "ResultConfiguration": {"OutputLocation": f"s3://{BUCKET}/results"},
    }
    return {"Type": "Task", "Resource": "arn:aws:states:::athena:startQueryExecution.sync", "Arguments": arguments}


def without(*lacking: tuple[str, ...]) -> list[tuple[str, ...]]:
    return [each for each in ALL if each not in lacking]


def test_role_with_all_it_needs_runs_the_query(account: Account) -> None:
    ended = account.run(query(), *ALL)
    assert ended["status"] == "SUCCEEDED"
    location = json.loads(ended["output"])["QueryExecution"]["ResultConfiguration"]["OutputLocation"]
    key = location.removeprefix(f"s3://{BUCKET}/")
    assert account.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read() == b'"a"\n"1"\n'


@pytest.mark.parametrize("lacking", [START, GET, CATALOG])
def test_lacking_right_of_athena_is_reported_by_the_integration(account: Account, lacking: tuple[str, ...]) -> None:
    ended = account.run(query(), *without(lacking))
    assert ended["error"] == "Athena.AmazonAthenaException"
    assert ended["cause"].startswith(f"You are not authorized to perform: {lacking[0]} on the resource.")
    assert "Error Code: AccessDeniedException" in ended["cause"]


def test_right_on_another_work_group_is_none(account: Account) -> None:
    other = ("athena:StartQueryExecution", GROUP.replace("primary", "other"))
    assert account.run(query(), *without(START), other)["error"] == "Athena.AmazonAthenaException"


def test_bucket_of_the_results_has_to_be_seen(account: Account) -> None:
    ended = account.run(query(), *without(LOCATION))
    assert ended["error"] == "Athena.InvalidRequestException"
    assert ended["cause"].startswith(f"Unable to verify/create output bucket {BUCKET}")


@pytest.mark.parametrize(
    ("lacking", "expected"),
    [
        *[(each, "Insufficient permissions to execute the query. User: ") for each in (*DATABASE, *TABLE)],
        (LISTING, "PERMISSION_DENIED: Access Denied: s3://queried-bucket/t/."),
        (READ, "PERMISSION_DENIED: Access Denied: s3://queried-bucket/t/x.csv."),
        (WRITE, "Access denied when writing output to url: s3://queried-bucket/results/"),
    ],
)
def test_lacking_right_on_data_fails_the_query(account: Account, lacking: tuple[str, ...], expected: str) -> None:
    ended = account.run(query(), *without(lacking))
    assert ended["error"] == "States.TaskFailed"
    status = json.loads(ended["cause"])["QueryExecution"]["Status"]
    assert status["State"] == "FAILED"
    assert status["StateChangeReason"].startswith(expected)


def test_calls_with_a_roles_credentials_are_about_its_work_group(account: Account) -> None:
    configuration = {"OutputLocation": f"s3://{BUCKET}/results"}
    results = ("athena:GetQueryResults", GROUP)
    athena = account.session("athena", START, GET, CATALOG, LOCATION, WRITE, results)
    query_id = athena.start_query_execution(QueryString="SELECT 1", ResultConfiguration=configuration)[
        "QueryExecutionId"
    ]
    while athena.get_query_execution(QueryExecutionId=query_id)["QueryExecution"]["Status"]["State"] != "SUCCEEDED":
        time.sleep(0.02)
    with pytest.raises(ClientError, match="Access denied when reading s3://queried-bucket/results/"):
        athena.get_query_results(QueryExecutionId=query_id)
    stranger = account.session("athena", ("athena:GetQueryExecution", GROUP.replace("primary", "other")))
    with pytest.raises(ClientError, match="athena:GetQueryExecution"):
        stranger.get_query_execution(QueryExecutionId=query_id)


def copy(key: str, *, head: bool = False) -> dict[str, Any]:
    if head:
        arguments = {"Bucket": BUCKET, "Key": key}
        return {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:s3:headObject", "Arguments": arguments}
    arguments = {"Bucket": BUCKET, "Key": "copies/x", "CopySource": f"{BUCKET}/{key}"}
    return {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:s3:copyObject", "Arguments": arguments}


def test_copy_reads_its_source_and_writes_its_target(account: Account) -> None:
    assert account.run(copy("t/x.csv"), COPY_READ, COPY_WRITE)["status"] == "SUCCEEDED"
    for allowed in ([COPY_READ], [COPY_WRITE]):
        ended = account.run(copy("t/x.csv"), *allowed)
        assert ended["error"] == "S3.S3Exception"
        assert "Status Code: 403" in ended["cause"]


def test_missing_key_is_denied_to_who_may_not_list_the_bucket(account: Account) -> None:
    for listing, error in (([], "S3.S3Exception"), ([BUCKET_LISTING], "S3.NoSuchKeyException")):
        assert account.run(copy("t/gone"), COPY_READ, COPY_WRITE, *listing)["error"] == error
        assert account.run(copy("t/gone", head=True), COPY_READ, *listing)["error"] == error
    get = copy("t/gone", head=True) | {"Resource": "arn:aws:states:::aws-sdk:s3:getObject"}
    ended = account.run(get, COPY_READ)
    assert ended["error"] == "S3.S3Exception"
    assert f"s3:ListBucket on resource: {OBJECTS}" in ended["cause"]


def test_data_files_of_a_manifest_have_to_be_readable(account: Account) -> None:
    account.client("s3").put_object(Bucket=BUCKET, Key="in/m.csv", Body=f"s3://{BUCKET}/t/x.csv\n".encode())
    state = {
        "Type": "Map",
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": {"ManifestType": "ATHENA_DATA", "InputType": "JSONL"},
            "Arguments": {"Bucket": BUCKET, "Key": "in/m.csv"},
        },
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"},
            "StartAt": "P",
            "States": {"P": {"Type": "Pass", "End": True}},
        },
    }
    start = ("states:StartExecution", f"arn:aws:states:{BUCKET_LOCATION}:stateMachine:*")
    manifest = ("s3:GetObject", f"{OBJECTS}/in/*")
    denied = account.run(state, start, manifest)
    assert (denied["error"], "t/x.csv" in denied["cause"]) == ("States.ItemReaderFailed", True)
    assert account.run(state, start, manifest, READ)["output"] == "[1]"

"""Exports that a state machine starts: times as texts, error names, and the rights of its role."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest

from local_aws import faults, running
from tests.local_aws.exporting import BUCKET, HOUR, Exporting

RESOURCE = "arn:aws:states:::aws-sdk:dynamodb:"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z")

RunState = Callable[..., dict[str, Any]]


@pytest.fixture
def run_call(exporting: Exporting) -> RunState:
    """Runs a machine of one call to DynamoDB; returns how it ended."""
    return lambda action, arguments: _run(exporting, action, arguments)


def _run(exporting: Exporting, action: str, arguments: dict[str, Any], role: str = "local") -> dict[str, Any]:
    state = {"Type": "Task", "Resource": f"{RESOURCE}{action}", "Arguments": arguments}
    return exporting.execution(exporting.start_machine(state, role))


def _output(execution: dict[str, Any]) -> dict[str, Any]:
    assert execution["status"] == "SUCCEEDED", execution
    return dict(json.loads(execution["output"]))


def _iso(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%S}Z"


def test_times_of_a_window_go_in_and_come_out_as_texts(exporting: Exporting, run_call: RunState) -> None:
    table = exporting.new_table()
    start = exporting.advance(1)
    exporting.put(table, "a")
    end = exporting.advance(HOUR)
    window = {"ExportFromTime": _iso(start), "ExportToTime": _iso(end), "ExportViewType": "NEW_IMAGE"}

    started = _output(
        run_call(
            "exportTableToPointInTime",
            {
                "TableArn": exporting.arn(table),
                "S3Bucket": BUCKET,
                "ExportType": "INCREMENTAL_EXPORT",
                "IncrementalExportSpecification": window,
            },
        )
    )["ExportDescription"]
    exporting.ended(started["ExportArn"])
    ended = _output(run_call("describeExport", {"ExportArn": started["ExportArn"]}))["ExportDescription"]

    assert started["IncrementalExportSpecification"] == ended["IncrementalExportSpecification"] == window
    assert ended["ExportStatus"] == "COMPLETED"
    assert ended["ItemCount"] == 1
    assert all(TIME.fullmatch(ended[name]) for name in ("StartTime", "EndTime"))
    assert ended["ClientToken"]


def test_time_of_a_full_export_is_a_text(exporting: Exporting, run_call: RunState) -> None:
    table = exporting.new_table()
    moment = _iso(exporting.advance(2))
    request = {"TableArn": exporting.arn(table), "S3Bucket": BUCKET, "ExportTime": moment}

    started = _output(run_call("exportTableToPointInTime", request))["ExportDescription"]

    assert started["ExportTime"] == moment


def test_times_of_recovery_are_texts(exporting: Exporting, run_call: RunState) -> None:
    table = exporting.new_table()
    answer = _output(run_call("describeContinuousBackups", {"TableName": table}))
    recovery = answer["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]

    assert TIME.fullmatch(recovery["EarliestRestorableDateTime"])
    assert TIME.fullmatch(recovery["LatestRestorableDateTime"])


@pytest.mark.parametrize("moment", ["yesterday", "2026-01-01T00:00:00"])
def test_text_that_is_no_time_ends_the_execution(exporting: Exporting, run_call: RunState, moment: str) -> None:
    table = exporting.new_table()
    request = {"TableArn": exporting.arn(table), "S3Bucket": BUCKET, "ExportTime": moment}

    assert run_call("exportTableToPointInTime", request)["error"] == "States.Runtime"


def test_refusals_have_the_names_of_the_sdk(exporting: Exporting, run_call: RunState) -> None:
    table, unprotected = exporting.new_table(), exporting.new_table(recovery=False)
    request = {"TableArn": exporting.arn(table), "S3Bucket": BUCKET, "ClientToken": table}
    faults.fail_requests(exporting.aws, "DescribeExport", error="InternalServerError")
    calls = [
        ("exportTableToPointInTime", request | {"TableArn": exporting.arn(unprotected)}),
        ("exportTableToPointInTime", request | {"TableArn": exporting.arn("nowhere")}),
        ("exportTableToPointInTime", request | {"ExportTime": _iso(exporting.now() - HOUR)}),
        ("exportTableToPointInTime", request | {"ExportFormat": "ION"}),
        ("describeExport", {"ExportArn": f"{exporting.arn(table)}/export/01700000000000-0a1b2c3d"}),
        ("describeExport", {"ExportArn": f"{exporting.arn(table)}/export/01700000000000-0a1b2c3d"}),
        ("describeContinuousBackups", {"TableName": "nowhere"}),
    ]

    assert [run_call(*call)["error"] for call in calls] == [
        "DynamoDb.PointInTimeRecoveryUnavailableException",
        "DynamoDb.TableNotFoundException",
        "DynamoDb.InvalidExportTimeException",
        "DynamoDb.DynamoDbException",
        "DynamoDb.InternalServerErrorException",
        "DynamoDb.ExportNotFoundException",
        "DynamoDb.TableNotFoundException",
    ]
    run_call("exportTableToPointInTime", request)
    conflict = run_call("exportTableToPointInTime", request | {"S3Prefix": "other"})
    assert conflict["error"] == "DynamoDb.ExportConflictException"


@pytest.fixture(scope="module")
def enforcing() -> Iterator[Exporting]:
    with running(fault_injection=True, enforce_iam=True) as started:
        yield Exporting(started)


def _role(exporting: Exporting, name: str, *allowed: tuple[str, str]) -> str:
    iam = exporting.client("iam")
    trust = {"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"}
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=_policy(trust))
    statements = [{"Effect": "Allow", "Action": action, "Resource": resource} for action, resource in allowed]
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=_policy(*statements))
    return name


def _policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def test_role_needs_rights_to_the_table_its_exports_and_the_bucket(enforcing: Exporting) -> None:
    table = enforcing.new_table()
    request = {"TableArn": enforcing.arn(table), "S3Bucket": BUCKET, "S3Prefix": "p"}
    export = ("dynamodb:ExportTableToPointInTime", enforcing.arn(table))
    describe = ("dynamodb:DescribeExport", f"{enforcing.arn(table)}/export/*")
    objects = f"arn:aws:s3:::{BUCKET}/p/*"
    write = [(action, objects) for action in ("s3:PutObject", "s3:PutObjectAcl", "s3:AbortMultipartUpload")]
    roles = {
        "other table": _role(enforcing, "other-table", (export[0], enforcing.arn("other")), *write),
        "no bucket": _role(enforcing, "no-bucket", export, describe),
        "not enough": _role(enforcing, "not-enough", export, describe, write[0]),
        "enough": _role(enforcing, "enough", export, describe, *write),
    }

    runs = {name: _run(enforcing, "exportTableToPointInTime", request, role) for name, role in roles.items()}

    assert runs["other table"]["error"] == "DynamoDb.DynamoDbException"
    assert "is not authorized to perform: dynamodb:ExportTableToPointInTime" in runs["other table"]["cause"]
    arns = {name: _output(runs[name])["ExportDescription"]["ExportArn"] for name in list(roles)[1:]}
    ended = {name: enforcing.ended(arn) for name, arn in arns.items()}
    assert {name: each.get("FailureCode") for name, each in ended.items()} == {
        "no bucket": "S3AccessDenied",
        "not enough": "S3AccessDenied",
        "enough": None,
    }
    assert "Access Denied (Service: Amazon S3; Status Code: 403" in ended["no bucket"]["FailureMessage"]
    described = _run(enforcing, "describeExport", {"ExportArn": arns["enough"]}, roles["enough"])
    assert _output(described)["ExportDescription"]["ExportStatus"] == "COMPLETED"
    refused = _run(enforcing, "describeExport", {"ExportArn": arns["enough"]}, roles["other table"])
    assert "dynamodb:DescribeExport" in refused["cause"]


def test_role_of_a_direct_call_needs_the_same_rights(enforcing: Exporting) -> None:
    table = enforcing.new_table()
    name = _role(enforcing, "caller", ("dynamodb:ExportTableToPointInTime", enforcing.arn(table)))
    dynamodb = _client_of_role(enforcing, name)

    started = dynamodb.export_table_to_point_in_time(TableArn=enforcing.arn(table), S3Bucket=BUCKET)

    ended = enforcing.ended(started["ExportDescription"]["ExportArn"])
    assert ended["FailureCode"] == "S3AccessDenied"


def _client_of_role(exporting: Exporting, name: str) -> Any:
    credentials = exporting.client("sts").assume_role(
        RoleArn=f"arn:aws:iam::000000000000:role/{name}", RoleSessionName="session"
    )["Credentials"]
    return boto3.client(
        "dynamodb",
        endpoint_url=exporting.aws.endpoint_url,
        region_name=exporting.aws.region,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )

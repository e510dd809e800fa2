"""An error that comes from a KMS key says which parameter of the stack is about it."""

from __future__ import annotations

import json

import boto3
import pytest
from botocore.stub import Stubber

from sluice.aws.clients import aws_errors, is_about_kms, with_advice
from sluice.aws.connection import Response
from sluice.aws.wire import _refusal
from sluice.errors import AccessDeniedError, ServiceUnavailableError, UnexpectedResponseError
from sluice.runs.undone import UndoneItem
from sluice.workflows.athena_map.query_figures import query_end

DENIED = (
    "User: arn:aws:sts::111122223333:assumed-role/sluice-TransformItemsFunctionRole/x is not authorized to perform: "
    "kms:Decrypt on resource: arn:aws:kms:eu-west-1:111122223333:key/1 because no identity-based policy allows it"
)
OTHER = DENIED.replace("kms:Decrypt", "s3:GetObject").replace(
    "arn:aws:kms:eu-west-1:111122223333:key/1", "arn:aws:s3:::kms-data/a"
)


@pytest.mark.parametrize(
    ("problem", "is_so"),
    [
        (DENIED, True),
        ("KMS.DisabledException: arn is disabled.", True),
        ("KMSAccessDeniedException: no", True),
        ("The ciphertext refers to a KMS key that does not exist", True),
        (OTHER, False),
        ("Access Denied", False),
        ("table my-kms:x", False),
        ("s3://KMS-data/a", False),
    ],
)
def test_kms_is_recognised(problem: str, is_so: bool) -> None:
    assert is_about_kms(problem) is is_so
    assert ("KmsKeyArns" in with_advice(problem)) is is_so
    assert with_advice(with_advice(problem)) == with_advice(problem)


@pytest.mark.parametrize(
    ("code", "message", "status", "error"),
    [
        ("AccessDenied", DENIED, 403, AccessDeniedError),
        ("KMS.DisabledException", "the key is disabled", 400, AccessDeniedError),
        ("KMS.ThrottlingException", "slower", 400, ServiceUnavailableError),
        ("KMSInternalException", "again", 500, ServiceUnavailableError),
    ],
)
def test_s3_error_points_to_the_parameter(code: str, message: str, status: int, error: type[Exception]) -> None:
    s3 = boto3.client("s3")
    with Stubber(s3) as stubber:
        stubber.add_client_error("get_object", code, message, http_status_code=status)
        with pytest.raises(error) as raised, aws_errors("s3://b/k"):
            s3.get_object(Bucket="b", Key="k")
    assert message in str(raised.value)
    assert "KmsKeyArns" in str(raised.value)


@pytest.mark.parametrize(
    ("code", "status", "error"), [("AccessDenied", 403, AccessDeniedError), ("Other", 400, UnexpectedResponseError)]
)
def test_other_error_does_not(code: str, status: int, error: type[Exception]) -> None:
    s3 = boto3.client("s3")
    with Stubber(s3) as stubber:
        stubber.add_client_error("get_object", code, OTHER, http_status_code=status)
        with pytest.raises(error) as raised, aws_errors("s3://b/k"):
            s3.get_object(Bucket="b", Key="k")
    assert "KmsKeyArns" not in str(raised.value)


@pytest.mark.parametrize("name", ["AccessDeniedException", "KMSAccessDeniedException"])
def test_refusal_of_dynamodb_points_to_the_parameter(name: str) -> None:
    body = json.dumps({"__type": f"com.amazon.coral.service#{name}", "Message": DENIED}).encode()
    refused = _refusal(Response(400, {}, body))
    assert isinstance(refused, AccessDeniedError)
    assert DENIED in str(refused)
    assert "KmsKeyArns" in str(refused)


def test_query_and_copied_row_point_to_the_parameter() -> None:
    execution = {"QueryExecutionId": "q", "Status": {"State": "FAILED", "StateChangeReason": DENIED}}
    assert "KmsKeyArns" in query_end("States.TaskFailed", json.dumps({"QueryExecution": execution})).message
    refused = query_end("Athena.AthenaException", f"AccessDeniedException: {DENIED} (Service: Athena)").message
    assert "KmsKeyArns" in refused
    reported = "denied: kms:Decrypt on resource: arn:aws:kms:eu-west-1:111122223333:key/1"
    line = json.loads(UndoneItem(is_reject=False, error="AccessDenied", message=reported, item={}).to_line())
    assert line["message"].startswith(reported)
    assert "KmsKeyArns" in line["message"]

"""boto3 clients with Sluice's retry settings, and AWS errors as Sluice's own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError, IncompleteReadError, ResponseStreamingError
from botocore.exceptions import ConnectionError as BotoConnectionError
from urllib3.exceptions import HTTPError

from sluice.errors import AccessDeniedError, ServiceUnavailableError, SluiceError, UnexpectedResponseError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_stepfunctions import SFNClient


# An action or an ARN of KMS, or an error code such as KMS.DisabledException: not a bucket or table named after it.
_KMS = re.compile(r"(?<![\w-])kms:|\bKMS[A-Z]\w*Exception|\bKMS\.|\bKMS key\b", re.ASCII)
ADVICE = (
    "the data is encrypted with a KMS key: name it in the stack's parameter KmsKeyArns, and see to it that the key is "
    "enabled and its policy lets the account use it"
)


def is_about_kms(problem: str) -> bool:
    """Whether AWS speaks of a KMS key."""
    return _KMS.search(problem) is not None


def with_advice(problem: str) -> str:
    """The problem, and what to do where it comes from a KMS key; once only."""
    return f"{problem} ({ADVICE})" if is_about_kms(problem) and ADVICE not in problem else problem


BOTO_CONFIG = Config(
    connect_timeout=5,
    read_timeout=30,
    retries={"mode": "standard", "total_max_attempts": 6},
    tcp_keepalive=True,
    # The name of a local endpoint has no subdomains for buckets.
    s3={"addressing_style": "path"},
)

# What botocore raises, after its own attempts, when a connection cannot be made or breaks.
CONNECTION_ERRORS = (BotoConnectionError, HTTPClientError, IncompleteReadError)

# botocore takes these for errors, and redirects with them.
FIRST_ERROR_STATUS = 300

_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnrecognizedClientException"})
_UNAVAILABLE = frozenset({"SlowDown", "ThrottlingException", "RequestTimeout", "RequestLimitExceeded"})


@cache
def s3_client() -> S3Client:
    """The function's one S3 client, made when it is first needed: making it takes half as long as importing boto3."""
    client = boto3.client("s3", config=BOTO_CONFIG)
    retry_broken_error_bodies(client)
    return client


def retry_broken_error_bodies(client: S3Client) -> None:
    """Have botocore's retries cover a connection that breaks while the body of an error is read.

    Of a response that is streamed, botocore reads the body only after its retries, and lets urllib3's error through.
    https://github.com/boto/botocore/blob/1.43.0/botocore/endpoint.py#L294
    """
    endpoint: Any = client._endpoint  # type: ignore[attr-defined]
    send = endpoint._send

    def send_and_read(request: Any) -> Any:
        response = send(request)
        if response.status_code >= FIRST_ERROR_STATUS:
            try:
                _ = response.content
            except HTTPError as error:
                raise ResponseStreamingError(error=error) from error
        return response

    endpoint._send = send_and_read


@cache
def dynamodb_client() -> DynamoDBClient:
    """The function's one client for DynamoDB's control plane; bulk data goes over the wire."""
    return boto3.client("dynamodb", config=BOTO_CONFIG)


@cache
def lambda_client() -> LambdaClient:
    """The function's one client for the account's Lambda concurrency."""
    return boto3.client("lambda", config=BOTO_CONFIG)


@cache
def stepfunctions_client() -> SFNClient:
    """The function's one client for what a Map Run tells of itself."""
    return boto3.client("stepfunctions", config=BOTO_CONFIG)


@contextmanager
def aws_errors(resource: str, named: Mapping[str, SluiceError] | None = None) -> Iterator[None]:
    """Raise Sluice's errors for what botocore raises in a call about `resource`.

    `named` gives the error to raise for AWS's own error codes. For all others: AccessDeniedError,
    ServiceUnavailableError where another try may help, else UnexpectedResponseError.
    """
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        raise (named or {}).get(code) or _unnamed(error, code, resource) from error
    except CONNECTION_ERRORS as error:
        raise ServiceUnavailableError(f"{resource}: {error}") from error


def _unnamed(error: ClientError, code: str, resource: str) -> SluiceError:
    message = error.response["Error"].get("Message", "")
    problem = with_advice(f"{error.operation_name} on {resource}: {code}: {message}")
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    if code in _DENIED or status == 403:
        return AccessDeniedError(problem)
    if code.removeprefix("KMS.") in _UNAVAILABLE or status >= 500:
        return ServiceUnavailableError(problem)
    # A key that is disabled, or not there, is answered with 400.
    if is_about_kms(code):
        return AccessDeniedError(problem)
    return UnexpectedResponseError(problem)

"""Unit tests run offline: no sockets but loopback, dummy credentials, the environment of a deployed function."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from pytest_socket import socket_allow_hosts

# Before any handler is imported: handlers read their settings then.
os.environ |= {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
    "ATHENA_WORK_GROUPS": "primary,reports",
    "DATA_BUCKET": "sluice-data-000000000000-us-east-1",
    "EXPORT_LEDGER_TABLE": "export-ledger",
    "POWERTOOLS_SERVICE_NAME": "sluice",
    "PROCESSOR_FUNCTIONS": "my-function",
    "SOURCE_BUCKET_PATTERN": "*",
    "OUTPUT_BUCKET_PATTERN": "*",
    "DELETE_BUCKET_PATTERN": "",
    "PROCESSOR_STATE_MACHINES": "my-machine,other-machine",
    "RUN_TABLE": "runs-table",
}
for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
    os.environ.pop(name, None)


@pytest.fixture(autouse=True)
def _offline_with_clients_of_its_own() -> Iterator[None]:
    from sluice.aws.clients import dynamodb_client, lambda_client, s3_client, stepfunctions_client

    socket_allow_hosts(["127.0.0.1", "localhost", "::1"], allow_unix_socket=True)
    for each in (s3_client, dynamodb_client, stepfunctions_client, lambda_client):
        each.cache_clear()
    yield
    for each in (s3_client, dynamodb_client, stepfunctions_client, lambda_client):
        each.cache_clear()

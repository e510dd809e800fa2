"""boto3 sessions of a local AWS's own credentials."""

from typing import Any

import boto3

from local_aws import LocalAws


def session_of(local_aws: LocalAws, region: str | None = None) -> Any:
    """The account owner's session, in the server's Region or in another one."""
    credentials = local_aws.credentials
    return boto3.Session(
        credentials.access_key_id, credentials.secret_access_key, region_name=region or local_aws.region
    )

"""Connections to AWS: with the user's own configuration, or to local AWS and nothing else."""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    ProfileNotFound,
)
from botocore.exceptions import ConnectionError as NoConnectionError

from sluice_cli.exit_code import CommandError, NotDeployedError

if TYPE_CHECKING:
    from collections.abc import Callable

    import boto3
    from botocore.config import Config
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_stepfunctions import SFNClient

    from local_aws.lifecycle import LocalAws

OTHER_SIDE_ERRORS = frozenset(
    {
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "RequestLimitExceeded",
        "RequestTimeout",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
    }
)


@dataclass(frozen=True)
class Target:
    """Where a command's calls go: local AWS, or (None) wherever the AWS environment leads.

    `region` and `profile` take the place of what the AWS environment says.
    """

    local: "LocalAws | None" = None
    region: str | None = None
    profile: str | None = None

    def __str__(self) -> str:
        return f"local AWS at {self.local.endpoint_url}" if self.local else "AWS"

    @property
    def has_ended(self) -> bool:
        """Whether this local AWS has ended for good; AWS never has."""
        from local_aws.lifecycle import is_running

        return self.local is not None and not is_running(self.local)


@dataclass(frozen=True)
class Aws:
    """The clients that commands need, all for one target."""

    target: Target
    cloudformation: "CloudFormationClient"
    stepfunctions: "SFNClient"
    s3: "S3Client"
    functions: "LambdaClient"
    dynamodb: "DynamoDBClient"
    # Few commands need it, and a client takes time to make.
    logs: "Callable[[], CloudWatchLogsClient]"

    def __str__(self) -> str:
        return str(self.target) if self.target.local else f"AWS at {self.stepfunctions.meta.endpoint_url}"


def connect(target: Target) -> Aws:
    """Make the clients. Raises NotDeployedError when the AWS environment has no region or no such profile."""
    # Most of a second goes into this import; help and refused input do without it.

    try:
        session = _local_session(target.local) if target.local else _session(target)
        endpoint_url = target.local.endpoint_url if target.local else None
        config = _config(target)
        return Aws(
            target,
            session.client("cloudformation", endpoint_url=endpoint_url, config=config),
            session.client("stepfunctions", endpoint_url=endpoint_url, config=config),
            session.client("s3", endpoint_url=endpoint_url, config=config),
            session.client("lambda", endpoint_url=endpoint_url, config=config),
            session.client("dynamodb", endpoint_url=endpoint_url, config=config),
            lambda: session.client("logs", endpoint_url=endpoint_url, config=config),
        )
    except BotoCoreError as error:
        raise explained(error, target) from error


def _session(target: Target) -> "boto3.Session":
    import boto3

    return boto3.Session(profile_name=target.profile, region_name=target.region)


def _config(target: Target) -> "Config":
    """Local AWS is on loopback: no proxy leads there, and settings for AWS's own endpoints do not fit it."""
    from botocore.config import Config

    config = Config(
        retries={"mode": "standard", "max_attempts": 5},
        connect_timeout=10,
        read_timeout=30,
        user_agent_extra="sluice",
    )
    local = Config(proxies={}, use_fips_endpoint=False, use_dualstack_endpoint=False)
    return config.merge(local) if target.local else config


def _local_session(local: "LocalAws") -> "boto3.Session":
    """A session that reads no AWS configuration of the user's: no profile, no files. Raises NotDeployedError."""
    import boto3
    import botocore.session

    from local_aws.lifecycle import LocalAwsError, client_environment

    try:
        environment = client_environment(local)
    except LocalAwsError as error:
        raise NotDeployedError(str(error)) from error
    nothing = (None, None, os.devnull, None)
    return boto3.Session(
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region_name=local.region,
        botocore_session=botocore.session.Session(
            session_vars={
                "profile": (None, None, None, None),
                "config_file": nothing,
                "credentials_file": nothing,
            }
        ),
    )


def is_temporary(error: BotoCoreError | ClientError) -> bool:
    """Whether the same call may succeed later: a throttle, a failure on AWS's side, a lost connection."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return error_code(error) in OTHER_SIDE_ERRORS or status == 429 or status >= 500
    return isinstance(error, NoConnectionError | HTTPClientError)


def error_code(error: ClientError) -> str:
    """AWS's name of the error."""
    return error.response.get("Error", {}).get("Code", "")


def explained(error: BotoCoreError | ClientError, target: Target) -> CommandError:
    """The error as the user should read it, with the exit code that belongs to it."""
    if isinstance(error, NoConnectionError | HTTPClientError):
        return NotDeployedError(f"cannot reach {target}: {error}")
    if isinstance(error, NoCredentialsError | NoRegionError | ProfileNotFound):
        return NotDeployedError(f"{str(error).rstrip('.')}. Configure AWS, name --region or --profile, or add --local.")
    return CommandError(str(error))

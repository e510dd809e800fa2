"""botocore's clients with which state machines call local AWS, signed as their role."""

import os
from functools import cache
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.handlers import handle_copy_source_param
from ministack.core.responses import get_region

from local_aws.role_permissions import Credentials, credentials_of

S3 = "s3"
# botocore's name of a service, where Step Functions has another.
SERVICES = {"cloudwatchlogs": "logs", "eventbridge": "events", "rdsdata": "rds-data", "sfn": "stepfunctions"}


def client_of(service_name: str, role_arn: str) -> Any:
    """A client of the service in the request's region, for a state machine with this role."""
    return _client(SERVICES.get(service_name, service_name), credentials_of(role_arn), get_region())


@cache
def _client(service_name: str, credentials: Credentials, region: str) -> Any:
    client: Any = botocore.session.Session().create_client(
        service_name,
        region_name=region,
        endpoint_url=f"http://127.0.0.1:{os.environ['GATEWAY_PORT']}",
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret_key,
        aws_session_token=credentials.token,
        config=Config(
            s3={"addressing_style": "path"},
            retries={"total_max_attempts": 1},
            max_pool_connections=50,
            inject_host_prefix=False,
            parameter_validation=False,
            response_checksum_validation="when_required",
        ),
    )
    if service_name == S3:
        # The source goes out as it is given, where botocore would encode it once more.
        client.meta.events.unregister("before-parameter-build.s3.CopyObject", handle_copy_source_param)
        client.meta.events.unregister("before-parameter-build.s3.UploadPartCopy", handle_copy_source_param)
    return client

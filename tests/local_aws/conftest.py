"""One local AWS for all tests of this folder, and clients of it."""

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

from local_aws import LocalAws, running


@pytest.fixture(scope="session")
def local_aws() -> Iterator[LocalAws]:
    with running(fault_injection=True) as started:
        yield started


@pytest.fixture(scope="session")
def client(local_aws: LocalAws) -> Callable[[str], Any]:
    """Clients without retries, so that a test sees the answer itself."""
    session: Any = boto3.Session(
        aws_access_key_id="test", aws_secret_access_key="test", region_name=local_aws.region
    )
    config = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
    return lambda service: session.client(service, endpoint_url=local_aws.endpoint_url, config=config)

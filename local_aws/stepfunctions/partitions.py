"""The partition in the ARN of a service integration, which must be that of the region."""

from ministack.core.responses import get_region

from local_aws.stepfunctions.errors import RUNTIME
from local_aws.stepfunctions.scope import Scope

AWS = "aws"
PARTITIONS = (("us-gov-", "aws-us-gov"), ("cn-", "aws-cn"))


def partition() -> str:
    """The partition of the request's region."""
    region = get_region()
    return next((name for beginning, name in PARTITIONS if region.startswith(beginning)), AWS)


def known_resource(resource: str, scope: Scope) -> str:
    """The integration's ARN as this package knows it, in the partition `aws`. Raises StateError in another's."""
    parts = resource.split(":")
    has_stand_in = scope.run.call is not None
    if has_stand_in or parts[2:5] != ["states", "", ""]:
        return resource
    expected = partition()
    if parts[1] != expected:
        message = (
            "The resource belongs to a different partition from the running execution. "
            f"Expected '{expected}', was '{parts[1]}'."
        )
        raise scope.failure(RUNTIME, message)
    return ":".join([parts[0], AWS, *parts[2:]])

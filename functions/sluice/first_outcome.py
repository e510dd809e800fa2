"""A slice may be tried more than once at a time; what it comes to is what the first attempt to end has come to.

An invocation whose connection was lost goes on for up to fifteen minutes, while Step Functions has begun the slice
again, and may end after the run. Its progress is lost: its part must not take the place of the one that was counted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sluice.aws import aws_errors
from sluice.errors import AttemptExistsError, ServiceUnavailableError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from sluice.run import Run


def leave_part(
    s3: S3Client, bucket: str, run: Run, part_key: str, *, progress: Mapping[str, Any], part: bytes
) -> dict[str, Any]:
    """Write a slice's part, an empty one not at all, and return its progress: those of the first attempt that ended.

    Every attempt writes the same part, whenever it does. Raises AccessDeniedError, ServiceUnavailableError.
    """
    key = run.outcome_key(part_key)
    outcome = json.dumps(progress).encode() + b"\n" + part
    if not _is_first(s3, bucket, key, outcome):
        with aws_errors(f"s3://{bucket}/{key}"):
            outcome = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    first, _, part = outcome.partition(b"\n")
    if part:
        with aws_errors(f"s3://{bucket}/{part_key}"):
            s3.put_object(Bucket=bucket, Key=part_key, Body=part, ContentType="application/jsonl")
    settled: dict[str, Any] = json.loads(first)
    return settled


def _is_first(s3: S3Client, bucket: str, key: str, outcome: bytes) -> bool:
    # In a conflict another attempt is writing: the next one will know who was first.
    conflict = ServiceUnavailableError(f"s3://{bucket}/{key}: another attempt at the slice is ending")
    named = {"PreconditionFailed": AttemptExistsError(), "ConditionalRequestConflict": conflict}
    try:
        with aws_errors(f"s3://{bucket}/{key}", named):
            s3.put_object(Bucket=bucket, Key=key, Body=outcome, IfNoneMatch="*")
    except AttemptExistsError:
        return False
    return True

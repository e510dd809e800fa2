"""The courses of slices: what a slice had done every ten seconds, for a report on the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sluice.aws.clients import aws_errors
from sluice.run_item.worker import RunWorker

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def leave_course(s3: S3Client, bucket: str, key: str, worker: RunWorker) -> None:
    """Write the slice's course, unless the slice is too short for one; a repeated slice overwrites its own.

    Raises AccessDeniedError, ServiceUnavailableError.
    """
    course = worker.course()
    if course:
        with aws_errors(f"s3://{bucket}/{key}"):
            s3.put_object(Bucket=bucket, Key=key, Body=course, ContentType="application/jsonl")

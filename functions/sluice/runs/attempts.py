"""A slice may be tried more than once at a time; what it comes to is what the first attempt to end has come to.

An invocation whose connection was lost continues for up to fifteen minutes, while Step Functions has begun the slice
again, and may end after the run. Its progress is lost: its part must not replace the one that was counted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sluice.aws.clients import aws_errors
from sluice.errors import AttemptExistsError, ServiceUnavailableError, SourceNotFoundError
from sluice.state import readable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from sluice.runs.paths import Run


def leave_part(
    s3: S3Client, bucket: str, run: Run, part_key: str, *, progress: Mapping[str, Any], part: bytes
) -> dict[str, Any]:
    """Write a slice's part, an empty one not at all, and return its progress: those of the first attempt that ended.

    Every attempt writes the same part, whenever it does. Raises AccessDeniedError, ServiceUnavailableError.
    """
    return leave_parts(s3, bucket, run.outcome_key(part_key), progress=progress, parts={part_key: part})


def leave_parts(
    s3: S3Client, bucket: str, outcome_key: str, *, progress: Mapping[str, Any], parts: Mapping[str, bytes]
) -> dict[str, Any]:
    """The same for a slice that leaves several parts, by their keys."""
    head = {"progress": progress, "parts": {key: len(part) for key, part in parts.items()}}
    outcome = b"\n".join([json.dumps(head).encode(), b"".join(parts.values())])
    if not _is_first(s3, bucket, outcome_key, outcome):
        with aws_errors(f"s3://{bucket}/{outcome_key}"):
            outcome = s3.get_object(Bucket=bucket, Key=outcome_key)["Body"].read()
    return _settle(s3, bucket, outcome)


def earlier_outcome(s3: S3Client, bucket: str, outcome_key: str) -> dict[str, Any] | None:
    """The progress of an attempt that has ended, whose parts are written if it could not; None when none has.

    Raises AccessDeniedError, ServiceUnavailableError.
    """
    missing = SourceNotFoundError(f"there is no s3://{bucket}/{outcome_key}")
    try:
        with aws_errors(f"s3://{bucket}/{outcome_key}", {"NoSuchKey": missing}):
            outcome = s3.get_object(Bucket=bucket, Key=outcome_key)["Body"].read()
    except SourceNotFoundError:
        return None
    return _settle(s3, bucket, outcome)


# The progress stands before the parts, and is small.
HEAD_BYTES = 1 << 20


def outcome_head(s3: S3Client, bucket: str, outcome_key: str) -> dict[str, Any]:
    """The progress of an attempt that has ended, without its parts.

    Raises FormatVersionError, AccessDeniedError, ServiceUnavailableError.
    """
    with aws_errors(f"s3://{bucket}/{outcome_key}"):
        answer = s3.get_object(Bucket=bucket, Key=outcome_key, Range=f"bytes=0-{HEAD_BYTES - 1}")
        head, _, _ = answer["Body"].read().partition(b"\n")
    progress: dict[str, Any] = json.loads(head)["progress"]
    readable(progress, "what a slice has come to")
    return progress


def seal(s3: S3Client, bucket: str, outcome_key: str, progress: Mapping[str, Any]) -> dict[str, Any]:
    """End a slice where it would have begun, unless an attempt at it has ended; returns the slice's progress.

    An attempt that ends later finds that it was not the first. Raises AccessDeniedError, ServiceUnavailableError.
    """
    outcome = json.dumps({"progress": progress, "parts": {}}).encode() + b"\n"
    if _is_first(s3, bucket, outcome_key, outcome):
        return dict(progress)
    return outcome_head(s3, bucket, outcome_key)


def was_tried_before(s3: S3Client, bucket: str, attempt_key: str) -> bool:
    """Leave a slice's marker; one that is there already was left by an attempt that did not end.

    Raises AccessDeniedError, ServiceUnavailableError.
    """
    tried = AttemptExistsError()
    named = {"PreconditionFailed": tried, "ConditionalRequestConflict": tried}
    try:
        with aws_errors(f"s3://{bucket}/{attempt_key}", named):
            s3.put_object(Bucket=bucket, Key=attempt_key, Body=b"", IfNoneMatch="*")
    except AttemptExistsError:
        return True
    return False


def leave_marker(s3: S3Client, bucket: str, key: str) -> None:
    """Leave an empty object. Raises AccessDeniedError, ServiceUnavailableError."""
    with aws_errors(f"s3://{bucket}/{key}"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"")


def has_marker(s3: S3Client, bucket: str, key: str) -> bool:
    """Whether there is such an object. Raises AccessDeniedError, ServiceUnavailableError."""
    missing = SourceNotFoundError(f"there is no s3://{bucket}/{key}")
    try:
        with aws_errors(f"s3://{bucket}/{key}", {"NoSuchKey": missing}):
            s3.get_object(Bucket=bucket, Key=key)
    except SourceNotFoundError:
        return False
    return True


def _settle(s3: S3Client, bucket: str, outcome: bytes) -> dict[str, Any]:
    head, _, rest = outcome.partition(b"\n")
    first = json.loads(head)
    readable(first["progress"], "what a slice has come to")
    for key, size in first["parts"].items():
        part, rest = rest[:size], rest[size:]
        if part:
            with aws_errors(f"s3://{bucket}/{key}"):
                s3.put_object(Bucket=bucket, Key=key, Body=part, ContentType="application/jsonl")
    progress: dict[str, Any] = first["progress"]
    return progress


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

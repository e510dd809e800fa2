"""Keys that an input brings, as the run's own: what the run reads is below its prefix, and stays there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sluice.aws import aws_errors
from sluice.errors import InvalidInputError, SourceNotFoundError
from sluice.scanning.distinct_input import KeysObject

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# The most that CopyObject copies.
COPY_MAX_BYTES = 5 << 30
# Up to this size an object is read to see whether it has any key.
READ_MAX_BYTES = 64 << 10


def copy_keys(s3: S3Client, given: KeysObject, bucket: str, key: str) -> None:
    """Copy the given object, within S3; one of blank lines becomes an empty object, which no Map is to read.

    Raises SourceNotFoundError, InvalidInputError, AccessDeniedError.
    """
    name = f"s3://{given.bucket}/{given.key}"
    missing = SourceNotFoundError(f"there is no object {name}")
    with aws_errors(name, {"404": missing, "NoSuchKey": missing, "NoSuchBucket": missing}):
        size = s3.head_object(Bucket=given.bucket, Key=given.key)["ContentLength"]
        if size > COPY_MAX_BYTES:
            raise InvalidInputError("keys.key", f"{name} has {size:,} bytes, more than the {COPY_MAX_BYTES:,} allowed")
        if size <= READ_MAX_BYTES and not s3.get_object(Bucket=given.bucket, Key=given.key)["Body"].read().strip():
            s3.put_object(Bucket=bucket, Key=key, Body=b"")
            return
        s3.copy_object(
            Bucket=bucket,
            Key=key,
            CopySource={"Bucket": given.bucket, "Key": given.key},
            # The object's tags would take further rights to be read.
            TaggingDirective="REPLACE",
        )

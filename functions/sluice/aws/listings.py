"""The keys below a prefix of a bucket."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def keys_below(s3: S3Client, bucket: str, prefix: str) -> Iterator[str]:
    """The keys in their order, a page at a time as they are needed. Raises botocore's errors."""
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        yield from (each["Key"] for each in page.get("Contents", []))

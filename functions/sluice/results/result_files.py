"""A Map Run's result files: the manifest, and the records of the files that it names.

https://docs.aws.amazon.com/step-functions/latest/dg/input-output-resultwriter.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

STATUSES = ("SUCCEEDED", "FAILED", "PENDING")


def find_manifest(s3: S3Client, bucket: str, results_prefix: str) -> str | None:
    """Key of the newest manifest below the prefix, if any: a Map Run that failed tells nobody where its manifest is."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=results_prefix + "/")
    manifests = [each for page in pages for each in page.get("Contents", []) if each["Key"].endswith("/manifest.json")]
    return max(manifests, key=lambda each: each["LastModified"])["Key"] if manifests else None


def result_records(s3: S3Client, bucket: str, manifest_key: str) -> Iterator[dict[str, Any]]:
    """Every child's record, in no particular order, one in memory at a time."""
    manifest = json.loads(s3.get_object(Bucket=bucket, Key=manifest_key)["Body"].read())
    for status in STATUSES:
        for each in manifest["ResultFiles"].get(status, []):
            body = s3.get_object(Bucket=bucket, Key=each["Key"])["Body"]
            for line in body.iter_lines(chunk_size=1 << 16):
                yield json.loads(line)


def map_run_of(s3: S3Client, bucket: str, manifest_key: str) -> str:
    """The ARN of the Map Run whose manifest this is."""
    arn: str = json.loads(s3.get_object(Bucket=bucket, Key=manifest_key)["Body"].read())["MapRunArn"]
    return arn


def map_run_records(
    s3: S3Client, bucket: str, results_prefix: str, map_run: Mapping[str, Any] | None
) -> Iterator[dict[str, Any]]:
    """The records of the Map Run that the state's result names, or of the newest below the prefix, if there are any."""
    manifest = map_run["ResultWriterDetails"]["Key"] if map_run else find_manifest(s3, bucket, results_prefix)
    return result_records(s3, bucket, manifest) if manifest else iter(())

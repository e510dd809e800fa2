"""Which buckets a run may use, and where it copies objects to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from sluice.aws.clients import aws_errors
from sluice.errors import InvalidInputError
from sluice.fields import Fields
from sluice.runs.input import output_prefix
from sluice.state import State

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


WHOLE, NAME, BUCKET, WITHOUT = "whole", "name", "bucket", "without"
DESTINATION = "action.copyObject.destination"
DESTINATION_FIELDS = ("bucket", "prefix", "keys")


@dataclass(frozen=True, slots=True)
class AllowedBuckets:
    """The buckets that a run may use: the role of the state machine is bounded by the same patterns.

    Each pattern is a name or a pattern such as copies-*; empty for no bucket besides the data bucket.
    """

    data_bucket: str
    source_pattern: str
    output_pattern: str
    delete_pattern: str = ""

    def check_source(self, fields: Fields, name: str, bucket: str) -> None:
        """Raises InvalidInputError for a bucket that the run may not read."""
        self._check(fields, name, bucket, self.source_pattern, "SourceBucketPattern")

    def check_output(self, fields: Fields, name: str, bucket: str) -> None:
        """Raises InvalidInputError for a bucket that the run may not write."""
        self._check(fields, name, bucket, self.output_pattern, "OutputBucketPattern")

    def check_delete(self, fields: Fields, name: str, bucket: str) -> None:
        """Raises InvalidInputError for a bucket whose objects the run may not delete."""
        self._check(fields, name, bucket, self.delete_pattern, "DeleteBucketPattern")

    def _check(self, fields: Fields, name: str, bucket: str, pattern: str, parameter: str) -> None:
        if bucket != self.data_bucket and not fnmatchcase(bucket, pattern):
            known = pattern or "there are none"
            raise fields.wrong(name, f"{bucket} is not among the buckets of the stack's {parameter}: {known}")


@dataclass(frozen=True, slots=True)
class Destination(State):
    """Where copies go. `prefix` ends with a slash. `keys`: which part of the source's key follows it.

    `without`: what WITHOUT removes from the beginning of the key. `is_empty`: there is nothing below the prefix, so
    that no copy has to be looked for.
    """

    bucket: str
    prefix: str
    keys: str
    without: str | None
    is_empty: bool = False


def read_destination(copy: Fields, buckets: AllowedBuckets) -> Destination:
    """The `destination` of a copyObject action. Raises InvalidInputError naming the field."""
    given = copy.section("destination", DESTINATION_FIELDS)
    bucket = given.text_or("bucket", buckets.data_bucket)
    buckets.check_output(given, "bucket", bucket)
    prefix = output_prefix(given, "prefix", bucket, buckets.data_bucket)
    if given.has("keys") and not isinstance(given.raw("keys"), str):
        without = given.section("keys", (WITHOUT,)).text(WITHOUT)
        return Destination(bucket, prefix, WITHOUT, without)
    return Destination(bucket, prefix, given.choice("keys", (WHOLE, NAME, BUCKET), WHOLE), None)


def looked_up(s3: S3Client, destination: Destination) -> Destination:
    """The destination with `is_empty` as it is now. Raises InvalidInputError when there is no such bucket."""
    bucket = destination.bucket
    missing = InvalidInputError(f"{DESTINATION}.bucket", f"there is no bucket {bucket}")
    with aws_errors(f"s3://{bucket}", {"NoSuchBucket": missing}):
        listed = s3.list_objects_v2(Bucket=bucket, Prefix=destination.prefix, MaxKeys=1)
    return replace(destination, is_empty=not listed.get("Contents"))

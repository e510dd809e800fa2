"""The object that a run reads: found, pinned to its version, and its header read."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sluice.aws.clients import aws_errors
from sluice.errors import SourceNotFoundError
from sluice.reading.decompression import check_reachable
from sluice.reading.key_endings import delimiter_by_name, format_by_name
from sluice.reading.leading_bytes import ZIP
from sluice.reading.source import ObjectPin, Source, SourceInput
from sluice.reading.source_header import read_header
from sluice.reading.streams import open_source, stored_bytes
from sluice.reading.zip_members import ZipMember, only_member, zip_members

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectRequestTypeDef


def find_source(s3_client: S3Client, request: SourceInput) -> Source:
    """The object as it is now, pinned; its header is not read yet, but the one of the input.

    Raises SourceNotFoundError naming the bucket, the key or the version that is missing; AccessDeniedError;
    InvalidInputError for a compressed object that is too large to be continued by later slices.
    """
    name = f"s3://{request.bucket}/{request.key}"
    version: GetObjectRequestTypeDef = {"Bucket": request.bucket, "Key": request.key}
    if request.version_id:
        version["VersionId"] = request.version_id
    no_version = SourceNotFoundError(f"{name} has no version {request.version_id}")
    named = {
        "NoSuchBucket": SourceNotFoundError(f"there is no bucket {request.bucket}"),
        "NoSuchKey": SourceNotFoundError(f"the bucket {request.bucket} has no object {request.key}"),
        "NoSuchVersion": no_version,
        "InvalidArgument": no_version,
        "MethodNotAllowed": SourceNotFoundError(f"version {request.version_id} of {name} is a delete marker"),
        "InvalidObjectState": SourceNotFoundError(f"{name} is archived; restore it first"),
    }
    # HeadObject would be less, but its errors have no body to say what is missing.
    with aws_errors(name, named):
        found = s3_client.get_object(**version)
    found["Body"].close()
    pin = ObjectPin(
        bucket=request.bucket,
        key=request.key,
        version_id=found.get("VersionId"),
        etag=found["ETag"],
        size=found["ContentLength"],
        compression=request.compression,
    )
    check_reachable(pin.size, pin.compression, str(pin))
    return Source(pin, request.dialect, request.headers)


def with_header(s3_client: S3Client, source: Source, request: SourceInput) -> tuple[Source, int]:
    """The source with its format and its columns known, and the offset of its first data row.

    Raises SourceMalformedError for an empty source or one that is clearly something else,
    InvalidInputError on the field of the source that does not fit it.
    """
    if source.compression == ZIP:
        source = _in_zip(s3_client, source, request)
    return read_header(lambda start: open_source(s3_client, source, start, None), source)


def members_of(s3_client: S3Client, source: Source) -> list[ZipMember]:
    """The files in an object that is a zip. Raises SourceMalformedError."""
    return zip_members(lambda start, end: stored_bytes(s3_client, source.pin, start, end), source.size, str(source))


def _in_zip(s3_client: S3Client, source: Source, request: SourceInput) -> Source:
    """The only file in a zip; its name's ending counts where the input and the key say no format."""
    member = only_member(members_of(s3_client, source), str(source))
    dialect = source.dialect
    if not dialect.format:
        delimiter = dialect.delimiter if request.has_delimiter else delimiter_by_name(member.name)
        dialect = replace(dialect, format=format_by_name(member.name) or "", delimiter=delimiter)
    return replace(source, pin=replace(source.pin, member=member), dialect=dialect)

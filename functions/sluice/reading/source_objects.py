"""The object that a run reads: found, pinned to its version, and its header read."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from sluice.aws.clients import aws_errors
from sluice.errors import InvalidInputError, SourceMalformedError, SourceNotFoundError
from sluice.reading.dialect import CSV
from sluice.reading.object_reads import OpenAt
from sluice.reading.record_scanner import Block, blocks, first_rows, read_fully
from sluice.reading.rows import csv_records
from sluice.reading.source import NONE, ObjectPin, Source, SourceInput
from sluice.reading.streams import open_source
from sluice.rejects import quoted

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectRequestTypeDef


_HEADER_BLOCK_BYTES = 64 << 10
_UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_GZIP_MARK = b"\x1f\x8b"


def find_source(s3_client: S3Client, request: SourceInput) -> Source:
    """The object as it is now, pinned; its header is not read yet, but the one of the input.

    Raises SourceNotFoundError naming the bucket, the key or the version that is missing; AccessDeniedError.
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
    return Source(pin, request.dialect, request.headers)


def with_header(s3_client: S3Client, source: Source) -> tuple[Source, int]:
    """The source with its columns known, and the offset of its first data row.

    Raises SourceMalformedError for an empty source or one that is clearly something else,
    InvalidInputError on source.headers for a column that appears twice.
    """
    return read_header(lambda start: open_source(s3_client, source, start, None), source)


def read_header(open_at: OpenAt, source: Source) -> tuple[Source, int]:
    """The same for an object that `open_at` opens."""
    start = _start_of_text(open_at, source)
    if source.format != CSV:
        return source, start
    if source.header is None:
        first = _first_record(open_at, source, start)
        source, start = replace(source, header=tuple(_columns(first, source))), first.end
    _check_unique(source.header or ())
    return source, start


def _start_of_text(open_at: OpenAt, source: Source) -> int:
    """The offset after a byte order mark, if there is one."""
    with closing(open_at(0)) as stream:
        head = read_fully(stream, len(_UTF8_MARK) + 1)
    mark = len(_UTF8_MARK) if source.encoding == "utf-8" and head.startswith(_UTF8_MARK) else 0
    if len(head) == mark:
        raise SourceMalformedError(f"{source} is empty")
    if head.startswith(_GZIP_MARK):
        hint = "; set source.compression to gzip" if source.compression == NONE else " twice over"
        raise SourceMalformedError(f"{source} is gzip{hint}")
    if head.startswith(_UTF16_MARKS) and source.encoding == "utf-8":
        raise SourceMalformedError(f"{source} is utf-16; convert it to utf-8")
    return mark


def _first_record(open_at: OpenAt, source: Source, start: int) -> Block:
    with closing(open_at(start)) as stream:
        for block in blocks(stream, source.grammar, start, 0, _HEADER_BLOCK_BYTES):
            if block.rows:
                return first_rows(block, source.grammar, 1)
    raise SourceMalformedError(f"{source} has no header row, only blank lines")


def _columns(record: Block, source: Source) -> list[str]:
    try:
        text = str(record.data, source.encoding)
    except UnicodeDecodeError as error:
        raise SourceMalformedError(
            f"{source}: byte 0x{record.data[error.start]:02x} of the header row, at offset "
            f"{record.start + error.start}, is not {source.encoding}; set source.encoding"
        ) from error
    return csv_records(text, source.dialect)[0]


def _check_unique(header: tuple[str, ...]) -> None:
    """A column without a name may stand once, as the index that pandas writes does."""
    places: dict[str, int] = {}
    for number, name in enumerate(header, 1):
        if name in places:
            raise InvalidInputError(
                "source.headers",
                f"the column {quoted(name)} appears twice, as column {places[name]} and {number}",
            )
        places[name] = number

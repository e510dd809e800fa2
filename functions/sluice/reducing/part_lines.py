"""The groups of one sorted part, read line by line, and gone on with where an earlier slice has stopped."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from itertools import islice
from json import loads
from typing import TYPE_CHECKING, Any, NamedTuple

from sluice.aws import aws_errors
from sluice.errors import SourceNotFoundError, UnexpectedResponseError
from sluice.reading.object_stream import SourceStream, open_source
from sluice.reading.source import GZIP, JSONL, Source

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

READ_BYTES = 256 << 10


class PartLine(NamedTuple):
    """One group of one part. Compared by key, then by part: no part has a key twice."""

    key: list[str]
    part: int
    line: bytes
    rows: int
    measures: list[Any]


def part_lines(s3: S3Client, bucket: str, key: str, part: int, skip: int) -> Generator[PartLine, None, None]:
    """The part's groups after the first `skip`; the connection lasts as long as the iterator.

    Raises SourceNotFoundError, SourceChangedError, SourceMalformedError, ServiceUnavailableError, AccessDeniedError,
    and UnexpectedResponseError when the keys are not in order.
    """
    with closing(open_source(s3, _pin(s3, bucket, key), 0, None)) as stream:
        yield from in_order(islice(lines(stream), skip, None), part, f"s3://{bucket}/{key}")


def in_order(found: Iterator[bytes], part: int, name: str) -> Iterator[PartLine]:
    """The lines with their keys, which ascend: a merge of parts that are out of order would give wrong groups."""
    last: list[str] | None = None
    for line in found:
        key, rows, measures = loads(line)
        if last is not None and key <= last:
            raise UnexpectedResponseError(f"{name}: its groups are not in the order of their keys")
        last = key
        yield PartLine(key, part, line, rows, measures)


def lines(stream: SourceStream) -> Iterator[bytes]:
    """The stream's lines, without their ends."""
    rest = b""
    while data := stream.read(READ_BYTES):
        pieces = (rest + data).split(b"\n")
        rest = pieces.pop()
        yield from pieces
    if rest:
        raise UnexpectedResponseError("a part ends in the middle of a line")


def _pin(s3: S3Client, bucket: str, key: str) -> Source:
    name = f"s3://{bucket}/{key}"
    missing = SourceNotFoundError(f"there is no {name}: was it removed while the run goes on?")
    with aws_errors(name, {"404": missing, "NoSuchKey": missing}):
        found = s3.head_object(Bucket=bucket, Key=key)
    etag, size = found["ETag"], found["ContentLength"]
    return Source(bucket, key, None, etag, size, JSONL, GZIP, "", None, None, "utf-8")

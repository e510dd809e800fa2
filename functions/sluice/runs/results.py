"""The result files of a Map Run, the wait for them, and objects merged from many.

https://docs.aws.amazon.com/step-functions/latest/dg/input-output-resultwriter.html
"""

from __future__ import annotations

import io
import json
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, TypeVar

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


# Without a reader a Map Run leaves no result files at all, so that there is an end to the waiting.
RESULTS_WAIT_SECONDS = 30
PAUSE_SECONDS = 1

Result = TypeVar("Result")


def read_until_complete(
    read: Callable[[], Result],
    is_complete: Callable[[Result], bool],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Result:
    """What `read` finds in the result files, read again until it accounts for all that was planned, or time is up."""
    deadline = clock() + RESULTS_WAIT_SECONDS
    while not is_complete(found := read()) and clock() < deadline:
        sleep(PAUSE_SECONDS)
    return found


RUNNING = "RUNNING"
_ENDS = ("succeeded", "failed", "timedOut", "aborted", "pending")


@dataclass(frozen=True, slots=True)
class MapRunCounts:
    """`ended`: items of children that ended or never started; `results_written`: items in the result files."""

    map_run_arn: str
    status: str
    total: int
    ended: int
    results_written: int

    @classmethod
    def from_description(cls, description: Mapping[str, Any]) -> MapRunCounts:
        """Read what DescribeMapRun returns."""
        counts = description["itemCounts"]
        return cls(
            map_run_arn=description["mapRunArn"],
            status=description["status"],
            total=counts["total"],
            ended=sum(counts[each] for each in _ENDS),
            results_written=counts["resultsWritten"],
        )

    @property
    def are_final(self) -> bool:
        """Whether the Map Run has ended, and its counts have caught up with that."""
        return self.status != RUNNING and self.total == self.ended == self.results_written

    def __str__(self) -> str:
        return (
            f"{self.map_run_arn} is {self.status}, with {self.total:,} items, {self.ended:,} of them ended, "
            f"{self.results_written:,} in result files"
        )


SPOOL_BYTES = 8 << 20


def spool() -> tempfile.SpooledTemporaryFile[bytes]:
    """An empty file that ends with its context."""
    return tempfile.SpooledTemporaryFile(SPOOL_BYTES)


def empty(file: IO[bytes]) -> None:
    """Begin it again."""
    file.seek(0)
    file.truncate()


def upload(s3: S3Client, file: IO[bytes], bucket: str, key: str) -> None:
    """Leave all of it as an object."""
    file.seek(0)
    s3.upload_fileobj(file, bucket, key)


RESULT_CHUNK_BYTES = 1 << 20


def upload_chunks(s3: S3Client, bucket: str, key: str, chunks: Iterable[bytes]) -> None:
    """Write an object that may be too long for memory. Nothing is written where `chunks` raises."""
    s3.upload_fileobj(io.BufferedReader(ChunkStream(chunks), RESULT_CHUNK_BYTES), bucket, key)


def merge_objects(s3: S3Client, bucket: str, keys: Iterable[str], merged_key: str) -> None:
    """Write one object that holds the others, one after the other."""
    s3.upload_fileobj(io.BufferedReader(MergedObjects(s3, bucket, keys)), bucket, merged_key)


class ChunkStream(io.RawIOBase):
    """Pieces of bytes, made on demand, as one stream."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = chunk
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


class MergedObjects(ChunkStream):
    """Reads the objects in the order of their keys, each opened when the one before it has ended."""

    def __init__(self, s3: S3Client, bucket: str, keys: Iterable[str]) -> None:
        super().__init__(self._read(s3, bucket, keys))

    @staticmethod
    def _read(s3: S3Client, bucket: str, keys: Iterable[str]) -> Iterator[bytes]:
        for key in keys:
            yield from s3.get_object(Bucket=bucket, Key=key)["Body"].iter_chunks(RESULT_CHUNK_BYTES)

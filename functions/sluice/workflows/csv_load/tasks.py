"""The objects of a set, listed and pinned, and the tasks in which they are inspected before anything is written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple, TypeVar

from sluice.aws.clients import aws_errors
from sluice.errors import (
    AccessDeniedError,
    InvalidInputError,
    SluiceError,
    SourceChangedError,
    SourceMalformedError,
    SourceNotFoundError,
)
from sluice.reading.leading_bytes import ZIP
from sluice.reading.object_reads import UNREADABLE
from sluice.reading.object_set import ObjectSet
from sluice.reading.source import ObjectPin, Source
from sluice.reading.source_objects import find_source, members_of
from sluice.reading.zip_members import ZipMember
from sluice.runs.plans import PlanLine

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


Page = TypeVar("Page")
# A listing of more takes longer than one invocation should.
OBJECTS_MAX = 2_000_000
# What a task's objects take in the input of its child, and their bytes: some seconds of one processor.
TASK_MAX_BYTES = 96 << 10
TASK_SOURCE_BYTES = 256 << 20
# A chunk of a large object is scanned on its own.
TASK_CHUNK_BYTES = 256 << 20
PINNED_AT_ONCE = 32


class TaskPiece(NamedTuple):
    """An object, or a chunk of one: the bytes from `start` to `end`, where `end` is None all of them.

    `etag` is empty for an object of `source.keys` that could not be pinned; `problem` is then why: an error's name and
    its message. `member`: the fields of a ZipMember, for a file in a zip.
    """

    key: str
    etag: str
    size: int
    version_id: str | None = None
    start: int = 0
    end: int | None = None
    problem: tuple[str, str] | None = None
    member: tuple[str, int, int, int, int, int] | None = None

    @property
    def length(self) -> int:
        """Its bytes, as stored."""
        if self.member:
            return ZipMember(*self.member).stored_size
        return (self.size if self.end is None else self.end) - self.start

    @property
    def identity(self) -> tuple[str, str | None]:
        """What tells its object, or the file in a zip, from all others."""
        return self.key, self.member[0] if self.member else None


@dataclass(frozen=True, slots=True)
class Task(PlanLine):
    """What one child inspects."""

    kind: ClassVar = "task"

    index: int
    pieces: tuple[TaskPiece, ...]


def list_objects(s3: S3Client, objects: ObjectSet) -> Iterator[TaskPiece]:
    """The objects of a set, in the order of their keys or of the list. Markers of folders are left out.

    Raises SourceNotFoundError when there is none, InvalidInputError when there are too many, AccessDeniedError,
    ServiceUnavailableError.
    """
    found = _listed(s3, objects) if objects.prefix is not None else _pinned(s3, objects)
    number = 0
    for number, each in enumerate((part for piece in found for part in _files_of(s3, objects, piece)), 1):
        if number > OBJECTS_MAX:
            raise InvalidInputError(
                objects.field_name, f"{objects} has more than {OBJECTS_MAX:,} objects; load it in parts"
            )
        yield each
    if not number:
        hint = "; check source.prefix and source.suffix" if objects.suffix else "; check source.prefix"
        raise SourceNotFoundError(f"{objects.field_name}: there is no object {objects}{hint}")


def _files_of(s3: S3Client, objects: ObjectSet, piece: TaskPiece) -> Iterable[TaskPiece]:
    """The files in an object that is a zip; any other object as it is."""
    try:
        if piece.problem or not piece.size or objects.of(piece.key).compression != ZIP:
            return (piece,)
        members = members_of(s3, source_for(objects, piece))
    except (InvalidInputError, *UNREADABLE) as error:
        return (piece._replace(problem=problem_of(error)),)
    return [piece._replace(member=astuple(each)) for each in members] or [piece._replace(size=0)]


def _listed(s3: S3Client, objects: ObjectSet) -> Iterator[TaskPiece]:
    missing = SourceNotFoundError(f"source.bucket: there is no bucket {objects.bucket}")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=objects.bucket, Prefix=objects.prefix or "")
    try:
        with aws_errors(f"s3://{objects.bucket}/{objects.prefix}", {"NoSuchBucket": missing}):
            for page in _ahead(pages):
                for each in page.get("Contents", []):
                    is_folder = each["Key"].endswith("/") and not each["Size"]
                    if not is_folder and each["Key"].endswith(objects.suffix):
                        yield TaskPiece(each["Key"], each["ETag"], each["Size"])
    except AccessDeniedError as error:
        hint = "the stack's parameter SourceBucketPattern names the buckets that runs may read"
        raise AccessDeniedError(f"source.bucket: {error}; {hint}") from error


def _ahead(pages: Iterable[Page]) -> Iterator[Page]:
    """The pages; while one is worked on, the next one is requested."""
    source = iter(pages)
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, source, None)
        while (page := coming.result()) is not None:
            coming = thread.submit(next, source, None)
            yield page


def _pinned(s3: S3Client, objects: ObjectSet) -> Iterator[TaskPiece]:
    with ThreadPoolExecutor(PINNED_AT_ONCE) as threads:
        yield from threads.map(lambda key: _pin(s3, objects, key), objects.keys)


def _pin(s3: S3Client, objects: ObjectSet, key: str) -> TaskPiece:
    """The object with its ETag and size, or what keeps it from being read."""
    try:
        return piece_of(find_source(s3, objects.of(key)))
    except (InvalidInputError, SourceNotFoundError, AccessDeniedError) as error:
        return TaskPiece(key, "", 0, problem=problem_of(error))


def piece_of(source: Source) -> TaskPiece:
    """A pinned object as a piece of a task."""
    return TaskPiece(source.key, source.etag, source.size, source.version_id)


def problem_of(error: SluiceError) -> tuple[str, str]:
    """An error's name and its message."""
    return type(error).__name__, str(error)


def error_of(problem: tuple[str, str]) -> SluiceError:
    """The error that `problem_of` has named. Its field, if it has one, stands in its message."""
    name, message = problem
    kinds: dict[str, type[SluiceError]] = {
        kind.__name__: kind
        for kind in (SourceNotFoundError, SourceChangedError, SourceMalformedError, AccessDeniedError)
    }
    if name in kinds:
        return kinds[name](message)
    path, _, rest = message.partition(": ")
    return InvalidInputError(path, rest)


def tasks_of(pieces: Iterable[TaskPiece]) -> Iterator[Task]:
    """The pieces in groups, each for one child."""
    group: list[TaskPiece] = []
    index = weight = size = 0
    for piece in pieces:
        more, length = len(json.dumps(piece)) + 2, piece.length
        if group and (weight + more > TASK_MAX_BYTES or size + length > TASK_SOURCE_BYTES):
            yield Task(index, tuple(group))
            group, index, weight, size = [], index + 1, 0, 0
        group.append(piece)
        weight, size = weight + more, size + length
    if group:
        yield Task(index, tuple(group))


def chunks_of(piece: TaskPiece, chunk_bytes: int) -> Iterator[TaskPiece]:
    """A large object in chunks, which are scanned independently."""
    for start in range(0, piece.size, chunk_bytes):
        yield piece._replace(start=start, end=min(start + chunk_bytes, piece.size))


def source_for(objects: ObjectSet, piece: TaskPiece) -> Source:
    """A piece's object, its header not read yet. Raises InvalidInputError."""
    request = objects.of(*piece.identity)
    member = ZipMember(*piece.member) if piece.member else None
    pin = ObjectPin(request.bucket, piece.key, piece.version_id, piece.etag, piece.size, request.compression, member)
    return Source(pin, request.dialect, request.headers)

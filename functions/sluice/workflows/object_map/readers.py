"""Where a run finds its objects: below a prefix, in a file of JSON Lines, or in what an earlier run has left."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from botocore.exceptions import IncompleteReadError
from urllib3.exceptions import HTTPError

from sluice.aws.clients import CONNECTION_ERRORS, aws_errors
from sluice.aws.listings import keys_below
from sluice.errors import InvalidInputError, ServiceUnavailableError, SourceChangedError, SourceNotFoundError
from sluice.fields import kind_of
from sluice.runs.counts import Counts
from sluice.runs.paths import Run
from sluice.state import readable
from sluice.workflows.object_map.objects import FIELDS, ObjectCheck, S3Object, is_timestamp, quoted_etag, timestamp

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


LISTING_PAGE = 1000
# Outcomes of an earlier run are small objects, and many.
OUTCOME_READERS = 32
_BATCHES_PER_PAGE = 256
_TEXTS = ("Bucket", "Key", "ETag", "LastModified", "VersionId", "StorageClass")
NO_OBJECTS = Counts()

Page = tuple[Sequence[S3Object], Any, Counts]


@dataclass(frozen=True, slots=True)
class PrefixReader:
    """The objects below a prefix. A position is the last key that was listed."""

    s3: S3Client
    bucket: str
    prefix: str

    def pages(self, position: str | None) -> Iterator[Page]:
        """See `listing.Reader`. Raises InvalidInputError when there is no such bucket, AccessDeniedError."""
        missing = InvalidInputError("bucket", f"there is no bucket {self.bucket}")
        paging: Any = {"StartAfter": position} if position else {}
        with aws_errors(f"s3://{self.bucket}/{self.prefix}", {"NoSuchBucket": missing}):
            listed = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.prefix, **paging)
            for page in listed:
                found = page.get("Contents", [])
                if found:
                    yield [self._object(each) for each in found], found[-1]["Key"], NO_OBJECTS

    def _object(self, listed: Any) -> S3Object:
        return {
            "Bucket": self.bucket,
            "Key": listed["Key"],
            "Size": listed["Size"],
            "ETag": listed["ETag"],
            "LastModified": timestamp(listed["LastModified"]),
            "VersionId": None,
            "StorageClass": listed.get("StorageClass", "STANDARD"),
        }


def read_lines(s3: S3Client, bucket: str, key: str, offset: int, etag: str | None = None) -> Iterator[bytes]:
    """The lines of an object from a byte on, with their newlines.

    Raises SourceChangedError, SourceNotFoundError, AccessDeniedError, ServiceUnavailableError.
    """
    name = f"s3://{bucket}/{key}"
    named = {
        "NoSuchKey": SourceNotFoundError(f"there is no object {name}"),
        "NoSuchBucket": SourceNotFoundError(f"there is no bucket {bucket}"),
        "PreconditionFailed": SourceChangedError(f"{name} is no longer the object that the run started with"),
    }
    options: Any = {"IfMatch": etag} if etag else {}
    if offset:
        options["Range"] = f"bytes={offset}-"
    at_end = SourceChangedError(f"{name} has no more than {offset} bytes")
    try:
        with aws_errors(name, {**named, "InvalidRange": at_end}):
            body = s3.get_object(Bucket=bucket, Key=key, **options)["Body"]
    except SourceChangedError as error:
        if error is at_end:
            return
        raise
    try:
        yield from body.iter_lines(chunk_size=1 << 16, keepends=True)
    except (*CONNECTION_ERRORS, IncompleteReadError, HTTPError) as error:
        raise ServiceUnavailableError(f"{name}: {error}") from error


@dataclass(frozen=True, slots=True)
class FileReader:
    """The objects that a file of JSON Lines names, such as an earlier run's failed objects.

    A position is [the file's ETag, its size, the bytes that were read, the lines that were read].
    """

    s3: S3Client
    bucket: str
    key: str
    check: ObjectCheck

    def pages(self, position: Sequence[Any] | None) -> Iterator[Page]:
        """See `listing.Reader`. Raises InvalidInputError for a line that names no object, SourceNotFoundError."""
        etag, size, offset, number = position or self._begin()
        lines = read_lines(self.s3, self.bucket, self.key, offset, etag) if offset < size else iter(())
        while page := list(islice(lines, LISTING_PAGE)):
            found = [self._object(line, number + index) for index, line in enumerate(page, 1) if line.strip()]
            number += len(page)
            offset += sum(map(len, page))
            yield found, [etag, size, offset, number], NO_OBJECTS

    def _begin(self) -> tuple[str, int, int, int]:
        name = f"s3://{self.bucket}/{self.key}"
        missing = SourceNotFoundError(f"there is no object {name}")
        with aws_errors(name, {"404": missing, "NoSuchKey": missing, "NoSuchBucket": missing}):
            head = self.s3.head_object(Bucket=self.bucket, Key=self.key)
        return head["ETag"], head["ContentLength"], 0, 0

    def _object(self, line: bytes, number: int) -> S3Object:
        where = f"line {number:,} of s3://{self.bucket}/{self.key}"
        try:
            given = json.loads(line)
        except ValueError as error:
            raise InvalidInputError("objects.key", f"{where} is not valid JSON") from error
        if not isinstance(given, dict):
            raise InvalidInputError("objects.key", f"{where} must be an object, not {kind_of(given)}")
        each = {name: given.get(name) for name in FIELDS}
        self._check_types(each, where)
        if each["ETag"]:
            each["ETag"] = quoted_etag(each["ETag"])
        self.check.check(each, where)
        return each

    def _check_types(self, each: Mapping[str, Any], where: str) -> None:
        for name in ("Bucket", "Key"):
            if not each[name]:
                raise InvalidInputError("objects.key", f"{where} has no {name}")
        for name in _TEXTS:
            if each[name] is not None and not isinstance(each[name], str):
                raise InvalidInputError("objects.key", f"{name} in {where} must be a string, not {kind_of(each[name])}")
        if each["LastModified"] is not None and not is_timestamp(each["LastModified"]):
            problem = f"LastModified in {where} must be a time such as 2026-11-30T12:00:00Z"
            raise InvalidInputError("objects.key", problem)
        size = each["Size"]
        if size is not None and (isinstance(size, bool) or not isinstance(size, int)):
            raise InvalidInputError("objects.key", f"Size in {where} must be a whole number, not {kind_of(size)}")


@dataclass(frozen=True, slots=True)
class EarlierReader:
    """What an earlier run has left: the objects of batches without an outcome, and those that have failed.

    A position is [the number of its parts that were read, the bytes of the next one that were read].
    """

    s3: S3Client
    bucket: str
    run: Run
    parts: Sequence[str]

    def pages(self, position: Sequence[int] | None) -> Iterator[Page]:
        """See `listing.Reader`. Raises FormatVersionError, AccessDeniedError, ServiceUnavailableError."""
        first, offset = position or (0, 0)
        recorded = self._recorded()
        with ThreadPoolExecutor(OUTCOME_READERS) as readers:
            for part in range(first, len(self.parts)):
                lines = read_lines(self.s3, self.bucket, self.run.listing_part_key(self.parts[part]), offset)
                while page := list(islice(lines, _BATCHES_PER_PAGE)):
                    offset += sum(map(len, page))
                    batches = [readable(json.loads(line), "a batch of the run that is resumed") for line in page]
                    outcomes = readers.map(lambda batch: self._outcome(batch["batch"], recorded), batches)
                    yield self._page(batches, list(outcomes), [part, offset])
                offset = 0
                yield [], [part + 1, 0], NO_OBJECTS

    def _recorded(self) -> set[int]:
        """The batches with an outcome."""
        prefix = self.run.batch_outcomes_prefix
        with aws_errors(f"s3://{self.bucket}/{prefix}"):
            return set(map(self.run.batch_of_outcome, keys_below(self.s3, self.bucket, prefix)))

    def _outcome(self, batch: int, recorded: set[int]) -> Mapping[str, Any] | None:
        if batch not in recorded:
            return None
        key = self.run.batch_outcome_key(batch)
        with aws_errors(f"s3://{self.bucket}/{key}"):
            outcome: dict[str, Any] = json.loads(self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read())
        return outcome

    @staticmethod
    def _page(
        batches: Sequence[Mapping[str, Any]], outcomes: Sequence[Mapping[str, Any] | None], position: list[int]
    ) -> Page:
        left: list[S3Object] = []
        before = NO_OBJECTS
        for batch, outcome in zip(batches, outcomes, strict=True):
            if outcome is None:
                left += batch["objects"]
                continue
            failed = [each["index"] for each in outcome["undone"] if each["outcome"] == "failed"]
            left += [batch["objects"][index] for index in failed]
            rejected = len(outcome["undone"]) - len(failed)
            done = replace(NO_OBJECTS, written=outcome["written"], skipped=outcome["skipped"], rejected=rejected)
            before += replace(done, read=done.written + done.skipped + done.rejected)
        return left, position, before

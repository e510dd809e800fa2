"""The objects that an S3 Inventory report in CSV lists.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-location.html and storage-inventory-list.html:
a manifest.json names the files of the report, gzip-compressed CSV without a header; keys are URL-encoded.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from botocore.exceptions import IncompleteReadError
from urllib3.exceptions import HTTPError

from sluice.aws.clients import CONNECTION_ERRORS, aws_errors
from sluice.errors import FileDamagedError, InvalidInputError, ServiceUnavailableError, SourceNotFoundError
from sluice.runs.counts import Counts
from sluice.workflows.object_map.objects import ObjectCheck, S3Object, is_timestamp, quoted_etag

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


INVENTORY_PAGE = 5000
INVENTORY_FIELD = "inventory.key"
# A manifest has a line per file of the report; one of 100 MB would name some hundred thousand files.
_MANIFEST_MAX_BYTES = 100 << 20
# The report's name for a field, and the object's.
_COLUMNS = {
    "ETag": "ETag",
    "LastModifiedDate": "LastModified",
    "VersionId": "VersionId",
    "StorageClass": "StorageClass",
}


@dataclass(frozen=True, slots=True)
class Report:
    """A report as its manifest describes it. `files`: their keys in `bucket`, with the MD5 of each in hex."""

    bucket: str
    columns: tuple[str, ...]
    files: tuple[tuple[str, str | None], ...]

    @classmethod
    def from_manifest(cls, manifest: Any, name: str) -> Report:
        """Read manifest.json. Raises InvalidInputError when it is none of a report in CSV."""
        if not isinstance(manifest, Mapping) or not {"fileFormat", "fileSchema", "files"} <= set(manifest):
            raise InvalidInputError(INVENTORY_FIELD, f"{name} is not a manifest.json of S3 Inventory")
        if manifest["fileFormat"] != "CSV":
            problem = f"{name} is of a report in {manifest['fileFormat']}; configure the inventory's format as CSV"
            raise InvalidInputError(INVENTORY_FIELD, problem)
        columns = tuple(each.strip() for each in manifest["fileSchema"].split(","))
        if not {"Bucket", "Key"} <= set(columns):
            raise InvalidInputError(INVENTORY_FIELD, f"{name} is of a report without Bucket and Key")
        bucket = str(manifest.get("destinationBucket", "")).rpartition(":")[2]
        files = tuple((each["key"], each.get("MD5checksum")) for each in manifest["files"])
        return cls(bucket, columns, files)


@dataclass(frozen=True, slots=True)
class InventoryReader:
    """The objects of a report, without delete markers and versions that are not the latest.

    A position is [the number of files that were read, the rows of the next one that were read].
    """

    s3: S3Client
    bucket: str
    key: str
    check: ObjectCheck

    def pages(self, position: Sequence[int] | None) -> Iterator[tuple[Sequence[S3Object], Any, Counts]]:
        """See `listing.Reader`. Raises InvalidInputError, SourceNotFoundError, FileDamagedError."""
        first, row = position or (0, 0)
        report = self.report()
        for index in range(first, len(report.files)):
            rows = self._rows(report, index)
            for _ in islice(rows, row):
                pass
            while page := list(islice(rows, INVENTORY_PAGE)):
                found = [self._object(report, each, index, row + number) for number, each in enumerate(page, 1)]
                row += len(page)
                yield [each for each in found if each is not None], [index, row], Counts()
            row = 0
            yield [], [index + 1, 0], Counts()

    def report(self) -> Report:
        """The report. Raises InvalidInputError for a manifest that cannot be read, SourceNotFoundError."""
        name = f"s3://{self.bucket}/{self.key}"
        missing = SourceNotFoundError(f"there is no object {name}")
        with aws_errors(name, {"NoSuchKey": missing, "NoSuchBucket": missing}):
            found = self.s3.get_object(Bucket=self.bucket, Key=self.key)
            if found["ContentLength"] > _MANIFEST_MAX_BYTES:
                raise InvalidInputError(INVENTORY_FIELD, f"{name} is too large for a manifest.json of S3 Inventory")
            body = found["Body"].read()
        try:
            manifest = json.loads(body)
        except ValueError as error:
            raise InvalidInputError(INVENTORY_FIELD, f"{name} is not a manifest.json of S3 Inventory") from error
        return Report.from_manifest(manifest, name)

    def _rows(self, report: Report, index: int) -> Iterator[list[str]]:
        key, md5 = report.files[index]
        bucket = report.bucket or self.bucket
        name = f"s3://{bucket}/{key}"
        missing = SourceNotFoundError(f"there is no object {name}, which s3://{self.bucket}/{self.key} names")
        with aws_errors(name, {"NoSuchKey": missing, "NoSuchBucket": missing}):
            body = self.s3.get_object(Bucket=bucket, Key=key)["Body"]
        stored = _HashingReader(body)
        try:
            yield from csv.reader(io.TextIOWrapper(gzip.GzipFile(fileobj=stored), "utf-8", newline=""))
        except (*CONNECTION_ERRORS, IncompleteReadError, HTTPError) as error:
            raise ServiceUnavailableError(f"{name}: {error}") from error
        except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
            raise FileDamagedError(f"{name}: {error}") from error
        if md5 is not None and stored.hexdigest() != md5:
            raise FileDamagedError(f"{name}: its MD5 is {stored.hexdigest()}, and {md5} in the manifest")

    def _object(self, report: Report, row: Sequence[str], index: int, number: int) -> S3Object | None:
        where = f"row {number:,} of s3://{report.bucket or self.bucket}/{report.files[index][0]}"
        if len(row) != len(report.columns):
            raise FileDamagedError(f"{where} has {len(row)} fields, and the manifest {len(report.columns)}")
        fields = dict(zip(report.columns, row, strict=True))
        if fields.get("IsLatest") == "false" or fields.get("IsDeleteMarker") == "true":
            return None
        each: dict[str, Any] = {"Bucket": fields["Bucket"], "Key": unquote_plus(fields["Key"])}
        each["Size"] = _size(fields.get("Size"), where)
        each |= {name: fields.get(column) or None for column, name in _COLUMNS.items()}
        if each["ETag"]:
            each["ETag"] = quoted_etag(each["ETag"])
        if each["LastModified"] is not None and not is_timestamp(each["LastModified"]):
            raise FileDamagedError(f"{where}: {each['LastModified']} is not a time")
        self.check.check(each, where)
        return each


def _size(text: str | None, where: str) -> int | None:
    if not text:
        return None
    if not text.isdecimal():
        raise FileDamagedError(f"{where}: {text} is not a size")
    return int(text)


class _HashingReader(io.RawIOBase):
    """The stored bytes of a file, with their MD5, which the manifest has."""

    def __init__(self, body: Any) -> None:
        self._body = body
        self._md5 = hashlib.md5(usedforsecurity=False)

    def readable(self) -> bool:
        """Always."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes."""
        data: bytes = self._body.read(size if size >= 0 else None)
        self._md5.update(data)
        return data

    def hexdigest(self) -> str:
        """The MD5 of what was read."""
        return self._md5.hexdigest()

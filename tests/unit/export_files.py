"""Exports as DynamoDB writes them, in any shape that a test needs."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

REAL_EXPORT = Path(__file__).parent.parent / "exports"
REAL_SUMMARY = "dynamodb-export/AWSDynamoDB/01715685260608-c488b4e1/manifest-summary.json"
BUCKET = "exports-of-tables"
MICROS = 1_768_386_096_366_933
TABLE_ARN = "arn:aws:dynamodb:us-east-1:123456789012:table/birds"
Json = dict[str, Any]


def compact(value: Any) -> bytes:
    """JSON as DynamoDB writes it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")


def changed(key: Json, old: Json | None, new: Json | None, micros: int = MICROS) -> Json:
    """A record of an incremental export; `old` and `new` are whole items."""
    record: Json = {"Metadata": {"WriteTimestampMicros": {"N": str(micros)}}, "Keys": key}
    images = {"OldImage": old, "NewImage": new}
    return record | {name: image for name, image in images.items() if image is not None}


def bird(name: str, number: int = 0, **more: Json) -> Json:
    """An item of the table birds."""
    return {"pk": {"S": name}, "n": {"N": str(number)}, **more}


def birds(number: int) -> list[Json]:
    """So many items."""
    return [bird(f"tit {each}", each) for each in range(number)]


def items(images: list[Json]) -> list[Json]:
    """The records of a full export."""
    return [{"Item": image} for image in images]


def key_of(item: Json) -> Json:
    """Its key."""
    return {"pk": item["pk"]}


def md5(data: bytes) -> str:
    """As manifests have it."""
    return base64.b64encode(hashlib.md5(data).digest()).decode()


def zipped(records: Sequence[Any]) -> bytes:
    """A data file; a record that is bytes stands as it is."""
    lines = [record if isinstance(record, bytes) else compact(record) for record in records]
    return gzip.compress(b"".join(line + b"\n" for line in lines))


@dataclass
class ExportInS3:
    """One export below a prefix. `changed` replaces what the summary says."""

    s3: S3Client
    prefix: str = "exports/birds"
    export_id: str = "01768386096366-0123abcd"
    is_full: bool = False
    has_checksums: bool = True

    @property
    def folder(self) -> str:
        return f"{self.prefix}/AWSDynamoDB/{self.export_id}".lstrip("/")

    @property
    def summary_key(self) -> str:
        return f"{self.folder}/manifest-summary.json"

    @property
    def files_key(self) -> str:
        return f"{self.folder}/manifest-files.json"

    def put_file(self, name: str, records: Sequence[Any], **changed: Any) -> Json:
        """A data file; returns its line of the manifest."""
        folder = self.folder if self.is_full else self.folder.rpartition("/")[0]
        key, body = f"{folder}/data/{name}.json.gz", zipped(records)
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=body)
        line = {"itemCount": len(records), "md5Checksum": md5(body), "etag": "0-1", "dataFileS3Key": key}
        return line | changed

    def put_manifests(self, files: Sequence[Any], **changed: Any) -> None:
        """The list of files, lines or bytes, and the summary."""
        lines = b"".join((line if isinstance(line, bytes) else compact(line)) + b"\n" for line in files)
        self.put_manifest(self.files_key, lines)
        items = sum(line["itemCount"] for line in files if isinstance(line, dict) and "itemCount" in line)
        self.put_manifest(self.summary_key, compact(self.summary(items) | changed))

    def put_manifest(self, key: str, body: bytes) -> None:
        """A manifest and its checksum."""
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=body)
        if self.has_checksums:
            checksum = key.replace(".json", ".md5")
            self.s3.put_object(Bucket=BUCKET, Key=checksum, Body=md5(body).encode())

    def summary(self, items: int) -> Json:
        """What DynamoDB says in it: a full export has no type."""
        summary: Json = {
            "version": "2020-06-30" if self.is_full else "2023-08-01",
            "exportArn": f"{TABLE_ARN}/export/{self.export_id}",
            "tableArn": TABLE_ARN,
            "tableId": "4d34d2ab-0f56-4e6c-8e4f-1d4b2e3f5a6b",
            "s3Bucket": "another-name",
            "s3Prefix": self.prefix or None,
            "manifestFilesS3Key": self.files_key,
            "billedSizeBytes": 10_000_000,
            "itemCount": items,
            "outputFormat": "DYNAMODB_JSON",
        }
        if self.is_full:
            return summary | {"exportTime": "2026-01-14T10:21:36.367Z"}
        times = {"exportFromTime": "2026-01-14T09:00:00.000Z", "exportToTime": "2026-01-14T10:00:00.000Z"}
        return summary | times | {"outputView": "NEW_AND_OLD_IMAGES", "exportType": "INCREMENTAL_EXPORT"}


def put_real_export(s3: S3Client, bucket: str) -> None:
    """The real export, with the keys that it has."""
    for path in REAL_EXPORT.rglob("AWSDynamoDB/**/*.*"):
        s3.put_object(Bucket=bucket, Key=path.relative_to(REAL_EXPORT).as_posix(), Body=path.read_bytes())

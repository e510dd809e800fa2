"""The objects of an export as AWS lays them out: data files, their list, a summary, and a checksum of either.

A full export's data files lie under the export's own id; all incremental exports of a prefix share one folder.
"""

import base64
import gzip
import hashlib
import json
import secrets
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ministack.services.dynamodb import _item_size_bytes

from local_aws.dynamodb.key_order import HASH_BITS, key_bytes, key_hash
from local_aws.exports.images import ChangedItem
from local_aws.exports.journal import Item
from local_aws.s3_objects import put_file, put_object

FOLDER = "AWSDynamoDB"
FEWEST_PARTITIONS = 4
PARTITION_ITEMS = 100_000
LINES_AT_ONCE = 1_000
NAME_BYTES = 16

Record = Item | ChangedItem


@dataclass(frozen=True)
class Place:
    """Where an export's objects are. `has_own_data`: a full export's data files are its own."""

    bucket: str
    prefix: str
    export_id: str
    has_own_data: bool

    @property
    def folder(self) -> str:
        """The folder of the export itself."""
        return f"{self._root}/{self.export_id}"

    @property
    def data_folder(self) -> str:
        """The folder of the data files."""
        return f"{self.folder}/data" if self.has_own_data else f"{self._root}/data"

    @property
    def _root(self) -> str:
        prefix = self.prefix.rstrip("/")
        return f"{prefix}/{FOLDER}" if prefix else FOLDER


@dataclass(frozen=True)
class DataFile:
    """A data file as the list of files names it."""

    item_count: int
    md5: bytes
    etag: str
    key: str

    def line(self) -> str:
        """Its line in manifest-files.json."""
        return _compact(
            {
                "itemCount": self.item_count,
                "md5Checksum": base64.b64encode(self.md5).decode(),
                "etag": self.etag,
                "dataFileS3Key": self.key,
            }
        )


def put_data_files(place: Place, partition_key: str, records: Sequence[Record]) -> list[DataFile]:
    """Store the records, one file per partition of the table. Raises MissingObjectError."""
    partitions = _partitioned(partition_key, records)
    files = [_put_data_file(place.bucket, f"{place.data_folder}/{_random_name()}.json.gz", part) for part in partitions]
    return sorted(files, key=lambda file: file.key)


def put_manifests(place: Place, files: Sequence[DataFile], summary: dict[str, Any]) -> str:
    """Store the list of files and the summary, which ends the export; returns the summary's key."""
    listed = "".join(f"{file.line()}\n" for file in files)
    _put_with_checksum(place, "manifest-files", listed)
    _put_with_checksum(place, "manifest-summary", _compact(summary))
    return f"{place.folder}/manifest-summary.json"


def size_of(record: Record) -> int:
    """The bytes of a record's items, by DynamoDB's rules."""
    if isinstance(record, ChangedItem):
        return sum(_item_size_bytes(item) for item in (record.old, record.new) if item is not None)
    return int(_item_size_bytes(record))


def iso_time(micros: int) -> str:
    """A time as the manifests write it: milliseconds, always."""
    moment = datetime.fromtimestamp(micros // 1000 / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def _partitioned(partition_key: str, records: Sequence[Record]) -> list[list[Record]]:
    """The records by the partition they lie in; the last partition has none, so that each export has an empty file."""
    count = max(FEWEST_PARTITIONS, -(-len(records) // PARTITION_ITEMS))
    partitions: list[list[Record]] = [[] for _ in range(count + 1)]
    for record in records:
        attributes = record.keys if isinstance(record, ChangedItem) else record
        ((kind, content),) = attributes[partition_key].items()
        partitions[key_hash(key_bytes(kind, content)) * count >> HASH_BITS].append(record)
    return partitions


def _put_data_file(bucket: str, key: str, records: Sequence[Record]) -> DataFile:
    with (
        tempfile.NamedTemporaryFile(prefix="export-", delete=False) as file,
        gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=6, mtime=0) as compressed,
    ):
        for text in _texts(records):
            compressed.write(text)
    path = Path(file.name)
    md5 = _md5(path.read_bytes())
    # That of an upload in one part, which is how AWS stores these.
    etag = f"{_md5(md5).hex()}-1"
    put_file(bucket, key, path, etag)
    return DataFile(len(records), md5, etag, key)


def _texts(records: Sequence[Record]) -> Iterator[bytes]:
    for start in range(0, len(records), LINES_AT_ONCE):
        yield "".join(f"{_line(record)}\n" for record in records[start : start + LINES_AT_ONCE]).encode()


def _line(record: Record) -> str:
    if not isinstance(record, ChangedItem):
        return _compact({"Item": record})
    line: dict[str, Any] = {"Metadata": {"WriteTimestampMicros": {"N": str(record.write_micros)}}, "Keys": record.keys}
    if record.old is not None:
        line["OldImage"] = record.old
    if record.new is not None:
        line["NewImage"] = record.new
    return _compact(line)


def _put_with_checksum(place: Place, name: str, text: str) -> None:
    body = text.encode()
    put_object(place.bucket, f"{place.folder}/{name}.json", body)
    put_object(place.bucket, f"{place.folder}/{name}.md5", base64.b64encode(_md5(body)))


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()


def _random_name() -> str:
    return base64.b32encode(secrets.token_bytes(NAME_BYTES)).decode().rstrip("=").lower()


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

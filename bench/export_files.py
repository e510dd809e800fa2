"""Data files of exports as AWS writes them, made of flights."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from bench.flights import FILE_MAPPING, KEYS, TABLE, flights_file
from bench.null_endpoint import RepeatedRows
from sluice.dynamodb.keys import KeySchema
from sluice.mapping.encoders import encoder_for
from sluice.workflows.export_process.input import FULL, INCREMENTAL, NEW_AND_OLD_IMAGES, Export, Process, TableSink

BUCKET = "bench"
EXPORTED_AT_MICROS = 1_768_386_096_366_933
# Of ten changes of an incremental export one is a new item, another a deleted one.
INSERTED, DELETED, OF_CHANGES = 3, 7, 10
GZIP_FORMAT = 31
_GZIP_HEADER = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """`stored`: the object as S3 has it, one gzip member; `size`: its bytes when decompressed."""

    export: Export
    key: str
    stored: bytes
    records: int
    size: int

    @classmethod
    def full(cls, lines: Sequence[bytes], times: int = 1) -> ExportedFile:
        """A file of a full export with so many times these lines."""
        return cls._of(Export(BUCKET, FULL, None, EXPORTED_AT_MICROS), lines, times)

    @classmethod
    def incremental(cls, lines: Sequence[bytes], times: int = 1) -> ExportedFile:
        """A file of an incremental export with both images."""
        return cls._of(Export(BUCKET, INCREMENTAL, NEW_AND_OLD_IMAGES, None), lines, times)

    @classmethod
    def _of(cls, export: Export, lines: Sequence[bytes], times: int) -> ExportedFile:
        text = b"".join(line + b"\n" for line in lines)
        stored = gzip_of(text, times)
        # As unlike other files' as AWS's own names.
        key = f"{hashlib.md5(stored, usedforsecurity=False).hexdigest()}.json.gz"
        return cls(export, key, stored, len(lines) * times, len(text) * times)

    @property
    def source(self) -> RepeatedRows:
        """The object, for the null endpoint."""
        return RepeatedRows(b"", self.stored, 1)

    def event(self) -> dict[str, Any]:
        """The event of ProcessExportFile: all records into a table, as they stand in the file."""
        sink = TableSink(TABLE, KeySchema.from_state(KEYS), is_guarded=False)
        md5 = hashlib.md5(self.stored, usedforsecurity=False).digest()
        return {
            "run": {"workflow": "export_process", "name": "bench", "executionArn": "arn:aws:states:bench"},
            "process": Process(self.export, sink, transform=None, verify=True).to_state(),
            "file": {
                "index": 0,
                "itemCount": self.records,
                "md5Checksum": base64.b64encode(md5).decode(),
                "dataFileS3Key": self.key,
            },
            "progress": None,
        }


def gzip_of(text: bytes, times: int) -> bytes:
    """One member that decompresses to so many times the text, which is compressed once only."""
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    # After a full flush nothing that comes refers to what has been.
    repeated = compressor.compress(text) + compressor.flush(zlib.Z_FULL_FLUSH)
    checksum = 0
    for _ in range(times):
        checksum = zlib.crc32(text, checksum)
    trailer = struct.pack("<LL", checksum, len(text) * times % 2**32)
    return b"".join([_GZIP_HEADER, repeated * times, compressor.flush(), trailer])


def flight_items(count: int) -> list[bytes]:
    """The first flights as items, in DynamoDB JSON."""
    rows = csv.reader(io.StringIO(flights_file().decode(), newline=""))
    encode = encoder_for({"mapping": FILE_MAPPING}, tuple(next(rows)), KeySchema.from_state(KEYS))
    return [item for row in islice(rows, count) for _, item in encode(row)]


def full_lines(items: Sequence[bytes]) -> list[bytes]:
    """The items as lines of a full export."""
    return [b'{"Item":%b}' % item for item in items]


def incremental_lines(items: Sequence[bytes]) -> list[bytes]:
    """A change of each item, with both images where it has both: of ten one is new, and one deleted."""
    return list(_changes(items))


def _changes(items: Sequence[bytes]) -> Iterator[bytes]:
    for number, item in enumerate(items):
        attributes = json.loads(item)
        keys = _dumped({key["name"]: attributes[key["name"]] for key in KEYS})
        old = b',"OldImage":%b' % _dumped(attributes | {"arr_delay": {"N": str(number)}})
        new = b',"NewImage":%b' % item
        images = {INSERTED: new, DELETED: old}.get(number % OF_CHANGES, old + new)
        micros = EXPORTED_AT_MICROS + number
        yield b'{"Metadata":{"WriteTimestampMicros":{"N":"%d"}},"Keys":%b%b}' % (micros, keys, images)


def _dumped(attributes: dict[str, Any]) -> bytes:
    return json.dumps(attributes, separators=(",", ":")).encode()

"""One data file of an export, as a line of manifest-files.json names it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from sluice.exports.lines import line_blocks
from sluice.exports.objects import pin
from sluice.loading.range_progress import RangeProgress
from sluice.reading.object_stream import open_source
from sluice.results.range_outcome import PartType

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

COUNT, MD5, KEY = "itemCount", "md5Checksum", "dataFileS3Key"


@dataclass(frozen=True, slots=True)
class DataFile:
    """`index` counts from 0; `md5` is base64, of the object as stored."""

    kind: ClassVar = "file"

    index: int
    key: str
    rows: int
    md5: str | None

    @classmethod
    def from_line(cls, line: Mapping[str, Any], index: int) -> DataFile:
        """Read a line of the manifest. Raises KeyError, TypeError, ValueError for what is none."""
        key, rows = line[KEY], line[COUNT]
        if not isinstance(key, str) or isinstance(rows, bool) or not isinstance(rows, int) or rows < 0:
            raise ValueError(f"{KEY} {key!r:.100}, {COUNT} {rows!r:.100}")
        return cls(index, key, rows, line.get(MD5))

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> DataFile:
        """Read a child's `file`: the manifest's line, and the index of the map's item."""
        return cls.from_line(state, state["index"])

    def to_state(self) -> dict[str, Any]:
        """The file as a failure names it."""
        return {"index": self.index, COUNT: self.rows, MD5: self.md5, KEY: self.key}

    @property
    def identity(self) -> str:
        """What tells it from the other files."""
        return self.key

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.key

    @property
    def place(self) -> str:
        """Where it is, for messages."""
        return self.key


FILES = PartType(DataFile.kind, DataFile.from_state, RangeProgress.from_state)


def read_files(s3: S3Client, bucket: str, key: str) -> list[DataFile]:
    """The data files that a manifest lists. Raises SourceNotFoundError when there is no such manifest."""
    with closing(open_source(s3, pin(s3, bucket, key), 0, None)) as stream:
        lines = (line for block in line_blocks(stream) for line in block)
        return [DataFile.from_line(json.loads(line), index) for index, line in enumerate(lines)]

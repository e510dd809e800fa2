"""Whether an export's items have the keys of the table that they are written to."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from sluice.errors import (
    AccessDeniedError,
    InvalidInputError,
    RejectError,
    SourceMalformedError,
    SourceNotFoundError,
    TableNotFoundError,
)
from sluice.exports.data_file import DataFile
from sluice.exports.lines import line_blocks
from sluice.exports.manifests import Summary
from sluice.exports.objects import pin
from sluice.exports.process import Export, TableSink
from sluice.exports.records import Attributes, Record, read_record
from sluice.keys import KeySchema
from sluice.reading.object_stream import open_source
from sluice.writing.tables import describe_table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client


def check_keys_fit(
    s3: S3Client, dynamodb: DynamoDBClient, sink: TableSink, *, summary: Summary, export: Export, first: DataFile | None
) -> None:
    """Hold the sink's key against the exported table's where that table is there, else against the first record.

    Raises InvalidInputError on sink.table. A record that cannot be read is for the child that reads its file.
    """
    wanted = {key.name: key.type for key in sink.schema.attributes}
    source = _source_schema(dynamodb, summary)
    if source is not None:
        _compare(wanted, {key.name: key.type for key in source.attributes}, sink.name)
        return
    record = _first_record(s3, export, first)
    if record is not None:
        found = _types(record.keys) if record.keys is not None else _types(record.new, wanted)
        _compare(wanted, found, sink.name)


def _source_schema(dynamodb: DynamoDBClient, summary: Summary) -> KeySchema | None:
    """The key of the exported table, unless it is gone, out of sight, or another one of the same name."""
    if f":dynamodb:{dynamodb.meta.region_name}:" not in summary.table_arn:
        return None
    try:
        table = describe_table(dynamodb, summary.table_arn)
    except (TableNotFoundError, AccessDeniedError):
        return None
    return KeySchema.from_describe_table(table) if table.get("TableId") == summary.table_id else None


def _first_record(s3: S3Client, export: Export, first: DataFile | None) -> Record | None:
    if first is None:
        return None
    try:
        source = pin(s3, export.bucket, first.key, is_gzip=True)
        with closing(open_source(s3, source, 0, None)) as stream:
            return read_record(next(line_blocks(stream))[0], export)
    except (SourceNotFoundError, SourceMalformedError, RejectError, StopIteration):
        return None


def _types(attributes: Attributes | None, names: dict[str, str] | None = None) -> dict[str, str]:
    """The types of the attributes, or of those that are named."""
    return {name: next(iter(value)) for name, value in (attributes or {}).items() if names is None or name in names}


def _compare(wanted: dict[str, str], found: dict[str, str], table: str) -> None:
    if wanted != found:
        problem = f"the key of {table} is {_shown(wanted)}, the exported items have {_shown(found)}"
        raise InvalidInputError("sink.table", problem)


def _shown(key: dict[str, str]) -> str:
    return ", ".join(f"{name} ({kind})" for name, kind in key.items()) or "no such attribute"

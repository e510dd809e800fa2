"""The check of an export before anything is applied: manifests, keys, and the sink."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sluice.dynamodb.keys import KeySchema
from sluice.dynamodb.tables import describe_table, find_table
from sluice.errors import (
    AccessDeniedError,
    InvalidInputError,
    RejectError,
    SourceMalformedError,
    SourceNotFoundError,
    TableNotFoundError,
)
from sluice.mapping.transforms import load_transform
from sluice.reading.streams import open_source
from sluice.workflows.export_process.files import COUNT, FILE_KEY, MD5, DataFile, Md5Stream, line_blocks, pin
from sluice.workflows.export_process.input import (
    FULL,
    NEW_AND_OLD_IMAGES,
    REJECTED_RECORDS,
    Export,
    ObjectLocation,
    ObjectsSink,
    Process,
    ProcessInput,
    TableSink,
    TableTarget,
)
from sluice.workflows.export_process.items import GUARD_ATTRIBUTES
from sluice.workflows.export_process.manifests import (
    FileList,
    ManifestSummary,
    find_move,
    find_summary,
    list_files,
    read_summary,
)
from sluice.workflows.export_process.mirror_plan import NO_TABLE, CheckedTable, check_table_before
from sluice.workflows.export_process.records import Attributes, Record, read_record

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client


def check_keys_fit(
    s3: S3Client,
    dynamodb: DynamoDBClient,
    sink: TableSink,
    *,
    summary: ManifestSummary,
    export: Export,
    first: DataFile | None,
) -> None:
    """Compare the sink's key with the exported table's if that table exists, else with the first record.

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


def _source_schema(dynamodb: DynamoDBClient, summary: ManifestSummary) -> KeySchema | None:
    """The key of the exported table; None if it does not exist, is not accessible, or is another of the same name."""
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
        source = pin(s3, export.bucket, export.object_key(first.key), is_gzip=True)
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


@dataclass(frozen=True, slots=True)
class Checked:
    """What is processed; `listed_in` is the object that lists the files, `manifest` its bytes where it is to be put.

    `filled`: how many of the files have records. `target`: the table that they go to.
    """

    process: Process
    listed_in: ObjectLocation
    files: int
    filled: int
    items: int
    manifest: bytes | None = None
    target: CheckedTable = NO_TABLE


def check(s3: S3Client, dynamodb: DynamoDBClient, request: ProcessInput, own_list: ObjectLocation) -> Checked:
    """Check the input and what it names. `own_list`: where the list of files goes when it is not the export's own.

    Raises InvalidInputError, SourceNotFoundError, SourceMalformedError, ExportNotCompletedError, TableNotFoundError,
    AccessDeniedError, ServiceUnavailableError.
    """
    location = find_summary(dynamodb, request.export) if isinstance(request.export, str) else request.export
    summary = read_summary(s3, location.bucket, location.key, verify=request.verify)
    _check_transform(request.transform, summary)
    sink = _sink(dynamodb, request)
    moved = find_move(s3, location, summary)
    export = Export(location.bucket, summary.type, summary.view, summary.write_micros, moved=moved)
    files_key = export.object_key(summary.files_key)
    listed = _listed(s3, location, summary, files_key, verify=request.verify)
    if isinstance(sink, TableSink) and request.transform is None:
        check_keys_fit(s3, dynamodb, sink, summary=summary, export=export, first=listed.first)
    target = NO_TABLE
    if isinstance(sink, TableSink):
        is_continued = request.resumed_run is not None
        target = check_table_before(dynamodb, request, sink, summary.type, is_continued=is_continued)
    process = Process(export, sink, request.transform, request.verify)
    if request.records is not None:
        return replace(_feed_back(s3, process, request.records, own_list), target=target)
    listed_in = ObjectLocation(location.bucket, files_key)
    return Checked(process, listed_in, listed.files, listed.filled, listed.items, target=target)


def _check_transform(transform: str | None, summary: ManifestSummary) -> None:
    if transform is None:
        return
    load_transform(transform)
    if summary.type != FULL and summary.view != NEW_AND_OLD_IMAGES:
        problem = "needs an export with old images: what an earlier item became has to be deleted when it changes"
        raise InvalidInputError("transform", f"{problem}; this one's view is {summary.view}")


def _sink(dynamodb: DynamoDBClient, request: ProcessInput) -> TableSink | ObjectsSink:
    target = request.sink
    if not isinstance(target, TableTarget):
        return ObjectsSink(target.bucket, target.prefix, target.values)
    schema = find_table(dynamodb, target.table)
    taken = [key.name for key in schema.attributes if target.guard and key.name in GUARD_ATTRIBUTES]
    if taken:
        raise InvalidInputError("sink.guard", f"writes the attribute {taken[0]}, which is a key of {target.table}")
    return TableSink(target.table, schema, is_guarded=target.guard is not None)


def _listed(s3: S3Client, location: ObjectLocation, summary: ManifestSummary, key: str, *, verify: bool) -> FileList:
    try:
        listed = list_files(s3, location.bucket, key, verify=verify)
    except SourceNotFoundError as error:
        raise SourceNotFoundError(
            f"{error}; {location.key} names it: copy an export with all of its folders"
        ) from error
    if listed.items != summary.items:
        problem = f"lists {listed.items:,} records, the export's summary has {summary.items:,}"
        raise SourceMalformedError(f"s3://{location.bucket}/{key} {problem}")
    return listed


def _feed_back(s3: S3Client, process: Process, rejects: ObjectLocation, own_list: ObjectLocation) -> Checked:
    """The rejects of an earlier run are one file of records."""
    source = pin(s3, rejects.bucket, rejects.key)
    with closing(Md5Stream(open_source(s3, source, 0, None))) as stream:
        records = sum(len(lines) - lines.count(b"") for lines in line_blocks(stream))
    manifest = json.dumps({COUNT: records, MD5: stream.md5, FILE_KEY: rejects.key}).encode() + b"\n"
    export = replace(process.export, bucket=rejects.bucket, lines=REJECTED_RECORDS, moved=None)
    return Checked(replace(process, export=export), own_list, files=1, filled=1, items=records, manifest=manifest)

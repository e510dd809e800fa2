"""From an execution's input to what every child is told: everything is checked before a record is applied."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sluice.encoding.named_transforms import load_transform
from sluice.errors import InvalidInputError, SourceMalformedError
from sluice.exports.data_file import COUNT, KEY, MD5
from sluice.exports.described_export import find_summary
from sluice.exports.guard import GUARD_ATTRIBUTES
from sluice.exports.key_fit import check_keys_fit
from sluice.exports.lines import line_blocks
from sluice.exports.manifests import FileList, Summary, list_files, read_summary
from sluice.exports.objects import Md5Stream, pin
from sluice.exports.process import FULL, NEW_AND_OLD_IMAGES, REJECTS, Export, ObjectsSink, Process, TableSink
from sluice.exports.process_input import ObjectPlace, ProcessInput, TableTarget
from sluice.reading.object_stream import open_source
from sluice.writing.tables import find_table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True)
class Checked:
    """What is processed; `listed_in` is the object that lists the files, `manifest` its bytes where it is to be put.

    `filled`: how many of the files have records.
    """

    process: Process
    listed_in: ObjectPlace
    files: int
    filled: int
    items: int
    manifest: bytes | None = None


def check(s3: S3Client, dynamodb: DynamoDBClient, asked: ProcessInput, own_list: ObjectPlace) -> Checked:
    """Check the input and what it names. `own_list`: where the list of files goes when it is not the export's own.

    Raises InvalidInputError, SourceNotFoundError, SourceMalformedError, ExportNotCompletedError, TableNotFoundError,
    AccessDeniedError, ServiceUnavailableError.
    """
    place = find_summary(dynamodb, asked.export) if isinstance(asked.export, str) else asked.export
    summary = read_summary(s3, place.bucket, place.key, verify=asked.verify)
    _check_transform(asked.transform, summary)
    sink = _sink(dynamodb, asked)
    listed = _listed(s3, place.bucket, summary, verify=asked.verify)
    export = Export(place.bucket, summary.type, summary.view, summary.write_micros)
    if isinstance(sink, TableSink) and asked.transform is None:
        check_keys_fit(s3, dynamodb, sink, summary=summary, export=export, first=listed.first)
    process = Process(export, sink, asked.transform, asked.verify)
    if asked.records is not None:
        return _feed_back(s3, process, asked.records, own_list)
    return Checked(process, ObjectPlace(place.bucket, summary.files_key), listed.files, listed.filled, listed.items)


def _check_transform(transform: str | None, summary: Summary) -> None:
    if transform is None:
        return
    load_transform(transform)
    if summary.type != FULL and summary.view != NEW_AND_OLD_IMAGES:
        problem = "needs an export with old images: what an earlier item became has to be deleted when it changes"
        raise InvalidInputError("transform", f"{problem}; this one's view is {summary.view}")


def _sink(dynamodb: DynamoDBClient, asked: ProcessInput) -> TableSink | ObjectsSink:
    target = asked.sink
    if not isinstance(target, TableTarget):
        return ObjectsSink(target.bucket, target.prefix, target.values)
    schema = find_table(dynamodb, target.table)
    taken = [key.name for key in schema.attributes if target.guard and key.name in GUARD_ATTRIBUTES]
    if taken:
        raise InvalidInputError("sink.guard", f"writes the attribute {taken[0]}, which is a key of {target.table}")
    return TableSink(target.table, schema, is_guarded=target.guard is not None)


def _listed(s3: S3Client, bucket: str, summary: Summary, *, verify: bool) -> FileList:
    listed = list_files(s3, bucket, summary.files_key, verify=verify)
    if listed.items != summary.items:
        problem = f"lists {listed.items:,} records, the export's summary has {summary.items:,}"
        raise SourceMalformedError(f"s3://{bucket}/{summary.files_key} {problem}")
    return listed


def _feed_back(s3: S3Client, process: Process, rejects: ObjectPlace, own_list: ObjectPlace) -> Checked:
    """The rejects of an earlier run are one file of records."""
    source = pin(s3, rejects.bucket, rejects.key)
    with closing(Md5Stream(open_source(s3, source, 0, None))) as stream:
        records = sum(len(lines) - lines.count(b"") for lines in line_blocks(stream))
    manifest = json.dumps({COUNT: records, MD5: stream.md5, KEY: rejects.key}).encode() + b"\n"
    export = replace(process.export, bucket=rejects.bucket, lines=REJECTS)
    return Checked(replace(process, export=export), own_list, files=1, filled=1, items=records, manifest=manifest)

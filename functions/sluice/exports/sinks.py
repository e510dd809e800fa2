"""The sink that a process names, ready to take records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sluice.encoding.item import Item
from sluice.encoding.named_transforms import load_transform
from sluice.encoding.plain_rows import to_item
from sluice.exports.change_requests import ChangeRequests
from sluice.exports.file_request import FileRequest
from sluice.exports.file_slice import Sink
from sluice.exports.guard import WRITE_MICROS
from sluice.exports.gzip_upload import GzipUpload
from sluice.exports.object_lines import rendering
from sluice.exports.object_sink import ObjectSink
from sluice.exports.process import REJECTS, ObjectsSink, Process, TableSink
from sluice.exports.raw_table_sink import RawTableSink, change_of, guarded_put_of
from sluice.exports.tally import Tally
from sluice.exports.transformation import Transformation
from sluice.exports.transformed_table_sink import GuardedChanges, OrderedChanges, TableChanges, TransformedTableSink
from sluice.writing.batch_writer import BatchRequests, BatchWriter
from sluice.writing.change_batches import ChangeBatches
from sluice.writing.newer_puts import NewerPuts
from sluice.writing.wire import Wire

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def object_sink(s3: S3Client, request: FileRequest, sink: ObjectsSink, tally: Tally) -> Sink:
    """The sink for an object, which has the data file's name, and the slice's number but for the first one."""
    process, number = request.process, request.slice_number
    transform = None if process.transform is None else load_transform(process.transform)
    name = request.file.key.rpartition("/")[2].removesuffix(".gz").removesuffix(".json")
    if process.export.lines == REJECTS:
        # All runs' rejects have one name.
        name = request.run.name
    key = f"{sink.prefix}{name}{f'-{number}' if number else ''}.jsonl.gz"
    return ObjectSink(rendering(process.export, sink.values, transform), GzipUpload(s3, sink.bucket, key), tally)


def table_sink(wire: Wire, process: Process, sink: TableSink, tally: Tally) -> Sink:
    """The sink for a table."""
    export = process.export
    newer = ChangeRequests(wire, NewerPuts(wire, sink.name, WRITE_MICROS), tally)
    if process.transform is not None:
        transformation: Transformation[Item] = Transformation(
            load_transform(process.transform), lambda item: to_item(item, sink.schema)
        )
        changes: TableChanges = GuardedChanges(newer)
        if not sink.is_guarded:
            changes = OrderedChanges(BatchWriter(wire, sink.name, sink.schema), tally)
        return TransformedTableSink(export, transformation, sink.schema, changes, tally)
    if sink.is_guarded:
        return RawTableSink(guarded_put_of(export), newer, tally)
    batches = ChangeBatches(BatchRequests(wire, sink.name, sink.schema))
    return RawTableSink(change_of(export), ChangeRequests(wire, batches, tally), tally)

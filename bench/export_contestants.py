"""The contestants: each takes an export's file to acknowledged writes, and returns how many records there were."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from boto3.dynamodb.types import TypeDeserializer

from bench.export_files import BUCKET, GZIP_FORMAT, ExportedFile
from bench.flights import KEYS, TABLE
from sluice.aws.clients import BOTO_CONFIG
from sluice.aws.connection import Connection
from sluice.aws.pipeline import Answer, RequestPipeline
from sluice.aws.wire import Wire
from sluice.dynamodb.batch_writer import BATCH_ITEMS, BatchRequests
from sluice.dynamodb.keys import KeySchema
from sluice.run_item.worker import Heartbeats
from sluice.workflows.export_process.files import FILE_CHUNK_BYTES
from sluice.workflows.export_process.progress import FileRequest
from sluice.workflows.export_process.slice import FileWork
from sluice.workflows.export_process.table_sinks import SINK_REQUESTS_IN_FLIGHT, change_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_s3 import S3Client

REGION = "us-east-1"
OPERATION = "BatchWriteItem"


@dataclass(frozen=True, slots=True)
class Clients:
    """What the contestants reach AWS with."""

    s3: S3Client
    wire: Wire
    table: Table


@contextmanager
def clients(url: str) -> Iterator[Clients]:
    """The clients of AWS at this URL."""
    session = botocore.session.get_session()
    session.set_credentials("bench", "bench")
    of_session = boto3.Session(botocore_session=session, region_name=REGION)
    table = of_session.resource("dynamodb", endpoint_url=url).Table(TABLE)
    with Wire.from_session(session, REGION, url) as wire:
        yield Clients(of_session.client("s3", endpoint_url=url, config=BOTO_CONFIG), wire, table)


def with_sluice(through: Clients, file: ExportedFile) -> int:
    """All that ProcessExportFile does with its event: the object is checked, read and written."""
    request = FileRequest.from_event(file.event())
    progress = FileWork(through.s3, through.wire, Heartbeats.to("runs", through.wire), BUCKET, request).run(
        lambda: False
    )
    return int(progress["counts"]["written"])


def with_batch_writer(through: Clients, file: ExportedFile) -> int:
    """gzip, json, boto3's TypeDeserializer and Table.batch_writer."""
    deserialize = TypeDeserializer().deserialize

    def plain(attributes: Mapping[str, Any]) -> dict[str, Any]:
        return {name: deserialize(value) for name, value in attributes.items()}

    records = 0
    stored = through.s3.get_object(Bucket=BUCKET, Key=file.key)["Body"].read()
    with gzip.open(io.BytesIO(stored)) as lines, through.table.batch_writer() as batch:
        for line in lines:
            record = json.loads(line)
            image = record.get("Item") or record.get("NewImage")
            if image:
                batch.put_item(Item=plain(image))
            else:
                batch.delete_item(Key=plain(record["Keys"]))
            records += 1
    return records


class BareRequests:
    """The least that it takes: the file is decompressed and split, and requests go out whose bodies are ready-made."""

    def __init__(self, wire: Wire, file: ExportedFile) -> None:
        self._wire = wire
        self._file = file
        self._bodies = list(_bodies(wire, file))
        target = wire.target
        self._endpoint = target.endpoint
        self._signed = [target.signer(OPERATION, body) + body for body in self._bodies]

    def with_wire(self) -> int:
        """Over the wire, as many at a time as the sink has."""
        records = _lines_of(self._file)
        requests: RequestPipeline[None] = RequestPipeline(self._wire, OPERATION, _acknowledged, SINK_REQUESTS_IN_FLIGHT)
        for body in self._bodies:
            requests.send(body, None)
        requests.drain()
        return records

    def signed_before(self) -> int:
        """Requests that are signed beforehand as well, one after the other, and no look at the answers."""
        records = _lines_of(self._file)
        connection = Connection(self._endpoint, None)
        for request in self._signed:
            connection.send(request)
            connection.receive()
        connection.close()
        return records


def _bodies(wire: Wire, file: ExportedFile) -> Iterator[bytes]:
    change = change_of(file.export)
    requests = BatchRequests(wire, TABLE, KeySchema.from_state(KEYS))
    lines = gzip.decompress(file.stored).splitlines()
    for start in range(0, len(lines), BATCH_ITEMS):
        yield requests.body([change(line) for line in lines[start : start + BATCH_ITEMS]])


def _lines_of(file: ExportedFile) -> int:
    """The file's lines, decompressed and split as fast as Python does it."""
    member, stored = zlib.decompressobj(GZIP_FORMAT), file.stored
    count, rest = 0, b""
    while not member.eof:
        lines = (rest + member.decompress(stored, FILE_CHUNK_BYTES)).split(b"\n")
        stored, rest = member.unconsumed_tail, lines.pop()
        count += len(lines)
    return count


def _acknowledged(_task: None, answer: Answer) -> None:
    if not isinstance(answer, dict) or answer["UnprocessedItems"]:
        raise AssertionError(f"an item was not taken: {answer!r:.500}")

"""Records into JSON Lines objects: gzip, written in bounded memory, visible when complete."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from json.encoder import encode_basestring as quote
from typing import TYPE_CHECKING, Self

from sluice.aws.clients import aws_errors
from sluice.dynamodb.plain import plain_json
from sluice.dynamodb.values import encode_attributes
from sluice.errors import RejectError, SluiceError, SourceNotFoundError
from sluice.mapping.transforms import Transform
from sluice.rejects import Reason
from sluice.workflows.export_process.input import FULL, NEW_IMAGE, PLAIN, Export
from sluice.workflows.export_process.items import Transformation
from sluice.workflows.export_process.records import Attributes, RawRecord, Record, dumped, raw_record, read_record
from sluice.workflows.export_process.tally import Portion, RecordTally

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef


# S3 takes 10,000 parts of 5 MB and more.
SINK_PART_BYTES = 8 << 20
GZIP_CONTENT_TYPE = "application/gzip"

_GZIP_FORMAT = 31


class GzipUpload:
    """One object; what has less than a part goes as one request. For one thread."""

    def __init__(self, s3: S3Client, bucket: str, key: str) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._key = key
        self._compressor = zlib.compressobj(wbits=_GZIP_FORMAT)
        self._pieces: list[bytes] = []
        self._piece_bytes = 0
        self._upload_id: str | None = None
        self._parts: list[CompletedPartTypeDef] = []

    def write(self, data: bytes) -> None:
        """Compress and keep, or send. Raises AccessDeniedError, ServiceUnavailableError, UnexpectedResponseError."""
        self._keep(self._compressor.compress(data))
        if self._piece_bytes >= SINK_PART_BYTES:
            self._send_part()

    def complete(self) -> None:
        """Let the object be seen. Raises what `write` raises."""
        self._keep(self._compressor.flush())
        if self._upload_id is None:
            with self._errors():
                self._s3.put_object(
                    Bucket=self._bucket, Key=self._key, Body=b"".join(self._pieces), ContentType=GZIP_CONTENT_TYPE
                )
            return
        self._send_part()
        with self._errors():
            self._s3.complete_multipart_upload(
                Bucket=self._bucket, Key=self._key, UploadId=self._upload_id, MultipartUpload={"Parts": self._parts}
            )
        self._upload_id = None

    def abort(self) -> None:
        """Give up what was begun and not completed, if S3 lets that be done: what is left costs, but is never seen."""
        if self._upload_id is not None:
            with suppress(SluiceError), self._errors():
                self._s3.abort_multipart_upload(Bucket=self._bucket, Key=self._key, UploadId=self._upload_id)
            self._upload_id = None

    def _keep(self, data: bytes) -> None:
        self._pieces.append(data)
        self._piece_bytes += len(data)

    def _send_part(self) -> None:
        with self._errors():
            if self._upload_id is None:
                begun = self._s3.create_multipart_upload(
                    Bucket=self._bucket, Key=self._key, ContentType=GZIP_CONTENT_TYPE
                )
                self._upload_id = begun["UploadId"]
            number = len(self._parts) + 1
            sent = self._s3.upload_part(
                Bucket=self._bucket,
                Key=self._key,
                UploadId=self._upload_id,
                PartNumber=number,
                Body=b"".join(self._pieces),
            )
        self._parts.append({"PartNumber": number, "ETag": sent["ETag"]})
        self._pieces, self._piece_bytes = [], 0

    def _errors(self) -> AbstractContextManager[None]:
        missing = SourceNotFoundError(f"there is no bucket {self._bucket}")
        return aws_errors(f"s3://{self._bucket}/{self._key}", {"NoSuchBucket": missing})


# The lines of a record, each with its newline; none where it comes to nothing. Raises RejectError.
Render = Callable[[bytes], bytes]

_LINE = b'{"change":"%b","writeTimestampMicros":%b,"keys":%b,"item":%b%b}\n'
_OLD_ITEM = b',"oldItem":%b'
_NULL = b"null"


def rendering(export: Export, values: str, transform: Transform | None) -> Render:
    """How the records of an export become lines; `values` is one of sluice.workflows.export_process.input.VALUES."""
    if transform is not None:
        return TransformedLines(export, values, transform)
    if values == PLAIN:
        return lambda line: _line(export, _plain_record(read_record(line, export)))
    return lambda line: _line(export, raw_record(line, export))


class TransformedLines:
    """One line for each item that the new image becomes; a DELETE where only the old image became any."""

    def __init__(self, export: Export, values: str, transform: Transform) -> None:
        self._export = export
        self._is_plain = values == PLAIN
        self._items: Transformation[bytes] = Transformation(transform, self._text)

    def __call__(self, line: bytes) -> bytes:
        record = read_record(line, self._export)
        new, old = self._items(record.new), self._items(record.old)
        keys = (_plain_record if self._is_plain else dumped)(record).keys
        # Of old items only their existence is recorded: nothing says which of them became which new one.
        before = old[0] if old else None
        after: list[bytes | None] = [*new] or [None] * bool(old)
        return b"".join(
            _line(self._export, RawRecord(keys, before, each, record.write_micros), has_old=False) for each in after
        )

    def _text(self, item: object) -> bytes:
        if not isinstance(item, Mapping):
            raise RejectError(Reason.VALUE_UNSUPPORTED, f"the transform returned a {type(item).__name__} for an item")
        text = ",".join(f"{quote(name)}:{value}" for name, value in encode_attributes(item).items())
        return _utf8(plain_json(json.loads(f"{{{text}}}")) if self._is_plain else f"{{{text}}}")


def _line(export: Export, record: RawRecord, *, has_old: bool = True) -> bytes:
    micros = _NULL if record.write_micros is None else b"%d" % record.write_micros
    old = _OLD_ITEM % record.old if has_old and record.old is not None else b""
    return _LINE % (_change(export, record), micros, record.keys or _NULL, record.new or _NULL, old)


def _change(export: Export, record: RawRecord) -> bytes:
    """PUT where the export does not tell whether there was an item before."""
    if record.new is None:
        return b"DELETE"
    if export.type == FULL or export.view == NEW_IMAGE:
        return b"PUT"
    return b"INSERT" if record.old is None else b"UPDATE"


def _plain_record(record: Record) -> RawRecord:
    return RawRecord(_plain(record.keys), _plain(record.old), _plain(record.new), record.write_micros)


def _plain(image: Attributes | None) -> bytes | None:
    return None if image is None else _utf8(plain_json(image))


def _utf8(text: str) -> bytes:
    # Half a surrogate pair alone has no UTF-8, and is escaped as JSON does it.
    return text.encode("utf-8", "backslashreplace")


class ObjectSink:
    """One object of the lines that records become by `render`; without lines there is no object."""

    def __init__(self, render: Render, upload: GzipUpload, tally: RecordTally) -> None:
        self._render = render
        self._upload = upload
        self._tally = tally
        self._has_lines = False

    def take(self, portion: Portion) -> None:
        """Write the records' lines. Raises AccessDeniedError, ServiceUnavailableError, SourceNotFoundError."""
        lines = []
        for row, line in zip(portion.rows, portion.lines, strict=True):
            try:
                text = self._render(line)
            except RejectError as error:
                self._tally.refuse(row, line, error)
                continue
            lines.append(text)
            self._tally.written += bool(text)
            self._tally.skipped += not text
        if text := b"".join(lines):
            self._has_lines = True
            self._upload.write(text)

    def flush(self) -> None:
        """Nothing is in flight."""

    def commit(self) -> None:
        """Let the object be seen."""
        if self._has_lines:
            self._upload.complete()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._upload.abort()

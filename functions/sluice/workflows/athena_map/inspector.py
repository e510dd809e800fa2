"""The rows of a query, or those that an input brings, before anything is done with them: counted, and safe to read."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from sluice.aws.clients import aws_errors
from sluice.errors import SourceMalformedError, SourceNotFoundError
from sluice.reading.dialect import CSV, JSONL, Dialect
from sluice.reading.leading_bytes import NONE
from sluice.reading.record_scanner import blocks, first_rows
from sluice.reading.source import Source, SourceInput
from sluice.reading.source_objects import find_source
from sluice.reading.streams import open_source
from sluice.runs.paths import Run
from sluice.runs.results import ChunkStream
from sluice.workflows.athena_map.inspection import Phase, ResultInspection, RowsReader
from sluice.workflows.athena_map.result_rows import (
    HEADER_MAX_BYTES,
    SCAN_BLOCK_BYTES,
    ResultGrammar,
    RowLines,
    check_columns,
    csv_records,
    damage,
)

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


# Step Functions reads objects of up to 10 GB.
READER_MAX_BYTES = 10 * 10**9
# Parts end by bytes, never by time: a part that is written again is the same.
ROWS_PART_BYTES = 256 << 20
_SPOOL_BYTES = 8 << 20


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of an object's URI, however deep the key. Raises SourceMalformedError."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not uri.startswith("s3://") or not bucket or not key:
        raise SourceMalformedError(f"{uri} is not the URI of an object")
    return bucket, key


@dataclass(frozen=True, slots=True)
class ResultInspector:
    """Inspects for one run; what it writes goes to the data bucket."""

    s3: S3Client
    data_bucket: str
    run: Run

    def begin(self, output_uri: str, needed: Mapping[str, str]) -> ResultInspection:
        """A query's result as CSV; `needed`: the columns that the action names, with the input's fields that do.

        Raises InvalidInputError, SourceNotFoundError, SourceMalformedError, AccessDeniedError.
        """
        source = self._find(*split_uri(output_uri), CSV)
        with closing(open_source(self.s3, source, 0, None)) as stream:
            block = next(blocks(stream, ResultGrammar(), 0, 0, SCAN_BLOCK_BYTES), None)
        if block is None:
            raise SourceMalformedError(f"{source} has no header")
        first = first_rows(block, ResultGrammar(), 1)
        header = first.data
        columns = tuple(csv_records(header.decode())[0])
        check_columns(columns, needed)
        begun = ResultInspection(
            Phase.SCAN, RowsReader.CSV, source.bucket, source.key, 0, source=source, columns=columns
        )
        begun = replace(begun, start=len(header), offset=len(header))
        cause = damage(first, columns) or ("a long header" if len(header) > HEADER_MAX_BYTES else None)
        cause = cause or ("over 10 GB" if source.size > READER_MAX_BYTES else None)
        return self._rewrite(begun, cause) if cause else begun

    def begin_given(self, bucket: str, key: str) -> ResultInspection:
        """Rows that the input brings. Raises SourceNotFoundError, AccessDeniedError."""
        return ResultInspection(Phase.REWRITE, RowsReader.JSON, rows=0, source=self._find(bucket, key, JSONL))

    def unloaded(self, manifest_uri: str | None, reader: RowsReader) -> ResultInspection:
        """Files that UNLOAD has left; no manifest, or an empty one, means no rows.

        Raises SourceMalformedError, AccessDeniedError.
        """
        nothing = ResultInspection(Phase.DONE, RowsReader.NONE, rows=0)
        if manifest_uri is None:
            return nothing
        bucket, key = split_uri(manifest_uri)
        try:
            source = self._find(bucket, key, CSV)
        except SourceNotFoundError:
            return nothing
        return ResultInspection(Phase.DONE, reader, bucket, key) if source.size else nothing

    def go_on(self, inspection: ResultInspection, is_time_up: Callable[[], bool]) -> ResultInspection:
        """As much more as there is time for. Raises SourceMalformedError, SourceChangedError, AccessDeniedError,
        ServiceUnavailableError, TooManyRowsError.
        """
        if inspection.phase is Phase.SCAN:
            inspection = self._scan(inspection, is_time_up)
        while inspection.phase is Phase.REWRITE:
            inspection = self._write_part(inspection)
            if is_time_up():
                break
        return inspection.check()

    def _find(self, bucket: str, key: str, layout: str) -> Source:
        request = SourceInput(bucket, key, None, NONE, Dialect(layout))
        return find_source(self.s3, request)

    def _rewrite(self, inspection: ResultInspection, cause: str) -> ResultInspection:
        """From the first row on: how many there are before is counted again."""
        again = replace(inspection, phase=Phase.REWRITE, reader=RowsReader.JSON, cause=cause)
        return replace(again, offset=inspection.start, rows=0, bucket=None, key=None)

    def _scan(self, inspection: ResultInspection, is_time_up: Callable[[], bool]) -> ResultInspection:
        source, columns, offset, rows = (
            _source(inspection),
            inspection.columns or (),
            inspection.offset,
            _rows(inspection),
        )
        with closing(open_source(self.s3, source, offset, None)) as stream:
            for block in blocks(stream, ResultGrammar(), offset, rows + 1, SCAN_BLOCK_BYTES):
                if cause := damage(block, columns):
                    return self._rewrite(inspection, cause)
                offset, rows = block.end, rows + block.rows
                if is_time_up() and offset < source.size:
                    return replace(inspection, offset=offset, rows=rows)
        done = replace(inspection, phase=Phase.DONE, offset=offset, rows=rows)
        return done if rows else replace(done, reader=RowsReader.NONE)

    def _write_part(self, inspection: ResultInspection) -> ResultInspection:
        """The next part of the rows, and after the last one the list of all."""
        source, offset, rows = _source(inspection), inspection.offset, _rows(inspection)
        number = (offset - inspection.start) // ROWS_PART_BYTES
        with tempfile.SpooledTemporaryFile(_SPOOL_BYTES) as rejects:
            part = RowLines(source, inspection.columns, offset, offset + ROWS_PART_BYTES, rows + 1, rejects)
            with closing(open_source(self.s3, source, offset, None)) as stream:
                self._put_lines(part, stream, number)
            if part.rejected:
                self._upload(rejects, self.run.reject_part_key(number, 0))
        written = replace(
            inspection,
            offset=part.offset,
            rows=rows + part.rows,
            rejected=inspection.rejected + part.rejected,
            reject_parts=inspection.reject_parts + ((number,) if part.rejected else ()),
            parts=inspection.parts + ((number,) if part.written else ()),
        )
        return written if part.offset < source.size and part.rows else self._listed(written)

    def _put_lines(self, part: RowLines, stream: Any, number: int) -> None:
        chunks = part.chunks(stream)
        if first := next(chunks, None):
            self._upload(io.BufferedReader(ChunkStream(chain([first], chunks))), self.run.row_part_key(number))

    def _listed(self, inspection: ResultInspection) -> ResultInspection:
        done = replace(inspection, phase=Phase.DONE)
        if not done.parts:
            return replace(done, reader=RowsReader.NONE)
        key = self.run.row_parts_key
        uris = (f"s3://{self.data_bucket}/{self.run.row_part_key(part)}\n" for part in done.parts)
        with aws_errors(f"s3://{self.data_bucket}/{key}"):
            self.s3.put_object(Bucket=self.data_bucket, Key=key, Body="".join(uris).encode())
        return replace(done, bucket=self.data_bucket, key=key)

    def _upload(self, body: Any, key: str) -> None:
        if body.seekable():
            body.seek(0)
        with aws_errors(f"s3://{self.data_bucket}/{key}"):
            self.s3.upload_fileobj(body, self.data_bucket, key)


def _source(inspection: ResultInspection) -> Source:
    if inspection.source is None:
        raise SourceMalformedError("an inspection without a source cannot be continued")
    return inspection.source


def _rows(inspection: ResultInspection) -> int:
    return inspection.rows or 0

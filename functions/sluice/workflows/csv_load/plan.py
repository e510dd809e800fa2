"""The plan of a csv_load run: the source is checked, pinned and divided into ranges of whole records."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from sluice.dynamodb.keys import KeySchema
from sluice.dynamodb.tables import find_table
from sluice.errors import InvalidInputError
from sluice.limits import CHILD_INPUT_MAX_BYTES
from sluice.mapping.encoders import encoder_for
from sluice.reading.leading_bytes import NONE
from sluice.reading.record_scanner import BLOCK_BYTES, Block, Grammar, blocks, first_rows
from sluice.reading.source import Source
from sluice.reading.source_header import explained, wrong_delimiter
from sluice.reading.source_objects import find_source, with_header
from sluice.reading.streams import open_source
from sluice.run_item.item import RunItem
from sluice.state import FIELD, FORMAT, Named, VersionedState
from sluice.workflows.csv_load.input import LoadInput
from sluice.workflows.csv_load.ranges import RANGES_MAX, PieceCutter, Range

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client


class RangeCutter:
    """Continues with the range `unfinished`, to which the next block belongs.

    `range_bytes` is about how long a range becomes; None makes one range of all. After `cut`, `ranges` are
    those that were finished, and `done` says whether the source's end, or `max_rows`, was reached.
    """

    def __init__(self, unfinished: Range, range_bytes: int | None, max_rows: int | None) -> None:
        self.unfinished = unfinished
        self.ranges: list[Range] = []
        self.done = False
        self._range_bytes = range_bytes
        self._max_rows = max_rows

    def cut(self, blocks: Iterable[Block], grammar: Grammar, is_time_up: Callable[[], bool]) -> None:
        """Take blocks until they end or the time is up; at least one, so that every call gets on."""
        for block in blocks:
            self._take(block, grammar)
            if self._rows_left() == 0:
                break
            if is_time_up():
                if self._range_bytes is not None:
                    self._finish_range()
                return
        if self.unfinished.rows or self.unfinished.index == 0:
            self._finish_range()
        self.done = True

    def _take(self, block: Block, grammar: Grammar) -> None:
        left = self._rows_left()
        if left is not None:
            block = first_rows(block, grammar, left)
        rows = self.unfinished.rows + block.rows
        self.unfinished = replace(self.unfinished, end=block.end, rows=rows)
        length = block.end - self.unfinished.start
        # To the nearest block: each is a little shorter than requested.
        if self._range_bytes is not None and length + len(block.data) // 2 >= self._range_bytes:
            self._finish_range()

    def _rows_left(self) -> int | None:
        if self._max_rows is None:
            return None
        return self._max_rows - (self.unfinished.first_row + self.unfinished.rows - 1)

    def _finish_range(self) -> None:
        """Ranges without a row are left out, except for the only one of a source without rows."""
        ended = self.unfinished
        self.ranges.append(ended)
        self.unfinished = Range(ended.index + 1, ended.end, ended.end, ended.first_row + ended.rows, 0)


# A range's pieces, and all that its child's input and output have besides: Step Functions takes 256 KiB.
PIECES_MAX_BYTES = 96 << 10
STATE_MAX_BYTES = 236 << 10


@dataclass(frozen=True, slots=True)
class PlanProgress(VersionedState):
    """How far the plan has come: what is pinned, and the range that the next record belongs to."""

    what: ClassVar = "how far the plan has come"

    source: Source
    schema: Annotated[KeySchema, Named("keys")]
    unfinished: Range

    @property
    def rows(self) -> int:
        """Rows found so far."""
        return self.unfinished.first_row + self.unfinished.rows - 1


def begin(s3_client: S3Client, dynamodb_client: DynamoDBClient, load: LoadInput) -> PlanProgress:
    """Check all that can be checked without reading the rows, and pin the source.

    Raises SourceNotFoundError, TableNotFoundError, SourceMalformedError, InvalidInputError,
    AccessDeniedError, ServiceUnavailableError.
    """
    source = find_source(s3_client, load.source)
    schema = find_table(dynamodb_client, load.table)
    source, start = with_header(s3_client, source, load.source)
    state = load_state(load, source, schema)
    check_columns(load, state, source, schema)
    _check_size(load, source, state)
    _check_ranges(load, source)
    return PlanProgress(source, schema, Range(index=0, start=start, end=start, first_row=1, rows=0))


def check_columns(load: LoadInput, state: Mapping[str, Any], source: Source, schema: KeySchema) -> None:
    """Raise InvalidInputError when the source's columns are not those that the input needs, with the likely reason."""
    try:
        encoder_for(state, source.header, schema, has_identity=True)
    except InvalidInputError as error:
        raise explained(error, source) from error
    # A transform names no columns.
    if load.item_source == "transform" and (problem := wrong_delimiter(source)) is not None:
        raise problem


def advance(
    s3_client: S3Client, load: LoadInput, progress: PlanProgress, is_time_up: Callable[[], bool]
) -> tuple[list[Range], PlanProgress, bool]:
    """Scan on from `progress`: the ranges that are finished, how far it came, and whether that is all.

    Raises SourceMalformedError, SourceChangedError, ServiceUnavailableError, AccessDeniedError.
    """
    source = progress.source
    range_bytes = None if source.compression != NONE else load.range_bytes
    cutter = RangeCutter(progress.unfinished, range_bytes, load.source.max_rows)
    position, row = progress.unfinished.end, progress.rows + 1
    with closing(open_source(s3_client, source, position, None)) as stream:
        found = blocks(stream, source.grammar, position, row, min(BLOCK_BYTES, range_bytes or BLOCK_BYTES))
        cutter.cut(found, source.grammar, is_time_up)
    return cutter.ranges, replace(progress, unfinished=cutter.unfinished), cutter.done


def load_state(
    load: LoadInput, source: Source, schema: KeySchema, item: RunItem | None = None, first_run: str = ""
) -> dict[str, Any]:
    """What every child gets to know of the load, and of the run's item once that is known.

    `source`: the object, or of a set the first one, which has the columns of all; `keyPrefix`: what the keys of a set
    have in common, None for one object. `first_run`: the run itself, or the first of those that it continues; rows have
    the same UUIDs in all of them. `resumed`: rows may have been written already by the run that is continued.
    """
    return {
        FIELD: FORMAT,
        "source": source.to_state(),
        "keyPrefix": load.key_prefix,
        "table": {"name": load.table, "keys": schema.to_state()},
        **load.row_state,
        **load.write_state,
        "firstRun": first_run,
        "resumed": load.resumed_run is not None,
        "runItem": item.to_state() if item else None,
    }


def cutter_for(load: LoadInput, schema: KeySchema) -> Callable[[Source], PieceCutter]:
    """What cuts ranges of a set's objects, once the columns of the first one are checked against the input.

    It raises InvalidInputError.
    """

    def cutter(first: Source) -> PieceCutter:
        state = load_state(load, first, schema)
        check_columns(load, state, first, schema)
        size = _check_size(load, first, state)
        room = min(PIECES_MAX_BYTES, STATE_MAX_BYTES - size)
        return PieceCutter(load.key_prefix or "", first.header, load.range_bytes, room)

    return cutter


def _check_size(load: LoadInput, source: Source, state: Mapping[str, Any]) -> int:
    """The bytes that all of it takes in a child's input."""
    size = len(json.dumps(state, ensure_ascii=False).encode("utf-8", "replace"))
    if size > CHILD_INPUT_MAX_BYTES:
        columns = len(source.header or ())
        raise InvalidInputError(
            load.item_source,
            f"with the source's {columns} columns it takes {size:,} bytes, more than {CHILD_INPUT_MAX_BYTES:,}",
        )
    return size


def _check_ranges(load: LoadInput, source: Source) -> None:
    if source.compression == NONE and source.size > RANGES_MAX * load.range_bytes:
        least = -(-source.size // RANGES_MAX)
        raise InvalidInputError(
            "rangeSize", f"would make more than {RANGES_MAX:,} ranges; use at least {least:,} bytes"
        )

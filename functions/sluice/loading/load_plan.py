"""From an execution's input to its plan: everything is checked first, then the source is cut into ranges."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sluice.encoding.encoders import encoder_for
from sluice.errors import InvalidInputError
from sluice.format_version import FIELD, FORMAT, readable
from sluice.keys import KeySchema
from sluice.loading.load_input import LoadInput
from sluice.loading.plan import Range
from sluice.loading.range_cutter import RangeCutter
from sluice.reading.object_stream import open_source
from sluice.reading.record_scanner import BLOCK_BYTES, blocks
from sluice.reading.source import GZIP, Source
from sluice.reading.source_objects import find_source, with_header
from sluice.time_left import CHILD_INPUT_MAX_BYTES
from sluice.writing.tables import find_table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

RANGES_MAX = 100_000


@dataclass(frozen=True, slots=True)
class PlanProgress:
    """How far the plan has come: what is pinned, and the range that the next record belongs to."""

    source: Source
    schema: KeySchema
    unfinished: Range

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> PlanProgress:
        """Read what `to_state` returns."""
        readable(state, "how far the plan has come")
        return cls(
            Source.from_state(state["source"]),
            KeySchema.from_state(state["keys"]),
            Range.from_state(state["unfinished"]),
        )

    def to_state(self) -> dict[str, Any]:
        """The progress as it travels from one call to the next."""
        return {
            FIELD: FORMAT,
            "source": self.source.to_state(),
            "keys": self.schema.to_state(),
            "unfinished": self.unfinished.to_state(),
        }

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
    source, start = with_header(s3_client, source)
    state = load_state(load, source, schema)
    encoder_for(state, source.header, schema)
    _check_sizes(load, source, state)
    return PlanProgress(source, schema, Range(index=0, start=start, end=start, first_row=1, rows=0))


def advance(
    s3_client: S3Client, load: LoadInput, progress: PlanProgress, is_time_up: Callable[[], bool]
) -> tuple[list[Range], PlanProgress, bool]:
    """Scan on from `progress`: the ranges that are finished, how far it came, and whether that is all.

    Raises SourceMalformedError, SourceChangedError, ServiceUnavailableError, AccessDeniedError.
    """
    source = progress.source
    range_bytes = None if source.compression == GZIP else load.range_bytes
    cutter = RangeCutter(progress.unfinished, range_bytes, load.source.max_rows)
    position, row = progress.unfinished.end, progress.rows + 1
    with closing(open_source(s3_client, source, position, None)) as stream:
        found = blocks(stream, source.grammar, position, row, min(BLOCK_BYTES, range_bytes or BLOCK_BYTES))
        cutter.cut(found, source.grammar, is_time_up)
    return cutter.ranges, replace(progress, unfinished=cutter.unfinished), cutter.done


def load_state(load: LoadInput, source: Source, schema: KeySchema) -> dict[str, Any]:
    """What every child gets to know of the load."""
    return {
        FIELD: FORMAT,
        "source": source.to_state(),
        "table": {"name": load.table, "keys": schema.to_state()},
        load.way: load.recipe,
        "onConflict": load.on_conflict,
    }


def _check_sizes(load: LoadInput, source: Source, state: Mapping[str, Any]) -> None:
    size = len(json.dumps(state, ensure_ascii=False).encode("utf-8", "replace"))
    if size > CHILD_INPUT_MAX_BYTES:
        columns = len(source.header or ())
        raise InvalidInputError(
            load.way,
            f"with the source's {columns} columns it takes {size:,} bytes, more than {CHILD_INPUT_MAX_BYTES:,}",
        )
    if source.compression != GZIP and source.size > RANGES_MAX * load.range_bytes:
        least = -(-source.size // RANGES_MAX)
        raise InvalidInputError("rangeSize", f"{RANGES_MAX:,} ranges are the most; {least:,} bytes or more will do")

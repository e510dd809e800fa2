"""Objects tallied by the engine and by the reference, for tests that compare them."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from sluice.errors import SourceMalformedError
from sluice.reading.source import Source
from sluice.workflows.object_aggregate.aggregation import Aggregation
from sluice.workflows.object_aggregate.clean_rows import clean_rows_for
from sluice.workflows.object_aggregate.engines import ColumnEngine, RowEngine
from sluice.workflows.object_aggregate.object_records import ObjectRecords, RecordPiece
from sluice.workflows.object_aggregate.row_rules import columns_of
from sluice.workflows.object_aggregate.tally import ColumnTally, Tally
from tests.unit.aggregated import aggregation
from tests.unit.sources import a_source


def pieces_of(
    request: Aggregation, data: bytes, block_bytes: int = 1 << 20, *, clean: bool = True
) -> list[RecordPiece]:
    """An object's records. Raises SourceMalformedError."""
    layout = request.layout
    source = a_source(
        format=layout.format,
        header=layout.headers,
        delimiter=layout.delimiter,
        quote=layout.quote,
        encoding=layout.encoding,
        size=len(data),
    )
    clean_of: Callable[[Source], Any] = clean_rows_for(request, ColumnTally(request)) if clean else lambda _source: None
    records = ObjectRecords(columns_of(request), clean_of, block_bytes)
    return list(records.pieces(lambda start: io.BytesIO(data[start:]), source, None))


def outcome(request: Aggregation, data: bytes, block_bytes: int = 1 << 20, *, clean: bool) -> object:
    """All that is known of an object's rows, or what makes it unreadable."""
    tally = Tally(len(request.measures))
    try:
        pieces = pieces_of(request, data, block_bytes, clean=clean)
    except SourceMalformedError as error:
        return str(error)
    engine = ColumnEngine(request, ColumnTally(request)) if clean else RowEngine(request)
    engine.tally(pieces, tally)
    return tally.groups, tally.rows, tally.reasons, sorted(tally.rejects), tally.columns


def request(**changed: Any) -> Aggregation:
    return Aggregation.from_state(aggregation(layout={"format": "csv"} | changed.pop("layout", {}), **changed))

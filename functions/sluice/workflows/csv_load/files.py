"""What a run did of each of its objects, a line for each: key, rows, and what became of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sluice.aws.read_ahead import read_ahead
from sluice.runs.counts import Counts
from sluice.runs.outcomes import RangeOutcome
from sluice.runs.paths import Run
from sluice.runs.range_progress import RangeProgress
from sluice.workflows.csv_load.ranges import Piece, Range

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


FILES_READ_AHEAD = 16
# The lines that a slice has left: what it did of the range's pieces, by their index.
FileCounts = dict[int, Counts]


class FileLines:
    """Lines for the objects of a run, in the order of its plan. `number`: the lines so far.

    `prefix` is what their keys have in common; `counts_of` reads what the slices of a range have left.
    """

    def __init__(self, prefix: str, counts_of: Callable[[RangeOutcome], FileCounts]) -> None:
        self._prefix = prefix
        self._counts_of = counts_of
        self.number = 0

    def lines(self, plan: Iterable[Range], outcomes: Iterable[RangeOutcome]) -> Iterator[bytes]:
        """One line per object. `plan` and `outcomes` are of the same ranges."""
        file: _File | None = None
        for piece, counts in self._pieces(plan, outcomes):
            if file is None or file.key != piece.file:
                yield from self._line(file)
                file = _File(piece.file)
            file.counts += counts
            file.rows += piece.rows
        yield from self._line(file)

    def _line(self, file: _File | None) -> list[bytes]:
        self.number += file is not None
        return [file.line(self._prefix)] if file else []

    def _pieces(self, plan: Iterable[Range], outcomes: Iterable[RangeOutcome]) -> Iterator[tuple[Piece, Counts]]:
        """The pieces of the ranges. Rows that were not read have failed with theirs, unless the run was stopped."""
        parts = zip(plan, outcomes, strict=True)
        for (planned, outcome), known in read_ahead(lambda part: self._counts_of(part[1]), parts, FILES_READ_AHEAD):
            for index, piece in enumerate(planned.pieces):
                counts = known.get(index, Counts())
                rest = piece.rows - counts.read if outcome.has_failed else 0
                yield piece, counts + Counts(read=rest, failed=rest)


@dataclass(slots=True)
class _File:
    """An object, of which one range after the other has pieces."""

    key: str
    counts: Counts = field(default_factory=Counts)
    rows: int = 0

    def line(self, prefix: str) -> bytes:
        """It as a line: `rows` are those that were planned, the others what became of them."""
        state = {"key": prefix + self.key, "rows": self.rows, **self.counts.to_state()}
        return json.dumps(state, ensure_ascii=False).encode() + b"\n"


def read_file_counts(s3: S3Client, bucket: str, run: Run, outcome: RangeOutcome) -> FileCounts:
    """What the slices of a range have left. Slices that have read nothing leave nothing."""
    progress = outcome.progress
    known: FileCounts = {}
    for number in range(progress.slices if isinstance(progress, RangeProgress) else 0):
        key = run.files_part_key(outcome.planned.index, number)
        for line in s3.get_object(Bucket=bucket, Key=key)["Body"].read().strip().splitlines():
            piece, *counts = json.loads(line)
            known[piece] = known.get(piece, Counts()) + Counts(*counts)
    return known

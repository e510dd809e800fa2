"""What slices found in a source's rows, for the notes of the run's summary."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sluice.state import State


@dataclass(frozen=True, slots=True)
class RowFindings(State):
    """`repeated_headers`: rows equal to the header, which were skipped.

    `joined_rows`: rows with a field of several lines that look like rows; `first_joined` names the first.
    `first_reject`: the message of the first rejected row. `omitted`: rows of which the transform made nothing.
    """

    repeated_headers: int = 0
    joined_rows: int = 0
    first_joined: str | None = None
    first_reject: str | None = None
    omitted: int = 0

    def __add__(self, later: RowFindings) -> RowFindings:
        return RowFindings(
            self.repeated_headers + later.repeated_headers,
            self.joined_rows + later.joined_rows,
            self.first_joined or later.first_joined,
            self.first_reject or later.first_reject,
            self.omitted + later.omitted,
        )

    @classmethod
    def total(cls, each: Iterable[RowFindings]) -> RowFindings:
        """The sum, in the order of the source."""
        return sum(each, cls())

    @property
    def notes(self) -> list[str]:
        """A sentence for each kind of finding."""
        notes = []
        if self.repeated_headers:
            rows = "row" if self.repeated_headers == 1 else "rows"
            notes.append(f"{self.repeated_headers:,} repeated header {rows} skipped.")
        if self.joined_rows:
            has = "row has" if self.joined_rows == 1 else "rows have"
            notes.append(
                f"{self.joined_rows:,} {has} a field of several lines with as many delimiters as the header, first "
                f"{self.first_joined}: a stray quote may have joined rows. Look at the file there."
            )
        return notes

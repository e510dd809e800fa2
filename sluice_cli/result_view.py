"""The first rows of an object_aggregate run's result, for people."""

import csv
from typing import Any

from sluice_cli.aws import Aws
from sluice_cli.stored_lines import first_lines

ROWS_SHOWN = 12
CELL_CHARACTERS = 40


def result_lines(aws: Aws, summary: Any) -> list[str]:
    """The result's first rows in columns; nothing when there is none, or it may not be read.

    Raises CommandError when S3 cannot be read.
    """
    result = summary.get("result") if isinstance(summary, dict) else None
    if not result:
        return []
    lines = first_lines(aws, summary["results"]["bucket"], result["csv"])
    rows = list(csv.reader(each.decode(errors="replace") + "\n" for each in lines))[: ROWS_SHOWN + 1]
    more = result["groups"] - len(rows[1:])
    return ["", *_columns(rows), *([f"... {more:,} more rows"] if more > 0 else [])] if rows else []


def _columns(rows: list[list[str]]) -> list[str]:
    """Rows of one width per column."""
    cut = [[_cell(text) for text in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cut, strict=False)]
    lines = ("  ".join(f"{text:<{width}}" for text, width in zip(row, widths, strict=False)) for row in cut)
    return [line.rstrip() for line in lines]


def _cell(text: str) -> str:
    plain = " ".join(text.splitlines())
    return plain if len(plain) <= CELL_CHARACTERS else plain[: CELL_CHARACTERS - 3] + "..."

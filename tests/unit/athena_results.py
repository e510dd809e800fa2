"""Results as Athena writes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def athena_csv(columns: Sequence[str], rows: Iterable[Sequence[str | None]]) -> bytes:
    """Every value in quotes, NULL as nothing at all, lines that end in a newline."""
    lines = [",".join(map(_quoted, columns)), *(",".join(map(_quoted, row)) for row in rows)]
    return "".join(f"{line}\n" for line in lines).encode()


def _quoted(value: str | None) -> str:
    return "" if value is None else '"' + value.replace('"', '""') + '"'

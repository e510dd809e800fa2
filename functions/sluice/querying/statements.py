"""What kind of statement a query is, before it costs anything: rows as CSV, or files unloaded as Parquet or JSON."""

from __future__ import annotations

import re
from enum import StrEnum

# Texts and quoted names stay as they are: what looks like a comment in them is none.
_PIECES = re.compile(r"('(?:[^']|'')*'|\"(?:[^\"]|\"\")*\")|--[^\n]*|/\*.*?\*/", re.S)
_FIRST_WORD = re.compile(r"[\s(]*([a-zA-Z]+)")
_UNLOADED = re.compile(r"\)\s*TO\s*'(?:[^']|'')*'\s*WITH\s*\((?P<options>[^()]*(?:\([^()]*\)[^()]*)*)\)[\s;]*\Z", re.I)
_FORMAT = re.compile(r"\bformat\s*=\s*'(\w+)'", re.I)
_ROWS = frozenset({"SELECT", "WITH", "VALUES", "TABLE"})


class ResultFormat(StrEnum):
    """How a query's rows lie in S3."""

    CSV = "csv"
    PARQUET = "parquet"
    JSON = "json"


def result_format(query: str) -> ResultFormat:
    """How the query's rows will lie in S3. Raises ValueError for a statement whose rows cannot be read."""
    text = _PIECES.sub(lambda piece: piece[1] or " ", query)
    first = _FIRST_WORD.match(text)
    word = first[1].upper() if first else ""
    if word in _ROWS:
        return ResultFormat.CSV
    if word != "UNLOAD":
        raise ValueError(f"must be a SELECT, or an UNLOAD of one, not {word or 'empty'}")
    options = _UNLOADED.search(text)
    named = _FORMAT.search(options["options"]) if options else None
    told = named[1].lower() if named else None
    if told not in (ResultFormat.PARQUET, ResultFormat.JSON):
        raise ValueError(f"UNLOAD needs WITH (format = 'PARQUET') or 'JSON', not {told or 'none'}")
    return ResultFormat(told)

"""Objects of text tables as files that DuckDB reads as Hive would."""

import csv
import gzip
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

GZIP_MAGIC = b"\x1f\x8b"
# Thousands of small objects in a file are read a hundred times as fast as in files of their own.
FILE_BYTES = 64 * 1024 * 1024

csv.field_size_limit(64 * 1024 * 1024)


@dataclass(frozen=True)
class Dialect:
    """How a text table's lines fall into fields. `null`: the field that stands for no value, if any does."""

    delimiter: str
    quote: str
    escape: str
    null: str | None

    @classmethod
    def of(cls, data_format: str, serde: dict[str, str]) -> "Dialect":
        """What the SerDe's parameters say, and its defaults."""
        if data_format == "open csv":
            return cls(
                serde.get("separatorChar", ","), serde.get("quoteChar", '"'), serde.get("escapeChar", "\\"), None
            )
        delimiter = serde.get("field.delim", serde.get("serialization.format", "\x01"))
        null = serde.get("serialization.null.format", "\\N")
        return cls("\x01" if delimiter == "1" else delimiter, "", serde.get("escape.delim", ""), null)

    @property
    def is_rewritten(self) -> bool:
        """Whether files are rewritten as plain CSV: DuckDB has no escapes without quotes."""
        return not self.quote and bool(self.escape)


def unpacked(body: bytes) -> bytes:
    """The body as plain text in UTF-8, in which wrong bytes are replaced."""
    if body.startswith(GZIP_MAGIC):
        body = gzip.decompress(body)
    try:
        body.decode()
    except UnicodeDecodeError:
        return body.decode(errors="replace").encode()
    return body


def store_lines(bodies: Iterable[bytes], directory: Path, dialect: Dialect, header_lines: int) -> list[Path]:
    """Put the objects' lines into a few files, each line behind the number of its object. Headers are left out."""
    paths: list[Path] = []
    size = FILE_BYTES
    for number, body in enumerate(bodies):
        lines = _without_header(unpacked(body).replace(b"\r\n", b"\n"), header_lines)
        if not lines:
            continue
        prefix = f"{number}{dialect.delimiter}".encode()
        numbered = prefix + plain_csv(lines, dialect).removesuffix(b"\n").replace(b"\n", b"\n" + prefix) + b"\n"
        if size >= FILE_BYTES:
            paths.append(directory / f"{len(paths)}.csv")
            size = 0
        with paths[-1].open("ab") as file:
            size += file.write(numbered)
    return paths


def _without_header(body: bytes, header_lines: int) -> bytes:
    parts = body.split(b"\n", header_lines)
    return parts[header_lines] if len(parts) > header_lines else b""


def plain_csv(body: bytes, dialect: Dialect) -> bytes:
    """The text with its lines as DuckDB reads them: each line is a row of its own, and quotes are only doubled.

    Hive's reader cuts lines before it looks at quotes, and knows escapes and doubled quotes at a time.
    """
    if not dialect.is_rewritten and not _needs_rewriting(body, dialect):
        return body
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=dialect.delimiter, quoting=csv.QUOTE_ALL, lineterminator="\n")
    for line in body.decode().removesuffix("\n").split("\n"):
        writer.writerow(_fields(line, dialect))
    return out.getvalue().encode()


def _needs_rewriting(body: bytes, dialect: Dialect) -> bool:
    if not dialect.quote:
        return False
    quote, escape = dialect.quote.encode(), dialect.escape.encode()
    if escape and escape != quote and escape in body:
        return True
    return quote in body and (dialect.quote != '"' or any(line.count(quote) % 2 for line in body.split(b"\n")))


def _fields(line: str, dialect: Dialect) -> list[str]:
    escape = dialect.escape if dialect.escape != dialect.quote else None
    if dialect.quote:
        rows = csv.reader([line], delimiter=dialect.delimiter, quotechar=dialect.quote, escapechar=escape or None)
    else:
        rows = csv.reader([line], delimiter=dialect.delimiter, quoting=csv.QUOTE_NONE, escapechar=escape or None)
    return next(rows, []) or [""]

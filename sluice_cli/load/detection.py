"""What is in a file: compression, encoding, layout, dialect, and columns with their types."""

import codecs
import io
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sluice_cli.exit_code import BadInputError
from sluice_cli.load.columns import Columns, header_of, scan
from sluice_cli.load.dialect import Dialect, lines_of, sniff
from sluice_cli.load.fast_scan import fast_scan
from sluice_cli.load.packing import HEAD_BYTES, NONE, compression_of, is_utf16, open_unpacked, unpacked_head
from sluice_cli.load.records import format_of, scan_records

CSV = "csv"
UTF8 = "utf-8"
HEAD_CONTENT_BYTES = 1 << 20
RECORDS_BYTES = 8 << 20
# As much of an object is read, and as much of what it unpacks to is looked at.
SAMPLE_BYTES, SAMPLE_CONTENT_BYTES = 8 << 20, 64 << 20
UNDEFINED_IN_CP1252 = frozenset(b"\x81\x8d\x8f\x90\x9d")
SNIPPET_CHARACTERS = 40


@dataclass(frozen=True)
class Hints:
    """What the user says of a file; the rest is found out.

    `dialect`: fields of Dialect. `words`: what counts as an empty cell, besides the empty one.
    """

    dialect: Mapping[str, Any] = field(default_factory=dict)
    headers: tuple[str, ...] | None = None
    encoding: str | None = None
    layout: str | None = None
    words: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Detected:
    """`layout` is source.format. `guess`: some text that shows whether a guessed encoding is right, else ""."""

    layout: str
    compression: str
    encoding: str
    dialect: Dialect | None
    columns: Columns
    guess: str = ""


def detect_file(path: Path, hints: Hints) -> Detected:
    """Read a local file, all of it if it is a CSV. Raises BadInputError for one that cannot be loaded."""
    with _explaining(str(path)):
        with path.open("rb") as file:
            compression = compression_of(file.read(HEAD_BYTES), str(path))
        found = _detect_begin(path, compression, hints, HEAD_CONTENT_BYTES)
        if found.columns.is_whole:
            return found
        if found.dialect is None:
            return _detect_begin(path, compression, hints, RECORDS_BYTES)
        return _read_whole(path, found, hints)


def detect_sample(data: bytes, name: str, hints: Hints, *, is_whole: bool) -> Detected:
    """Look at the first bytes of an object. Raises BadInputError for one that cannot be loaded."""
    compression = compression_of(data, name)
    with _explaining(name):
        content = unpacked_head(data, compression, name, SAMPLE_CONTENT_BYTES)
        return _detect(content, compression, name, hints, is_whole=is_whole and len(content) < SAMPLE_CONTENT_BYTES)


def _detect_begin(path: Path, compression: str, hints: Hints, limit: int) -> Detected:
    with open_unpacked(path, compression) as content:
        head = content.read(limit + 1)
    return _detect(head, compression, str(path), hints, is_whole=len(head) <= limit)


def _detect(content: bytes, compression: str, name: str, hints: Hints, *, is_whole: bool) -> Detected:
    _check_text(content, name)
    encoding = hints.encoding or UTF8
    text, guess = _decoded(content, encoding, is_whole=is_whole), ""
    if text is None:
        if hints.encoding:
            raise BadInputError(f"{name} is not {hints.encoding}: {_bad_bytes(content, encoding)}")
        encoding = _guessed(content)
        text = content.decode(encoding, "replace")
        guess = _snippet(text)
    layout = hints.layout or format_of(text, name) or CSV
    if layout != CSV:
        return Detected(layout, compression, encoding, None, scan_records(text, is_whole=is_whole), guess)
    dialect = sniff(text if is_whole else text[: text.rfind("\n") + 1] or text, _dialect_hints(hints))
    columns = scan(lines_of(text), dialect, hints.headers, hints.words | {""}, is_whole=is_whole)
    return Detected(layout, compression, encoding, dialect, columns, guess)


def _dialect_hints(hints: Hints) -> Mapping[str, Any]:
    """Names for the columns mean that no row has them, unless the user says that one does."""
    return hints.dialect if hints.headers is None else {"has_header": False, **hints.dialect}


def _read_whole(path: Path, found: Detected, hints: Hints) -> Detected:
    dialect = found.dialect or Dialect()
    words = hints.words | {""}
    if found.compression == NONE and found.encoding == UTF8:
        header = _header(path, found, dialect, hints)
        if fast := fast_scan(path, dialect, header, found.columns, words):
            return replace(found, columns=fast)
    try:
        with _open_text(path, found) as lines:
            return replace(found, columns=scan(lines, dialect, hints.headers, words, is_whole=True))
    except UnicodeDecodeError as error:
        if hints.encoding or found.guess:
            raise BadInputError(f"{path} is not {found.encoding}: {error}") from error
        encoding = _guessed(error.object)
        guess = _snippet(error.object[error.start :].decode(encoding, "replace"))
        return _read_whole(path, replace(found, encoding=encoding, guess=guess), hints)


def _header(path: Path, found: Detected, dialect: Dialect, hints: Hints) -> list[str]:
    with _open_text(path, found) as lines:
        return header_of(dialect.rows(lines), dialect, hints.headers)


def _open_text(path: Path, found: Detected) -> io.TextIOWrapper:
    encoding = "utf-8-sig" if found.encoding == UTF8 else found.encoding
    return io.TextIOWrapper(open_unpacked(path, found.compression), encoding=encoding, newline="")


def _check_text(content: bytes, name: str) -> None:
    """Raises BadInputError for what is not text in an encoding that Sluice reads."""
    if not content:
        raise BadInputError(f"{name} is empty")
    if is_utf16(content) or b"\0" in content[:HEAD_BYTES]:
        mark = "has the byte order mark of UTF-16" if is_utf16(content) else "has NUL bytes, as UTF-16 has"
        raise BadInputError(f"{name} {mark}; convert it to UTF-8: iconv -f UTF-16 -t UTF-8 FILE > NEW_FILE")


def _decoded(content: bytes, encoding: str, *, is_whole: bool) -> str | None:
    """The text; None where it is in another encoding. A character that is cut off at the end is left out."""
    try:
        decoder = codecs.getincrementaldecoder("utf-8-sig" if encoding == UTF8 else encoding)()
    except LookupError as error:
        raise BadInputError(f"--encoding {encoding}: Python knows no such encoding") from error
    try:
        return decoder.decode(content, final=is_whole)
    except UnicodeDecodeError:
        return None


def _bad_bytes(content: bytes, encoding: str) -> str:
    try:
        content.decode(encoding)
    except UnicodeDecodeError as error:
        return str(error)
    return "it ends within a character"


def _guessed(content: bytes) -> str:
    """What is not UTF-8 most often comes from Windows."""
    return "latin-1" if UNDEFINED_IN_CP1252.intersection(content) else "cp1252"


def _snippet(text: str) -> str:
    """The text around the first character that ASCII does not have."""
    first = next((position for position, each in enumerate(text) if not each.isascii()), 0)
    begin = max(0, first - SNIPPET_CHARACTERS // 2)
    return " ".join(text[begin : begin + SNIPPET_CHARACTERS].split())


@contextmanager
def _explaining(name: str) -> Iterator[None]:
    """Failures to read and to unpack become messages."""
    try:
        yield
    except FileNotFoundError as error:
        raise BadInputError(f"there is no file {name}") from error
    except (EOFError, zlib.error) as error:
        raise BadInputError(f"{name} is damaged or cut off: {error}") from error
    except OSError as error:
        raise BadInputError(f"cannot read {name}: {error.strerror or error}") from error

"""The header of an object: where its text begins, its columns, and what is probably wrong with them."""

from __future__ import annotations

import json
import re
from contextlib import closing
from dataclasses import replace

from sluice.errors import InvalidInputError, SourceMalformedError
from sluice.reading.csv_rows import QuoteError, csv_records
from sluice.reading.dialect import CSV, DYNAMODB_JSON, FORMATS, JSON, JSONL, HeaderRow
from sluice.reading.leading_bytes import LEADING_BYTES, NONE, Kind, kind_of, wide_encoding
from sluice.reading.object_reads import OpenAt
from sluice.reading.record_scanner import RECORD_MAX_BYTES, Block, ByteStream, blocks, first_rows, read_fully
from sluice.reading.source import Source
from sluice.rejects import quoted, quoted_names

_HEADER_BLOCK_BYTES = 64 << 10
_TAIL_BYTES = 4 << 10
_is_typed_item = re.compile(
    rb'\[?\s*\{\s*"Item"\s*:\s*\{\s*"[^"]+"\s*:\s*\{\s*"(?:[SNBML]|BOOL|NULL|[SNB]S)"\s*:'
).match
UTF8_MARK = b"\xef\xbb\xbf"
_line_end = re.compile(rb"\r\n|\r(?!\Z)|\n")
# Excel's own way to name the delimiter.
_is_sep_line = re.compile(r'"?sep=(.?)"?\s*', re.IGNORECASE).fullmatch
_DELIMITERS = {";": '";"', ",": '","', "\t": "tab", "|": '"|"', ":": '":"'}


def read_header(open_at: OpenAt, source: Source) -> tuple[Source, int]:
    """The source with its columns known, and the offset of its first data row.

    Raises SourceMalformedError for an empty source or one that is clearly something else, InvalidInputError on a field
    of the source that does not fit it.
    """
    start = _start_of_text(open_at, source)
    if source.format != CSV:
        _check_json(open_at, source, start)
        return source, start
    start = _after_skipped_lines(open_at, source, start)
    if source.header is not None and source.dialect.header_row is not HeaderRow.REPLACED:
        return source, start
    first = _first_record(open_at, source, start)
    names = tuple(header_names(first, source))
    if source.header is None:
        return replace(source, header=names), first.end
    if len(names) != len(source.header):
        raise InvalidInputError(
            "source.headers", f"has {len(source.header)} names for the {len(names)} columns of {source}"
        )
    return replace(source, replaced=names), first.end


def _start_of_text(open_at: OpenAt, source: Source) -> int:
    """The offset after a byte order mark, if there is one."""
    with closing(open_at(0)) as stream:
        head = read_fully(stream, LEADING_BYTES)
    mark = len(UTF8_MARK) if source.encoding == "utf-8" and head.startswith(UTF8_MARK) else 0
    if len(head) == mark:
        raise SourceMalformedError(f"{source} is empty")
    check_text(head, source)
    return mark


def check_text(head: bytes, source: Source) -> None:
    """Raise SourceMalformedError for what is not text in the source's encoding, InvalidInputError without a format."""
    if (kind := kind_of(head)) is not None:
        raise SourceMalformedError(f"{source} is {_kind_in(kind, source)}")
    if (wide := wide_encoding(head)) is not None:
        raise SourceMalformedError(f"{source} {wide}; convert it to utf-8")
    if not source.format:
        raise InvalidInputError(
            "source.format", f"must be one of {', '.join(FORMATS)}, because the ending of {source} is that of none"
        )


def _kind_in(kind: Kind, source: Source) -> str:
    if source.compression == NONE:
        return f"{kind.name}; {kind.remedy}"
    is_twice = kind.compression == source.compression
    return f"{kind.name} twice over" if is_twice else f"{kind.name} within {source.compression}"


def _check_json(open_at: OpenAt, source: Source, start: int) -> None:
    """Raise SourceMalformedError or InvalidInputError for what is JSON of another kind than the format says."""
    with closing(open_at(start)) as stream:
        head = read_fully(stream, _HEADER_BLOCK_BYTES).lstrip()
    if source.format in (JSON, DYNAMODB_JSON) and head[:1] not in (b"{", b"["):
        raise SourceMalformedError(
            f"{source} begins with {quoted(str(head[:40], source.encoding, 'replace'))}, which is not JSON; set "
            "source.format"
        )
    if source.format in (JSON, JSONL) and _is_typed_item(head):
        raise InvalidInputError("source.format", f"{source} looks like DynamoDB JSON; set it to dynamodbJson")
    if source.format == JSONL and b"\n" not in head and re.search(rb"\r\s*\{", head):
        raise SourceMalformedError(
            f"{source} has lines that end with a carriage return alone; set source.format to json, or convert the line "
            "endings to line feeds"
        )
    if source.format in (JSON, DYNAMODB_JSON) and head[:1] == b"[" and source.compression == NONE:
        _check_list_is_closed(open_at, source)


def _check_list_is_closed(open_at: OpenAt, source: Source) -> None:
    with closing(open_at(max(0, source.size - _TAIL_BYTES))) as stream:
        tail = read_fully(stream, _TAIL_BYTES).rstrip()
    if tail and not tail.endswith(b"]"):
        raise SourceMalformedError(f"{source} is a list in JSON that is never closed by ]; the object is truncated")


def _after_skipped_lines(open_at: OpenAt, source: Source, start: int) -> int:
    """The offset after as many lines as the input skips."""
    left = source.dialect.skip_rows
    if not left:
        return start
    with closing(open_at(start)) as stream:
        return start + _lines_end(stream, left, source)


def _lines_end(stream: ByteStream, lines: int, source: Source) -> int:
    done, data = 0, b""
    while more := stream.read(_HEADER_BLOCK_BYTES):
        data += more
        for end in _line_end.finditer(data):
            lines -= 1
            if not lines:
                return done + end.end()
        # The last byte may be half of a line's end.
        kept = max(data.rfind(b"\n"), data.rfind(b"\r", 0, len(data) - 1)) + 1
        done, data = done + kept, data[kept:]
        if len(data) > RECORD_MAX_BYTES:
            break
    raise SourceMalformedError(f"{source} has no line after those that source.skipRows skips")


def _first_record(open_at: OpenAt, source: Source, start: int) -> Block:
    with closing(open_at(start)) as stream:
        for block in blocks(stream, source.grammar, start, 0, _HEADER_BLOCK_BYTES):
            if block.rows:
                return first_rows(block, source.grammar, 1)
    raise SourceMalformedError(f"{source} has no header row, only blank lines and comments")


def header_names(record: Block, source: Source) -> list[str]:
    """The names in a header row. Raises SourceMalformedError, InvalidInputError on the field that does not fit it."""
    try:
        text = str(record.data, source.encoding)
        (names,) = csv_records(text, source.dialect)
    except UnicodeDecodeError as error:
        raise SourceMalformedError(
            f"{source}: byte 0x{record.data[error.start]:02x} of the header row, at offset "
            f"{record.start + error.start}, is not {source.encoding}; set source.encoding"
        ) from error
    except QuoteError as error:
        raise SourceMalformedError(
            f"{source}: the header row has text after a closing quote: {quoted(text.strip())}; set source.delimiter, "
            "source.quote or source.escape"
        ) from error
    if found := _is_sep_line(text):
        hint = f", and source.delimiter to {quoted(found[1])}" if found[1] not in ("", source.dialect.delimiter) else ""
        raise InvalidInputError(
            "source.skipRows", f"the first line of {source} is Excel's sep= line: set source.skipRows to 1{hint}"
        )
    if text.lstrip().startswith("{") and _is_json(text):
        raise SourceMalformedError(f"{source} looks like JSON; set source.format to jsonl or json")
    return names


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def explained(error: InvalidInputError, source: Source) -> InvalidInputError:
    """An error about the columns of a source, with what may be the reason why they are not those of the input."""
    header = source.header or ()
    if (problem := wrong_delimiter(source)) is not None:
        return problem
    padded = [name for name in header if name != name.strip()]
    if not padded or source.dialect.trim:
        return error
    problem_text = str(error).removeprefix(f"{error.field}: ")
    return InvalidInputError(
        error.field,
        f"{problem_text}. The header has names with blanks around them, {quoted_names(padded)}: set "
        "source.trim to true",
    )


def wrong_delimiter(source: Source) -> InvalidInputError | None:
    """The error about a header of one column whose name has what is usually a delimiter."""
    if source.format != CSV or len(source.header or ()) != 1:
        return None
    (name,) = source.header or ("",)
    delimiter = max(_DELIMITERS, key=name.count)
    if delimiter not in name or delimiter == source.dialect.delimiter:
        return None
    shown = _DELIMITERS[delimiter]
    return InvalidInputError("source.delimiter", f"the header is one column, {quoted(name)}; is the delimiter {shown}?")

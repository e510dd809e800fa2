"""The format and dialect of a source's records: what all objects of a run have in common."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sluice.fields import Fields
from sluice.reading.dialect_grammar import DialectGrammar
from sluice.reading.encodings import text_encoding
from sluice.reading.json_grammar import JsonGrammar
from sluice.reading.record_scanner import CsvGrammar, Grammar, JsonLinesGrammar
from sluice.state import State

CSV = "csv"
JSONL = "jsonl"
JSON = "json"
DYNAMODB_JSON = "dynamodbJson"
REJECTS = "rejects"


FORMATS = (CSV, JSONL, JSON, DYNAMODB_JSON, REJECTS)


class HeaderRow(StrEnum):
    """Whether a csv has a header row: without one, or instead of its names, the input names the columns."""

    NAMES = "names"
    REPLACED = "replace"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Dialect(State):
    """How records stand in the bytes. All but the format and the encoding is a csv's.

    `delimiter`: one or more characters. `quote` None: quotes mean nothing. `escape`: the character that takes the next
    one as it is. `skip_rows`: lines before the header. `comment`: what lines begin with that are no records. `trim`:
    blanks around cells and names are none of theirs.
    """

    format: str
    delimiter: str = ","
    quote: str | None = '"'
    encoding: str = "utf-8"
    escape: str | None = None
    skip_rows: int = 0
    comment: str | None = None
    trim: bool = False
    header_row: HeaderRow = HeaderRow.NONE

    @property
    def grammar(self) -> Grammar:
        """How records are found."""
        if self.format in (JSON, DYNAMODB_JSON):
            return JsonGrammar(is_scan=self.format == DYNAMODB_JSON)
        if self.format != CSV:
            return JsonLinesGrammar()
        if self.is_plain:
            quote = None if self.quote is None else self.quote.encode(self.encoding)
            return CsvGrammar(self.delimiter.encode(self.encoding), quote)
        return self.cell_grammar

    @property
    def is_plain(self) -> bool:
        """Whether there is nothing but a delimiter of one character and perhaps quotes."""
        return self.escape is None and self.is_csv_readers

    @property
    def has_usual_header(self) -> bool:
        """Whether the header row is the first line that is not blank, and names the columns as they are."""
        return self.is_plain and not self.skip_rows and self.header_row is not HeaderRow.REPLACED

    @property
    def is_csv_readers(self) -> bool:
        """Whether csv.reader can read it."""
        return len(self.delimiter) == 1 and self.comment is None and not self.trim

    @property
    def cell_grammar(self) -> DialectGrammar:
        """What reads cells that csv.reader cannot read."""
        return DialectGrammar(self.delimiter, self.quote, self.escape, self.comment, self.trim, self.encoding)


CSV_FIELDS = ("delimiter", "quote", "escape", "skipRows", "comment", "trim", "headers", "headerRow")
DIALECT_FIELDS = (*CSV_FIELDS, "encoding")
_SKIP_ROWS_MAX = 10_000
_TAB_NAMES = ("tab", "\\t")


@dataclass(frozen=True, slots=True)
class DialectInput:
    """`headers`: the columns, where the input names them."""

    dialect: Dialect
    headers: tuple[str, ...] | None

    @classmethod
    def from_fields(cls, fields: Fields, layout: str, delimiter: str) -> DialectInput:
        """Read the fields; `layout` is the format, `delimiter` the default. Raises InvalidInputError."""
        headers = _headers(fields)
        quote = _quote(fields)
        dialect = Dialect(
            format=layout,
            delimiter=_delimiter(fields, delimiter),
            quote=quote,
            encoding=text_encoding(fields.text_or("encoding", "utf-8"), fields.path("encoding")),
            escape=_escape(fields, quote),
            skip_rows=fields.integer("skipRows", 0, low=0, high=_SKIP_ROWS_MAX),
            comment=fields.text_or("comment", None),
            trim=fields.boolean("trim", default=False),
            header_row=_header_row(fields, headers),
        )
        _check(fields, dialect)
        return cls(dialect, headers)


def refuse_csv_fields(fields: Fields, layout: str | None) -> None:
    """What only a CSV has stands with a CSV alone. Raises InvalidInputError."""
    for each in CSV_FIELDS:
        if layout not in (None, "", CSV) and fields.has(each):
            raise fields.wrong(each, f"does not apply to the format {layout}")


def _delimiter(fields: Fields, default: str) -> str:
    delimiter = fields.text_or("delimiter", default)
    return "\t" if delimiter.lower() in _TAB_NAMES else delimiter


def _quote(fields: Fields) -> str | None:
    if fields.is_null("quote"):
        return None
    if fields.has("quote") and fields.raw("quote") == "":
        raise fields.wrong("quote", "use null for files without quotes")
    return fields.character("quote", '"')


def _escape(fields: Fields, quote: str | None) -> str | None:
    """A quote that escapes a quote is doubled: that needs no escape."""
    escape = fields.character("escape", None)
    return None if escape == quote else escape


def _check(fields: Fields, dialect: Dialect) -> None:
    signs = {
        "delimiter": dialect.delimiter,
        "quote": dialect.quote,
        "escape": dialect.escape,
        "comment": dialect.comment,
    }
    for name, sign in signs.items():
        if sign and ("\r" in sign or "\n" in sign):
            raise fields.wrong(name, "must not contain a newline")
        try:
            (sign or "").encode(dialect.encoding)
        except UnicodeEncodeError as error:
            raise fields.wrong(name, f"cannot be encoded in {dialect.encoding}") from error
    for name in ("quote", "escape"):
        if (signs[name] or "\n") in dialect.delimiter:
            raise fields.wrong(name, "must not be in the delimiter")
    if dialect.comment and dialect.comment.startswith(tuple(filter(None, (dialect.quote, dialect.delimiter)))):
        raise fields.wrong("comment", "must not begin with the delimiter or the quote")


def _headers(fields: Fields) -> tuple[str, ...] | None:
    if not fields.has("headers"):
        return None
    headers = fields.texts("headers")
    if not headers:
        raise fields.wrong("headers", "must name the columns; omit it if the first row names them")
    return headers


def _header_row(fields: Fields, headers: tuple[str, ...] | None) -> HeaderRow:
    """Nothing about the header row: it names the columns where the input does not."""
    is_replaced = fields.choice("headerRow", (HeaderRow.REPLACED,), None) is not None
    if is_replaced and headers is None:
        raise fields.wrong("headerRow", "needs headers, the names that replace those of the header row")
    if is_replaced:
        return HeaderRow.REPLACED
    return HeaderRow.NAMES if headers is None else HeaderRow.NONE

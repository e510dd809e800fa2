"""The format and dialect of a source's records: what all objects of a run have in common."""

from __future__ import annotations

from dataclasses import dataclass

from sluice.fields import Fields
from sluice.reading.encodings import text_encoding
from sluice.reading.record_scanner import CsvGrammar, Grammar, JsonLinesGrammar
from sluice.state import State

CSV = "csv"
JSONL = "jsonl"
REJECTS = "rejects"


@dataclass(frozen=True, slots=True)
class Dialect(State):
    """How records stand in the bytes. `delimiter` and `quote` are a csv's; `quote` None: quotes mean nothing."""

    format: str
    delimiter: str = ","
    quote: str | None = '"'
    encoding: str = "utf-8"

    @property
    def grammar(self) -> Grammar:
        """How records are found."""
        if self.format != CSV:
            return JsonLinesGrammar()
        quote = None if self.quote is None else self.quote.encode(self.encoding)
        return CsvGrammar(self.delimiter.encode(self.encoding), quote)


CSV_FIELDS = ("delimiter", "quote", "headers")


@dataclass(frozen=True, slots=True)
class DialectInput:
    """`headers`: the columns, where the file has no header row."""

    dialect: Dialect
    headers: tuple[str, ...] | None

    @classmethod
    def from_fields(cls, fields: Fields, layout: str, delimiter: str) -> DialectInput:
        """Read the fields; `layout` is the format, `delimiter` the default. Raises InvalidInputError."""
        encoding = text_encoding(fields.text_or("encoding", "utf-8"), fields.path("encoding"))
        delimiter = fields.character("delimiter", delimiter)
        quote = None if fields.is_null("quote") else fields.character("quote", '"')
        _check(fields, delimiter, quote, encoding)
        return cls(Dialect(layout, delimiter, quote, encoding), _headers(fields))


def refuse_csv_fields(fields: Fields, layout: str | None) -> None:
    """What only a CSV has stands with a CSV alone. Raises InvalidInputError."""
    for each in CSV_FIELDS:
        if layout not in (None, CSV) and fields.has(each):
            raise fields.wrong(each, f"does not apply to the format {layout}")


def _check(fields: Fields, delimiter: str, quote: str | None, encoding: str) -> None:
    for name, character in (("delimiter", delimiter), ("quote", quote)):
        if character in ("\r", "\n"):
            raise fields.wrong(name, "must not be a newline")
        try:
            (character or "").encode(encoding)
        except UnicodeEncodeError as error:
            raise fields.wrong(name, f"cannot be encoded in {encoding}") from error
    if delimiter == quote:
        raise fields.wrong("quote", "must not be the delimiter")


def _headers(fields: Fields) -> tuple[str, ...] | None:
    if not fields.has("headers"):
        return None
    headers = fields.texts("headers")
    if not headers:
        raise fields.wrong("headers", "must name the columns; omit it if the first row names them")
    return headers

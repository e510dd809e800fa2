"""Records and cells of CSV dialects with an escape character, comments, blanks to trim, or a longer delimiter.

Where csv.reader can read the dialect, records end where csv.reader(strict=False) ends them: an escape character takes
the next character as it is, newlines included, but not directly after a closing quote.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

# What `trim` takes away around cells; the last one is the no-break space.
TRIMMED = " \t\u00a0"
_NEWLINE = r"(?:\r\n?|\n)"


class Cell(NamedTuple):
    """A cell of a record. `is_strict` is False where text follows the closing quote, or an escape ends the source."""

    text: str
    is_strict: bool


@dataclass(frozen=True)
class _Patterns:
    """Regular expressions of a dialect's signs: of text, or of bytes, where each byte stands as one character."""

    delimiter: str
    quote: str | None
    escape: str | None
    comment: str | None
    blanks: tuple[str, ...]

    def field(self, group: str = "(?:") -> str:
        """A cell whose quotes are closed. `group` "(": the quoted text, what follows it, and the unquoted text."""
        if self.quote is None:
            return f"{self._blank}{group}{self._unquoted})"
        quote = re.escape(self.quote)
        is_escaped = f"{re.escape(self.escape)}?+" if self.escape else ""
        quoted = f"{quote}{group}{self._in_quotes}){quote}{group}{is_escaped}{self._unquoted})"
        return f"{self._blank}(?:{quoted}|(?!{quote}){group}{self._unquoted}))"

    def open_field(self, group: str = "(?:") -> str:
        """A quoted cell that goes on to the end of the data; the group is the quote."""
        quote = re.escape(self.quote or "")
        return rf"{self._blank}{group}{quote}){self._in_quotes}{self._half_pair}\Z"

    @property
    def record(self) -> str:
        """A record without its newline."""
        return f"(?>(?:{self.field()}{re.escape(self.delimiter)})*+{self.field()})"

    @property
    def last_record(self) -> str:
        """A record that the end of the data may break off."""
        opened = f"{self.open_field()}|" if self.quote else ""
        last = f"(?:{opened}{self.field()}{self._half_pair})"
        return f"(?>(?:{self.field()}{re.escape(self.delimiter)})*+{last})"

    @property
    def last_line(self) -> str:
        """A line, which the end of the data may end; group 1 is its record."""
        end = rf"(?:{_NEWLINE}|\Z)"
        return f"{self.skipped}{end}|({self.last_record}){end}"

    @property
    def skipped(self) -> str:
        """A line that is no record, without its newline: a blank one, or a comment."""
        comment = rf"|{re.escape(self.comment)}[^\r\n]*+" if self.comment else ""
        return f"(?:{self._blank}{comment})"

    @property
    def _blank(self) -> str:
        return f"(?:{'|'.join(map(re.escape, self.blanks))})*+" if self.blanks else ""

    @property
    def _pair(self) -> str:
        """An escape character and what it escapes, as the first of several alternatives."""
        return f"{re.escape(self.escape)}(?s:.)|" if self.escape else ""

    @property
    def _half_pair(self) -> str:
        return rf"(?:{re.escape(self.escape)}(?=\Z))?+" if self.escape else ""

    @property
    def _unquoted(self) -> str:
        stops = self._first_of(self.delimiter, self.escape)
        return rf"(?:[^\r\n{stops}]++|{self._pair}(?!{self._any_of(self.delimiter, self.escape)})[^\r\n])*+"

    @property
    def _in_quotes(self) -> str:
        stops, quote = self._first_of(self.quote, self.escape), re.escape(self.quote or "")
        return f"(?:[^{stops}]++|{self._pair}{quote}{quote}|(?!{self._any_of(self.quote, self.escape)})(?s:.))*+"

    @staticmethod
    def _first_of(*signs: str | None) -> str:
        return "".join(re.escape(each[0]) for each in signs if each)

    @staticmethod
    def _any_of(*signs: str | None) -> str:
        return "|".join(re.escape(each) for each in signs if each)


@dataclass(frozen=True)
class DialectGrammar:
    """A Grammar of any dialect, see record_scanner. Lines that begin with `comment` are no records."""

    delimiter: str
    quote: str | None
    escape: str | None
    comment: str | None
    trim: bool
    encoding: str

    def measure(self, data: bytes, *, is_last: bool) -> tuple[int, int]:
        """See Grammar."""
        end = rows = 0
        for start, line_end in self._lines(data, is_last=is_last):
            end, rows = line_end, rows + (start is not None)
        return end, rows

    def starts(self, data: bytes) -> list[int]:
        """See Grammar."""
        return [start for start, _ in self._lines(data, is_last=True) if start is not None]

    def open_quote(self, data: bytes) -> int | None:
        """See Grammar."""
        if self.quote is None:
            return None
        whole = max((end for _, end in self._lines(data, is_last=False)), default=0)
        found = self._open_record.match(data, whole)
        return found.start(1) if found else None

    @property
    def tokens(self) -> list[bytes]:
        """The texts that mean something, for a scan that begins anywhere."""
        signs = (self.delimiter, self.quote, self.escape, self.comment, *self._of_text.blanks)
        return [token for sign in signs if sign and (token := sign.encode(self.encoding, "ignore"))]

    def _lines(self, data: bytes, *, is_last: bool) -> Iterator[tuple[int | None, int]]:
        """Where each line's record starts (None: it is no record), and where the line ends, newline included."""
        line_at, position = (self._last_line if is_last else self._line).match, 0
        while position < len(data) and (line := line_at(data, position)):
            position = line.end()
            # A carriage return at the end may be half of a line's end.
            if not is_last and position == len(data) and data.endswith(b"\r"):
                return
            yield (None if line[1] is None else line.start(1)), position

    @cached_property
    def _line(self) -> re.Pattern[bytes]:
        """A line that is no record, or else group 1 is the record."""
        of = self._of_bytes
        return _compiled(f"{of.skipped}{_NEWLINE}|({of.record}){_NEWLINE}")

    @cached_property
    def _last_line(self) -> re.Pattern[bytes]:
        return _compiled(self._of_bytes.last_line)

    @cached_property
    def _text_line(self) -> re.Pattern[str]:
        return re.compile(self._of_text.last_line)

    @cached_property
    def _open_record(self) -> re.Pattern[bytes]:
        of = self._of_bytes
        return _compiled(f"(?:{of.field()}{re.escape(of.delimiter)})*+{of.open_field('(')}")

    @cached_property
    def _of_bytes(self) -> _Patterns:
        def spelled(sign: str) -> str:
            return sign.encode(self.encoding, "ignore").decode("latin-1")

        of = self._of_text
        blanks = tuple(spelled(each) for each in of.blanks if spelled(each))
        quote, escape, comment = (each and spelled(each) for each in (of.quote, of.escape, of.comment))
        return _Patterns(spelled(of.delimiter), quote, escape, comment, blanks)

    @cached_property
    def _of_text(self) -> _Patterns:
        blanks = tuple(each for each in TRIMMED if self.trim and each not in self.delimiter)
        return _Patterns(self.delimiter, self.quote, self.escape, self.comment, blanks)

    def records(self, text: str) -> list[str]:
        """The records of a text, without blank lines and comments."""
        position, records = 0, []
        while position < len(text) and (line := self._text_line.match(text, position)):
            position = line.end()
            if line[1] is not None:
                records.append(line[1])
        return records

    def cells(self, record: str) -> list[Cell]:
        """The cells of one record, whose quotes are closed, with its newline or without."""
        cells, position, is_more = [], 0, True
        while is_more and (found := self._cell.match(record, position)):
            cells.append(self._cell_of(found))
            position, is_more = found.end(), found["end"] != ""
        if self.escape and record.startswith(self.escape, position):
            cells[-1] = cells[-1]._replace(is_strict=False)
        return cells

    def _cell_of(self, found: re.Match[str]) -> Cell:
        quoted = None if self.quote is None else found[1]
        if quoted is None:
            return Cell(self._unescaped(self._trimmed(found[1] if self.quote is None else found[3])), is_strict=True)
        return Cell(self._unescaped(quoted, doubled=self.quote), is_strict=self._trimmed(found[2]) == "")

    def _trimmed(self, text: str) -> str:
        """Without the blanks at the end, of which an escaped one is none."""
        if not self.trim:
            return text
        kept = text.rstrip("".join(self._of_text.blanks))
        escapes = len(kept) - len(kept.rstrip(self.escape)) if self.escape else 0
        return text[: len(kept) + escapes % 2]

    def _unescaped(self, text: str, doubled: str | None = None) -> str:
        """Pairs of an escape character and another one, and two quotes in quotes, are one character each."""
        if self.escape is None or self.escape not in text:
            return text.replace(doubled * 2, doubled) if doubled else text
        pairs = f"(?s:{re.escape(self.escape)}(.))"
        if doubled:
            pairs += f"|({re.escape(doubled)}){{2}}"
        return re.sub(pairs, lambda pair: pair[pair.lastindex or 0], text)

    @cached_property
    def _cell(self) -> re.Pattern[str]:
        return re.compile(f"{self._of_text.field('(')}(?P<end>{re.escape(self.delimiter)}|)")


def _compiled(pattern: str) -> re.Pattern[bytes]:
    return re.compile(pattern.encode("latin-1"))

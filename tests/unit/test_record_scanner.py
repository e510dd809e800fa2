"""Records are cut exactly as csv.reader cuts them, wherever blocks and reads happen to end."""

from __future__ import annotations

import csv
import io
import random
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sluice.errors import SourceMalformedError
from sluice.reading import record_scanner
from sluice.reading.record_scanner import Block, CsvGrammar, JsonLinesGrammar, blocks, first_rows

DIALECTS = [(",", '"'), ("\t", "'"), ("|", None), ("¦", '"'), (",", "«"), ("¦", "«"), ("€", "¥"), ("x", "\0")]

dialects = st.sampled_from(DIALECTS)
PIECES = ["D", "D", "Q", "Q", "Q", "\n", "\r", "\r\n", "a", "b c", "\\", "é", "\ufeff", "\u2028", "«", "\0"]
texts = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)


class DripStream:
    """Gives its bytes in pieces of any sizes, as a connection does."""

    def __init__(self, data: bytes, seed: int) -> None:
        self._stream = io.BytesIO(data)
        self._random = random.Random(seed)

    def read(self, size: int, /) -> bytes:
        return self._stream.read(self._random.randint(1, size))


def in_dialect(text: str, delimiter: str, quote: str | None) -> str:
    return text.replace("D", delimiter).replace("Q", quote or '"')


def grammar_of(delimiter: str, quote: str | None) -> CsvGrammar:
    return CsvGrammar(delimiter.encode(), quote.encode() if quote else None)


def read_whole(text: str, delimiter: str, quote: str | None) -> list[list[str]]:
    """What Python's csv module makes of the whole text."""
    lines = io.StringIO(text, newline="")
    if quote is None:
        return [row for row in csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE) if row]
    return [row for row in csv.reader(lines, delimiter=delimiter, quotechar=quote) if row]


def is_closed(text: str, delimiter: str, quote: str | None) -> bool:
    return read_whole(f"{text}\nend", delimiter, quote)[-1:] == [["end"]]


@given(texts, dialects, st.integers(min_value=0))
@example('a,"b\r\nc"\r\n"d""",e"f"\r\r\n\n""\n', (",", '"'), 0)
def test_blocks_of_every_size_hold_the_records_that_csv_reader_finds(
    text: str, dialect: tuple[str, str | None], seed: int
) -> None:
    text = in_dialect(text, *dialect)
    data, grammar = text.encode(), grammar_of(*dialect)
    for block_bytes in range(1, len(data) + 2):
        stream = DripStream(data, seed)
        if not is_closed(text, *dialect):
            with pytest.raises(SourceMalformedError):
                list(blocks(stream, grammar, block_bytes=block_bytes))
            continue
        found = list(blocks(stream, grammar, start=5, block_bytes=block_bytes))
        rows = [read_whole(block.data.decode(), *dialect) for block in found]
        assert [block.rows for block in found] == [len(each) for each in rows]
        assert [row for each in rows for row in each] == read_whole(text, *dialect)
        assert b"".join(block.data for block in found) == data
        assert [block.start for block in found] == [5, *(block.end for block in found)][: len(found)]


@given(texts, dialects)
def test_starts_are_where_each_record_begins(text: str, dialect: tuple[str, str | None]) -> None:
    text = in_dialect(text, *dialect)
    data = text.encode()
    rows = read_whole(text, *dialect)
    starts = grammar_of(*dialect).starts(data)
    assert len(starts) == len(rows)
    spans = pairwise([*starts, len(data)])
    cut = [read_whole(data[start:end].decode(), *dialect) for start, end in spans]
    assert cut == [[row] for row in rows]


@given(texts, dialects, st.integers(min_value=0, max_value=10))
def test_first_rows_are_the_first_records(text: str, dialect: tuple[str, str | None], count: int) -> None:
    text = in_dialect(text, *dialect)
    rows = read_whole(text, *dialect)
    block = first_rows(Block(3, text.encode(), len(rows)), grammar_of(*dialect), count)
    assert read_whole(block.data.decode(), *dialect) == rows[:count]
    assert block.rows == min(count, len(rows))


@given(texts, dialects)
@example('"a","b""","c', (",", '"'))
def test_open_quote_is_where_the_open_field_begins(text: str, dialect: tuple[str, str | None]) -> None:
    text = in_dialect(text, *dialect)
    data, quote = text.encode(), dialect[1] or ""
    opened = grammar_of(*dialect).open_quote(data)
    assert (opened is None) == is_closed(text, *dialect)
    if opened is not None:
        assert data.startswith(quote.encode(), opened)
        assert is_closed(data[:opened].decode(), *dialect)


@given(st.lists(st.sampled_from([b"{}", b"\n", b"\r\n", b"\r", b" ", b"\t", b'"a\\n"', b"["]), max_size=30))
def test_json_lines_end_with_a_newline_and_blank_ones_are_none(tokens: list[bytes]) -> None:
    data = b"".join(tokens)
    expected = [line.strip() for line in data.split(b"\n") if line.strip()]
    for block_bytes in range(1, len(data) + 2):
        found = list(blocks(DripStream(data, block_bytes), JsonLinesGrammar(), block_bytes=block_bytes))
        lines = [line.strip() for block in found for line in block.data.split(b"\n") if line.strip()]
        assert lines == expected
        assert sum(block.rows for block in found) == len(expected)
        assert b"".join(block.data for block in found) == data
    assert [data[start:].split(b"\n")[0].strip() for start in JsonLinesGrammar().starts(data)] == expected


def test_unclosed_quote_is_named_by_its_row_and_byte() -> None:
    data = b'1,a\n\n2,"b\nc"\n3,"d""\n4,e\n'
    with pytest.raises(SourceMalformedError, match=r"row 3: the quote at byte 115 is never closed"):
        list(blocks(io.BytesIO(data), grammar_of(",", '"'), start=100))


def test_long_record_stands_alone_in_its_block() -> None:
    record = b'1,"' + b"long\n" * 1000 + b'"\n'
    found = list(blocks(io.BytesIO(b"0,a\n" + record + b"2,b\n" * 10), grammar_of(",", '"'), block_bytes=64))
    assert [block.data for block in found[:2]] == [b"0,a\n", record]
    assert sum(block.rows for block in found) == 12


@pytest.mark.parametrize(("opening", "hint"), [(b'1,"', "; the quote at byte 6 is not closed within it"), (b"1,", "")])
def test_record_over_the_limit_is_named_by_its_row_and_byte(opening: bytes, hint: str) -> None:
    data = b"0,a\n" + opening + b"x" * (record_scanner.RECORD_MAX_BYTES + 1)
    with pytest.raises(SourceMalformedError, match=f"row 2: over 8 MiB, from byte 4 on{hint}$"):
        list(blocks(io.BytesIO(data), grammar_of(",", '"')))


def test_record_of_the_limit_is_read() -> None:
    data = b'"' + b"x" * (record_scanner.RECORD_MAX_BYTES - 3) + b'"\n'
    assert [block.rows for block in blocks(io.BytesIO(data + b"a\n"), grammar_of(",", '"'))] == [1, 1]


class Masking(CsvGrammar):
    """Finds records without looking for lines that are alike."""

    def _measure_alike(self, data: bytes, *, is_last: bool) -> tuple[int, int] | None:
        return None


QUOTED_CELLS = ['"a"', '""', '"x y"', 'a"b"', '"a"b', '"a,b"', '"a""b"', '"\r"', '"\n"', "a", '"']


@given(
    st.lists(st.lists(st.sampled_from(QUOTED_CELLS), min_size=1, max_size=3), max_size=4),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(["", "\n", "\r", '"', "a", "a\n"]),
)
def test_lines_that_are_alike_are_measured_as_others(lines: list[list[str]], newline: str, tail: str) -> None:
    data = (newline.join(map(",".join, lines)) + tail).encode()
    for is_last in (False, True):
        expected = Masking(b",", b'"').measure(data, is_last=is_last)
        assert CsvGrammar(b",", b'"').measure(data, is_last=is_last) == expected

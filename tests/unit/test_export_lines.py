"""Lines of a stream, whatever pieces it comes in."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.errors import SourceMalformedError
from sluice.workflows.export_process.files import FILE_CHUNK_BYTES, LINE_MAX_BYTES, line_blocks


class Pieces:
    """A stream that gives its data in pieces of its own sizes."""

    def __init__(self, data: bytes, sizes: list[int]) -> None:
        self._data = io.BytesIO(data)
        self._sizes = iter(sizes)

    def read(self, size: int, /) -> bytes:
        """At most what the next piece has."""
        return self._data.read(min(size, next(self._sizes, size)))

    def close(self) -> None:
        """Nothing is held."""


@given(
    st.lists(st.binary(max_size=20).map(lambda line: line.replace(b"\n", b""))),
    st.booleans(),
    st.lists(st.integers(1, 40)),
    st.integers(1, 7),
)
def test_blocks_hold_every_line_in_order(
    lines: list[bytes], ends_with_newline: bool, sizes: list[int], multiple: int
) -> None:
    data = b"\n".join(lines) + b"\n" * (ends_with_newline and bool(lines))
    blocks = list(line_blocks(Pieces(data, sizes), multiple))
    found = [line for block in blocks for line in block]
    expected = data.split(b"\n")
    assert found == (expected[:-1] if expected[-1] == b"" else expected)
    assert all(blocks)


def test_blocks_have_a_multiple_of_lines_where_chunks_have_that_many() -> None:
    data = b"x" * 99 + b"\n"
    blocks = list(line_blocks(io.BytesIO(data * (FILE_CHUNK_BYTES // 40)), 25))
    assert len(blocks) > 2
    assert all(len(block) % 25 == 0 for block in blocks[:-1])


def test_lines_longer_than_a_chunk_are_not_held_back() -> None:
    data = (b"x" * (FILE_CHUNK_BYTES + 1) + b"\n") * 3
    assert [len(block) for block in line_blocks(io.BytesIO(data), 25)] == [1, 1, 1]


def test_line_that_no_record_can_be_is_malformed() -> None:
    with pytest.raises(SourceMalformedError, match="a line has more than 16,777,216 bytes"):
        list(line_blocks(io.BytesIO(b"x" * (LINE_MAX_BYTES + FILE_CHUNK_BYTES + 1))))

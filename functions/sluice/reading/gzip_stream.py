"""Decompression of gzip in bounded memory, also of several members, as bgzip and concatenation make them."""

from __future__ import annotations

import zlib
from typing import Protocol

from sluice.errors import SourceMalformedError

CHUNK_BYTES = 256 << 10

NOT_GZIP = "not gzip; if it is not compressed, say so with source.compression none"

_GZIP_FORMAT = 31


class _CompressedStream(Protocol):
    def read(self, size: int, /) -> bytes: ...

    def close(self) -> None: ...


class GzipStream:
    """The decompressed bytes from `start` to `end`; `name` is what errors call the source.

    What comes before `start` is decompressed too: gzip has no other way to get there. `not_gzip` is the message
    for a source that is not compressed.
    """

    def __init__(
        self,
        compressed: _CompressedStream,
        name: str,
        start: int = 0,
        end: int | None = None,
        not_gzip: str = NOT_GZIP,
    ) -> None:
        self._compressed = compressed
        self._name = name
        self._skip = start
        self._left = None if end is None else end - start
        self._not_gzip = not_gzip
        self._input = b""
        self._member: zlib._Decompress | None = None
        self._members = 0

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none only at the end. Raises SourceMalformedError when damaged or truncated."""
        while self._skip > 0:
            if not (skipped := self._decompress(min(self._skip, CHUNK_BYTES))):
                return b""
            self._skip -= len(skipped)
        if self._left is None:
            return self._decompress(size)
        data = self._decompress(min(size, self._left)) if self._left > 0 else b""
        self._left -= len(data)
        return data

    def close(self) -> None:
        """Let go of the connection."""
        self._compressed.close()

    def _decompress(self, size: int) -> bytes:
        while member := self._member or self._next_member():
            if not self._input and not self._fill():
                raise SourceMalformedError(f"{self._name}: the gzip ends in the middle; the object is truncated")
            try:
                data = member.decompress(self._input, size)
            except zlib.error as error:
                raise SourceMalformedError(f"{self._name}: {self._problem(error)}") from error
            self._input = member.unused_data if member.eof else member.unconsumed_tail
            self._member = None if member.eof else member
            if data:
                return data
        return b""

    def _next_member(self) -> zlib._Decompress | None:
        """The next member; None at the end, which may be padded with zeros."""
        while self._input or self._fill():
            if self._members:
                self._input = self._input.lstrip(b"\0")
            if self._input:
                self._members += 1
                self._member = zlib.decompressobj(_GZIP_FORMAT)
                return self._member
        return None

    def _fill(self) -> bool:
        self._input = self._compressed.read(CHUNK_BYTES)
        return bool(self._input)

    def _problem(self, error: zlib.error) -> str:
        if "incorrect header" in str(error) and self._members == 1:
            return self._not_gzip
        return f"damaged gzip: {error}"

"""Compressed bytes as a stream of what they hold, in bounded memory: gzip, bzip2, zstd, and raw deflate."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from sluice.errors import InvalidInputError, SourceMalformedError
from sluice.reading.leading_bytes import BZIP2, GZIP, LEADING_BYTES, ZSTD, compression_of, kind_of

STREAM_CHUNK_BYTES = 256 << 10
NOT_COMPRESSED = "not {compression}; if it is not compressed, say so with source.compression none"
# What can be decompressed in the minutes that a slice has to come to its position: at about 100 MB/s with gzip on
# Lambda's one processor, a fifth of that with bzip2, three times that with zstd.
REACHABLE_BYTES = {GZIP: 48 << 30, BZIP2: 9 << 30, ZSTD: 128 << 30}

# So many bytes tell a compression.
_MAGIC_BYTES = 4
_RAW_DEFLATE, _GZIP_FORMAT = -15, 31


class CompressedStream(Protocol):
    """The stored bytes."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none only at the end."""

    def close(self) -> None:
        """Let go of the connection."""


class Decompressor(Protocol):
    """One member, stream or frame. `eof`: whether it has come to its end; `unused_data`: what follows that."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    @property
    def needs_input(self) -> bool: ...

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Up to `max_length` bytes of what `data` and the bytes before it hold."""


class _Zlib:
    """zlib's decompressor with the attributes that those of bz2 and zstd have."""

    def __init__(self, window_bits: int) -> None:
        self._zlib = zlib.decompressobj(window_bits)

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._zlib.unconsumed_tail and not self._zlib.eof

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)


def _new_bzip2() -> Decompressor:
    from bz2 import BZ2Decompressor

    return BZ2Decompressor()


def _new_zstd() -> Decompressor:
    if sys.version_info >= (3, 14):
        from compression.zstd import ZstdDecompressor
    else:
        from backports.zstd import ZstdDecompressor
    decompressor: Decompressor = ZstdDecompressor()
    return decompressor


def _zstd_error() -> type[Exception]:
    if sys.version_info >= (3, 14):
        from compression.zstd import ZstdError
    else:
        from backports.zstd import ZstdError
    error: type[Exception] = ZstdError
    return error


@dataclass(frozen=True, slots=True)
class Codec:
    """A compression: how a decompressor is made, and what that raises for damaged bytes."""

    name: str
    new: Callable[[], Decompressor]
    errors: Callable[[], tuple[type[Exception], ...]]
    has_members: bool = True


DEFLATE = Codec("deflate", lambda: _Zlib(_RAW_DEFLATE), lambda: (zlib.error,), has_members=False)
CODECS = {
    GZIP: Codec(GZIP, lambda: _Zlib(_GZIP_FORMAT), lambda: (zlib.error,)),
    BZIP2: Codec(BZIP2, _new_bzip2, lambda: (OSError, ValueError)),
    ZSTD: Codec(ZSTD, _new_zstd, lambda: (_zstd_error(),)),
}


class DecompressedStream:
    """What compressed bytes hold, from `start` to `end`; `name` is what errors call the source.

    What comes before `start` is decompressed too: there is no other way to get there.
    """

    def __init__(
        self, compressed: CompressedStream, codec: Codec, name: str, start: int = 0, end: int | None = None
    ) -> None:
        self._compressed = compressed
        self._codec = codec
        self._name = name
        self._skip = start
        self._left = None if end is None else end - start
        self._input = b""
        self._stored = 0
        self._position = 0
        self._member: Decompressor | None = None
        self._members = 0

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none only at the end. Raises SourceMalformedError when damaged or truncated."""
        while self._skip > 0:
            if not (skipped := self._decompress(min(self._skip, STREAM_CHUNK_BYTES))):
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
            if member.needs_input and not self._input and not self._fill():
                raise SourceMalformedError(
                    f"{self._name}: the {self._codec.name} ends in the middle; the object is truncated"
                )
            data = self._from(member, size)
            if data:
                self._count(len(data))
                return data
        return b""

    def _from(self, member: Decompressor, size: int) -> bytes:
        given, self._input = (self._input, b"") if member.needs_input else (b"", self._input)
        try:
            data = member.decompress(given, size)
        except self._codec.errors() as error:
            raise SourceMalformedError(f"{self._name}: damaged {self._codec.name}: {error}") from error
        if member.eof:
            self._input, self._member = member.unused_data + self._input, None
        return data

    def _count(self, size: int) -> None:
        self._position += size
        check_reachable(self._position, self._codec.name, self._name)

    def _next_member(self) -> Decompressor | None:
        """The next member; None at the end, which may be padded with zeros."""
        if self._members and not self._codec.has_members:
            return None
        while self._input or self._fill():
            if self._members:
                self._input = self._input.lstrip(b"\0")
            if self._input:
                self._check_beginning()
                self._members += 1
                self._member = self._codec.new()
                return self._member
        return None

    def _check_beginning(self) -> None:
        """Raise SourceMalformedError for bytes that do not begin a member."""
        if self._codec.name not in CODECS:
            return
        while len(self._input) < LEADING_BYTES and self._fill():
            pass
        is_cut_off = not self._members and len(self._input) < _MAGIC_BYTES
        if is_cut_off or compression_of(self._input) == self._codec.name:
            return
        if self._members:
            offset = self._stored - len(self._input)
            raise SourceMalformedError(
                f"{self._name} has bytes after the end of the {self._codec.name} data, from byte {offset} on"
            )
        raise SourceMalformedError(f"{self._name}: {not_compressed(self._input, self._codec.name)}")

    def _fill(self) -> bool:
        more = self._compressed.read(STREAM_CHUNK_BYTES)
        self._input += more
        self._stored += len(more)
        return bool(more)


def not_compressed(head: bytes, compression: str) -> str:
    """What is wrong with bytes that do not begin as the compression's do."""
    kind = kind_of(head)
    if kind is None:
        return NOT_COMPRESSED.format(compression=compression)
    return f"is {kind.name} and not {compression}; {kind.remedy}"


def check_reachable(size: int, compression: str, name: str) -> None:
    """Raise InvalidInputError for so many bytes that a later slice could not come to where it has to continue."""
    limit = REACHABLE_BYTES.get(compression)
    if limit is not None and size > limit:
        raise _too_large(name, compression)


def _too_large(name: str, compression: str) -> InvalidInputError:
    """The error about an object that later slices could not continue."""
    limit = REACHABLE_BYTES[compression] >> 30
    return InvalidInputError(
        "source.compression",
        f"{name} holds more than {limit} GiB, which are too many to be decompressed in the time of one function call; "
        "split it into several objects, or store it uncompressed",
    )

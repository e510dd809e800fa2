"""The files in a zip: listed from its central directory, and read one at a time."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from errno import EINVAL
from typing import TYPE_CHECKING

from sluice.errors import SourceMalformedError
from sluice.reading.decompression import CODECS, DEFLATE, Codec, CompressedStream, DecompressedStream
from sluice.reading.leading_bytes import BZIP2, ZSTD
from sluice.rejects import quoted_names
from sluice.state import State

if TYPE_CHECKING:
    from zipfile import ZipInfo

# Bounds the memory that the list of files takes.
_DIRECTORY_MAX_BYTES = 64 << 20
_LOCAL_HEADER = struct.Struct("<4s22xHH")
_STORED = 0
_CODECS: dict[int, Codec] = {8: DEFLATE, 12: CODECS[BZIP2], 93: CODECS[ZSTD]}
_IS_ENCRYPTED = 1
# What macOS and Windows put beside the files.
_HIDDEN = ("__MACOSX/", ".DS_Store", "Thumbs.db", "desktop.ini")

# Opens the stored bytes from one offset to another.
OpenStored = Callable[[int, int], CompressedStream]


@dataclass(frozen=True, slots=True)
class ZipMember(State):
    """A file in a zip. `offset` is that of its local header, `stored_size` its compressed bytes, `size` the others.

    `method`: how it is compressed, by the number that the zip format has for it.
    """

    name: str
    offset: int
    stored_size: int
    size: int
    method: int
    crc: int


def zip_members(open_stored: OpenStored, size: int, name: str) -> list[ZipMember]:
    """The files in a zip of `size` bytes, folders and what operating systems add left out.

    `name` is what errors call it. Raises SourceMalformedError for a zip that is damaged, encrypted, or compressed in
    another way than by deflate, bzip2 or zstd.
    """
    from zipfile import BadZipFile, ZipFile

    try:
        with ZipFile(io.BufferedReader(_StoredFile(open_stored, size), 64 << 10)) as archive:
            return [_member(each, name) for each in archive.infolist() if not _is_hidden(each)]
    except (BadZipFile, NotImplementedError, struct.error, UnicodeDecodeError, ValueError, OverflowError) as error:
        raise SourceMalformedError(f"{name}: damaged zip: {error}") from error


def only_member(members: list[ZipMember], name: str) -> ZipMember:
    """The one file that a zip has. Raises SourceMalformedError for none or several."""
    if len(members) != 1:
        names = quoted_names([each.name for each in members])
        found = f"{len(members)} files ({names})" if members else "no file"
        raise SourceMalformedError(
            f"{name} is a zip of {found}, where source.key takes one of exactly one file; use source.prefix to load "
            "each file in it"
        )
    return members[0]


def open_member(open_stored: OpenStored, member: ZipMember, name: str, start: int, end: int | None) -> CompressedStream:
    """The bytes of a file from `start` to `end`, decompressed and checked against its checksum."""
    header_end = member.offset + _LOCAL_HEADER.size
    head = open_stored(member.offset, header_end)
    try:
        found = _read_exactly(head, _LOCAL_HEADER.size)
    finally:
        head.close()
    if len(found) < _LOCAL_HEADER.size or not found.startswith(b"PK\x03\x04"):
        raise SourceMalformedError(f"{name}: damaged zip: no file begins at byte {member.offset}")
    _, name_bytes, extra_bytes = _LOCAL_HEADER.unpack(found)
    first = header_end + name_bytes + extra_bytes
    stored = open_stored(first, first + member.stored_size)
    whole = stored if member.method == _STORED else DecompressedStream(stored, _CODECS[member.method], name)
    return _MemberStream(whole, member, name, start, end)


class _MemberStream:
    """A file's bytes from `start` to `end`; at its end, the size and the checksum have to be the directory's."""

    def __init__(self, whole: CompressedStream, member: ZipMember, name: str, start: int, end: int | None) -> None:
        self._whole = whole
        self._member = member
        self._name = name
        self._start = start
        self._end = end
        self._position = 0
        self._crc = 0

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none only at the end. Raises SourceMalformedError."""
        while self._end is None or self._position < self._end:
            data = self._whole.read(size)
            if not data:
                self._check_whole()
                return b""
            first = self._position
            self._position += len(data)
            self._crc = zlib.crc32(data, self._crc)
            wanted = data[max(0, self._start - first) : None if self._end is None else self._end - first]
            if wanted:
                return wanted
        return b""

    def close(self) -> None:
        """Let go of the connection."""
        self._whole.close()

    def _check_whole(self) -> None:
        if (self._position, self._crc) != (self._member.size, self._member.crc):
            raise SourceMalformedError(
                f"{self._name}: damaged zip: {self._position:,} bytes with the checksum {self._crc:08x}, the zip's "
                f"directory has {self._member.size:,} with {self._member.crc:08x}"
            )


class _StoredFile(io.RawIOBase):
    """The stored bytes as a file that can be read anywhere."""

    def __init__(self, open_stored: OpenStored, size: int) -> None:
        self._open_stored = open_stored
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            # As a file does, which zipfile expects of a short one.
            raise OSError(EINVAL, "a position before the file")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        end = min(self._position + len(view), self._size)
        if end - self._position > _DIRECTORY_MAX_BYTES:
            raise ValueError(f"its directory has more than {_DIRECTORY_MAX_BYTES >> 20} MiB")
        stream = self._open_stored(self._position, end)
        try:
            data = _read_exactly(stream, end - self._position)
        finally:
            stream.close()
        view[: len(data)] = data
        self._position += len(data)
        return len(data)


def _read_exactly(stream: CompressedStream, size: int) -> bytes:
    pieces = []
    while size > 0 and (piece := stream.read(size)):
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def _member(info: ZipInfo, name: str) -> ZipMember:
    if info.flag_bits & _IS_ENCRYPTED:
        raise SourceMalformedError(f"{name}: {info.filename} is encrypted; store it without a password")
    if info.compress_type != _STORED and info.compress_type not in _CODECS:
        raise SourceMalformedError(
            f"{name}: {info.filename} is compressed by a method that is not supported (number {info.compress_type} of "
            "the zip format); use deflate, bzip2 or zstd"
        )
    return ZipMember(
        info.filename, info.header_offset, info.compress_size, info.file_size, info.compress_type, info.CRC
    )


def _is_hidden(info: ZipInfo) -> bool:
    return info.is_dir() or info.filename.startswith(_HIDDEN[0]) or info.filename.split("/")[-1] in _HIDDEN[1:]

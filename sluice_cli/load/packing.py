"""The bytes of a file or of an object's beginning: what they are by their first bytes, and unpacked."""

import bz2
import gzip
import io
import zlib
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import IO, Any
from zipfile import BadZipFile, ZipFile

from sluice_cli.exit_code import BadInputError

NONE, GZIP, BZIP2, ZSTD, ZIP = "none", "gzip", "bzip2", "zstd", "zip"
HEAD_BYTES = 1 << 16
BLOCK_BYTES = 1 << 20
SIGNATURES = {b"\x1f\x8b": GZIP, b"BZh": BZIP2, b"\x28\xb5\x2f\xfd": ZSTD, b"PK\x03\x04": ZIP}
EXCEL_MEMBER = b"[Content_Types].xml"
ZIP_HEADER_BYTES = 30
DEFLATED = 8
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
FOREIGN = {
    b"PAR1": "Parquet; query it with Athena and load the result as CSV",
    b"SQLite format 3\0": "an SQLite database; export a table as CSV",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook; save it as CSV (UTF-8)",
    b"%PDF": "a PDF document",
}


def compression_of(head: bytes, name: str) -> str:
    """The compression by the first bytes. Raises BadInputError for what holds no rows of text."""
    for signature, kind in FOREIGN.items():
        if head.startswith(signature):
            raise BadInputError(f"{name} is {kind}")
    if head.startswith(b"PK") and EXCEL_MEMBER in head[:HEAD_BYTES]:
        raise BadInputError(f"{name} is an Excel workbook; save it as CSV (UTF-8)")
    return next((kind for signature, kind in SIGNATURES.items() if head.startswith(signature)), NONE)


def open_unpacked(path: Path, compression: str) -> IO[bytes]:
    """The file's content, without its compression. Raises BadInputError for a zip without exactly one member."""
    if compression == NONE:
        return path.open("rb")
    openers: dict[str, Callable[[Path], Any]] = {
        GZIP: gzip.open,
        BZIP2: bz2.open,
        ZSTD: lambda file: _zstd(file.name).open(file),
        ZIP: _only_member,
    }
    opened: IO[bytes] = openers[compression](path)
    return opened


def unpacked_head(data: bytes, compression: str, name: str, limit: int) -> bytes:
    """At most `limit` bytes of content, from the first bytes of a compressed object."""
    if compression == NONE:
        return data[:limit]
    if compression == ZIP:
        data, inflate = _zip_member(data, name)
    else:
        inflate = _decompressors(name)[compression]()
    return _inflated(inflate, data, limit)


def is_utf16(head: bytes) -> bool:
    """Whether it begins with the byte order mark of UTF-16."""
    return head.startswith(UTF16_MARKS)


def _only_member(path: Path) -> IO[bytes]:
    try:
        archive = ZipFile(path)
    except BadZipFile as error:
        raise BadInputError(f"{path} is not a complete zip file: {error}") from error
    members = [each.filename for each in archive.infolist() if not each.is_dir()]
    if len(members) != 1:
        named = f": {', '.join(members[:5])}" if members else ""
        raise BadInputError(f"{path} has {len(members)} files{named}; unpack it and load each one")
    return archive.open(members[0])


def _zip_member(data: bytes, name: str) -> tuple[bytes, Any]:
    """The packed bytes of the first member, and what unpacks them."""
    method = int.from_bytes(data[8:10], "little")
    lengths = int.from_bytes(data[26:28], "little") + int.from_bytes(data[28:30], "little")
    if method != DEFLATED:
        raise BadInputError(f"{name} is a zip file of a kind that cannot be looked into; load a local copy of it")
    return data[ZIP_HEADER_BYTES + lengths :], zlib.decompressobj(-zlib.MAX_WBITS)


def _decompressors(name: str) -> dict[str, Callable[[], Any]]:
    return {
        GZIP: lambda: zlib.decompressobj(zlib.MAX_WBITS | 16),
        BZIP2: bz2.BZ2Decompressor,
        ZSTD: lambda: _zstd(name).ZstdDecompressor(),
    }


def _inflated(inflate: Any, data: bytes, limit: int) -> bytes:
    unpacked = io.BytesIO()
    for first in range(0, len(data), HEAD_BYTES):
        if inflate.eof:
            break
        unpacked.write(inflate.decompress(data[first : first + HEAD_BYTES]))
        if unpacked.tell() >= limit:
            break
    return unpacked.getvalue()[:limit]


def _zstd(name: str) -> ModuleType:
    for module in ("compression.zstd", "backports.zstd"):
        try:
            return import_module(module)
        except ImportError:
            continue
    raise BadInputError(f"{name} is zstd, which this Python cannot read; install backports.zstd")

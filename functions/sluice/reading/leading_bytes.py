"""What an object is by its first bytes, where it is not text."""

from __future__ import annotations

import re
from dataclasses import dataclass

GZIP = "gzip"
BZIP2 = "bzip2"
ZSTD = "zstd"
ZIP = "zip"
NONE = "none"
COMPRESSIONS = (GZIP, BZIP2, ZSTD, ZIP)

# So many of the first bytes tell all that is known here.
LEADING_BYTES = 4096
_ZSTD_SKIPPABLE = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18")
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b", GZIP),
    (b"BZh", BZIP2),
    (b"\x28\xb5\x2f\xfd", ZSTD),
    (b"PK\x03\x04", ZIP),
    (b"PK\x05\x06", ZIP),
)
_SAVE_AS_CSV = "save it as CSV"
_OTHERS: tuple[tuple[bytes, str, str], ...] = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel workbook", _SAVE_AS_CSV),
    (b"PAR1", "Parquet", "convert it to CSV or JSON Lines, for example by an UNLOAD of Athena"),
    (b"ORC", "ORC", "convert it to CSV or JSON Lines, for example by an UNLOAD of Athena"),
    (b"Obj\x01", "Avro", "convert it to CSV or JSON Lines"),
    (b"ARROW1\0\0", "Arrow", "convert it to CSV or JSON Lines"),
    (b"\xe0\x01\x00\xea", "Amazon Ion in binary form", "export the table as DynamoDB JSON instead"),
    (b"SQLite format 3\0", "an SQLite database", "export its table as CSV"),
    (b"%PDF-", "PDF", "a table in it has to be exported as CSV"),
    (b"\xfd7zXZ\0", "xz", "compress it with gzip, bzip2, zstd or zip instead"),
    (b"\x04\x22\x4d\x18", "lz4", "compress it with gzip, bzip2, zstd or zip instead"),
    (b"\xff\x06\0\0sNaPpY", "Snappy", "compress it with gzip, bzip2, zstd or zip instead"),
    (b"7z\xbc\xaf\x27\x1c", "7-Zip", "compress it with gzip, bzip2, zstd or zip instead"),
    (b"Rar!\x1a\x07", "RAR", "compress it with gzip, bzip2, zstd or zip instead"),
)
# The first file in the zip that a workbook is: of Excel, and of OpenDocument.
_WORKBOOK_FILES = re.compile(
    rb"PK\x03\x04.{26}(?:\[Content_Types\]\.xml|_rels/|xl/|docProps/|mimetypeapplication/vnd\.oasis)", re.S
)
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_MARKUP = re.compile(rb"\s*<(?:!doctype\s+html|html|\?xml)\b", re.IGNORECASE)
# Text in UTF-16 has a NUL in every other byte where it is ASCII; so much of the bytes is enough to say so.
_NULS_SHARE = 0.15


@dataclass(frozen=True, slots=True)
class Kind:
    """What an object is, such as "Parquet", and what helps. `compression`: one of COMPRESSIONS, where it is one."""

    name: str
    remedy: str
    compression: str | None = None


def compression_of(head: bytes) -> str | None:
    """The compression that the bytes begin with, a workbook's not among them."""
    if _ZSTD_SKIPPABLE.match(head):
        return ZSTD
    found = next((name for magic, name in _MAGIC if head.startswith(magic)), None)
    is_bzip2 = re.match(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)", head)
    if (found == BZIP2 and not is_bzip2) or (found == ZIP and _WORKBOOK_FILES.match(head)):
        return None
    return found


def kind_of(head: bytes) -> Kind | None:
    """What the bytes are; None for text and for what is not known."""
    compression = compression_of(head)
    if compression:
        return Kind(compression, f"set source.compression to {compression}", compression)
    if _WORKBOOK_FILES.match(head):
        return Kind("an Excel workbook", _SAVE_AS_CSV)
    found = next((Kind(name, remedy) for magic, name, remedy in _OTHERS if head.startswith(magic)), None)
    return found or _markup(head)


def wide_encoding(head: bytes) -> str | None:
    """What text in UTF-16 or UTF-32 is, by its byte order mark or by its NUL bytes; None for other text."""
    if head.startswith(_UTF16_MARKS):
        return "is UTF-16"
    nuls = [head[first::4].count(0) for first in range(4)]
    if len(head) < 8 or sum(nuls) < len(head) * _NULS_SHARE:
        return None
    least, most = sorted((nuls[0] + nuls[2], nuls[1] + nuls[3]))
    if least * 3 > most:
        return "looks like UTF-32 without a byte order mark"
    return "looks like UTF-16 without a byte order mark"


def _markup(head: bytes) -> Kind | None:
    found = _MARKUP.match(head)
    if not found:
        return None
    name = "XML" if b"xml" in found[0].lower() else "HTML"
    hint = "; it may be an error page that was saved in place of the file" if name == "HTML" else ""
    return Kind(name, f"the source has to be csv or JSON{hint}")

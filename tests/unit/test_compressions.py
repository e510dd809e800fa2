"""Compressed objects are read in bounded memory, and what an object is by its first bytes is named."""

from __future__ import annotations

import bz2
import gzip
import io
import random
import sys
import tracemalloc
import zipfile
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.errors import InvalidInputError, SluiceError, SourceMalformedError
from sluice.reading.decompression import REACHABLE_BYTES, check_reachable
from sluice.reading.leading_bytes import compression_of, kind_of, wide_encoding
from sluice.reading.source import ObjectPin, Source
from sluice.reading.source_header import read_header
from sluice.reading.streams import decompressed
from sluice.reading.zip_members import zip_members
from tests.unit.sources import a_source

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def gzipped(data: bytes) -> bytes:
    """The same bytes whenever they are made."""
    return gzip.compress(data, mtime=0)


COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzipped, "bzip2": bz2.compress, "zstd": zstd.compress}


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of these files."""
    stored = io.BytesIO()
    with zipfile.ZipFile(stored, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return stored.getvalue()


def a_pin(stored: bytes, compression: str, **changed: Any) -> ObjectPin:
    return ObjectPin("bucket", "a.csv", None, '"e"', len(stored), compression, **changed)


def contents(stored: bytes, compression: str, start: int = 0, end: int | None = None, size: int = 1 << 20) -> bytes:
    """All that is read of an object, `size` bytes at a time."""
    pin = a_pin(stored, compression)
    with closing(decompressed(lambda first, last: io.BytesIO(stored[first:last]), pin, start, end)) as stream:
        return b"".join(iter(lambda: stream.read(size), b""))


@given(
    st.sampled_from([*COMPRESSORS]),
    st.lists(st.binary(max_size=60), min_size=1, max_size=4),
    st.integers(0, 150),
    st.none() | st.integers(0, 150),
    st.integers(1, 99),
)
def test_members_are_read_as_one_from_any_byte(
    name: str, members: list[bytes], start: int, length: int | None, size: int
) -> None:
    stored = b"".join(map(COMPRESSORS[name], members))
    end = None if length is None else start + length
    assert contents(stored, name, start, end, size) == b"".join(members)[start:end]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
@pytest.mark.parametrize(("start", "end"), [(0, None), (5, None), (3, 9), (0, 0), (99_999, 200_000)])
def test_zip_is_the_one_file_in_it(method: int, start: int, end: int | None) -> None:
    data = random.Random(1).randbytes(50_000) * 2
    files = {"folder/": b"", "__MACOSX/a.csv": b"x", "folder/.DS_Store": b"x", "folder/a.csv": data}
    assert contents(zipped(files, method), "zip", start, end, 777) == data[start:end]


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"a.csv": b"1", "b.csv": b"2"}, r'is a zip of 2 files \("a.csv", "b.csv"\).*source.prefix'),
        ({}, "is a zip of no file"),
    ],
)
def test_zip_of_another_number_of_files_is_named(files: dict[str, bytes], problem: str) -> None:
    with pytest.raises(SourceMalformedError, match=problem):
        contents(zipped(files), "zip")


def test_members_of_a_zip_are_listed() -> None:
    stored = zipped({"b.csv": b"2", "sub/a.csv": b"1"})
    found = zip_members(lambda first, last: io.BytesIO(stored[first:last]), len(stored), "name")
    assert [each.name for each in found] == ["b.csv", "sub/a.csv"]
    for member, data in zip(found, (b"2", b"1"), strict=True):
        pin = a_pin(stored, "zip", member=member)
        with closing(decompressed(lambda first, last: io.BytesIO(stored[first:last]), pin)) as stream:
            assert stream.read(9) == data
        assert str(pin) == f"s3://bucket/a.csv: {member.name}"


def damaged(stored: bytes, index: int) -> bytes:
    return stored[:index] + bytes((stored[index] ^ 255,)) + stored[index + 1 :]


NOISE = random.Random(2).randbytes(5000)


@pytest.mark.parametrize(
    ("stored", "compression", "problem"),
    [
        (bz2.compress(NOISE)[:-20], "bzip2", "the bzip2 ends in the middle"),
        (zstd.compress(NOISE)[:-20], "zstd", "the zstd ends in the middle"),
        (damaged(bz2.compress(NOISE), 900), "bzip2", "damaged bzip2"),
        (damaged(zipped({"a.csv": NOISE}), 900), "zip", "damaged zip"),
        (zipped({"a.csv": NOISE})[:-30], "zip", "damaged zip"),
        (b"a,b\n" * 99, "zip", "damaged zip"),
        (b"a,b\n" * 99, "zstd", "not zstd; if it is not compressed"),
        (bz2.compress(NOISE), "gzip", "is bzip2 and not gzip; set source.compression to bzip2"),
        (gzipped(NOISE), "zstd", "is gzip and not zstd"),
        (bz2.compress(b"") + b"more", "bzip2", "bytes after the end of the bzip2 data, from byte 14 on"),
    ],
)
def test_what_is_damaged_or_something_else_is_named(stored: bytes, compression: str, problem: str) -> None:
    with pytest.raises(SourceMalformedError, match=problem):
        contents(stored, compression)


@pytest.mark.parametrize("compression", ["gzip", "bzip2", "zstd", "zip"])
def test_a_megabyte_that_holds_hundreds_is_read_in_little_memory(compression: str) -> None:
    piece = b"0" * (64 << 20)
    stored = zipped({"a.csv": piece * 4}) if compression == "zip" else COMPRESSORS[compression](piece) * 4
    del piece
    tracemalloc.start()
    pin, size = a_pin(stored, compression), 0
    with closing(decompressed(lambda first, last: io.BytesIO(stored[first:last]), pin)) as stream:
        while data := stream.read(1 << 20):
            size += len(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size == 256 << 20
    assert peak < 16 << 20


def test_object_that_slices_could_not_continue_is_rejected() -> None:
    check_reachable(REACHABLE_BYTES["gzip"], "gzip", "name")
    check_reachable(1 << 60, "none", "name")
    with pytest.raises(InvalidInputError, match=r"source\.compression: name holds more than 9 GiB.*split it"):
        check_reachable(REACHABLE_BYTES["bzip2"] + 1, "bzip2", "name")


WORKBOOK = zipped({"[Content_Types].xml": b"<x/>", "xl/workbook.xml": b"<x/>"})


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (gzipped(b"a"), "gzip"),
        (bz2.compress(b"a"), "bzip2"),
        (bz2.compress(b""), "bzip2"),
        (zstd.compress(b"a"), "zstd"),
        (b"\x50\x2a\x4d\x18\0\0\0\0", "zstd"),
        (zipped({"a.csv": b"a"}), "zip"),
        (zipped({}), "zip"),
        (WORKBOOK, "an Excel workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel workbook"),
        (b"PAR1\x15", "Parquet"),
        (b"ORC\x08", "ORC"),
        (b"Obj\x01\x04", "Avro"),
        (b"%PDF-1.7", "PDF"),
        (b"SQLite format 3\0", "an SQLite database"),
        (b"\xfd7zXZ\0", "xz"),
        (b"<!DOCTYPE html>\n<html>", "HTML"),
        (b'<?xml version="1.0"?>', "XML"),
    ],
)
def test_first_bytes_tell_what_an_object_is(head: bytes, name: str) -> None:
    found = kind_of(head)
    assert found is not None
    assert found.name == name
    assert found.remedy


@pytest.mark.parametrize(
    "head", [b"id,name\n", b"BZh is a column\n", b"PK,name\n", b"ID;x\n", b"", b"\x1f", b"<id>,b\n", b"\xff\xfe"]
)
def test_text_is_not_taken_for_something_else(head: bytes) -> None:
    assert kind_of(head) is None
    assert compression_of(head) is None


@pytest.mark.parametrize(
    ("text", "encoding", "expected"),
    [
        ("id,name\n1,a\n", "utf-16-le", "looks like UTF-16 without a byte order mark"),
        ("id,name\n1,Zürich\n2,日本\n", "utf-16-be", "looks like UTF-16 without a byte order mark"),
        ("id,name\n1,a\n", "utf-32-le", "looks like UTF-32 without a byte order mark"),
        ("id,name\n1,a\n", "utf-16", "is UTF-16"),
        ("id,name\n1,日本語\n", "utf-8", None),
        ("id,name\n1,a\0b\n2,c\n", "utf-8", None),
    ],
)
def test_wide_encodings_are_named(text: str, encoding: str, expected: str | None) -> None:
    assert wide_encoding(text.encode(encoding)) == expected


def header_of(data: bytes, **dialect: Any) -> tuple[Source, int]:
    source = a_source(header=dialect.pop("header", None), size=len(data), **dialect)
    return read_header(lambda start: io.BytesIO(data[start:]), source)


@pytest.mark.parametrize(
    ("data", "dialect", "header", "start"),
    [
        (b"\xef\xbb\xbfa,b\n1,2\n", {}, ("a", "b"), 7),
        (b"title\r\n\r\na,b\r\n", {"skip_rows": 2}, ("a", "b"), 14),
        (b"title\ra,b\r1,2", {"skip_rows": 1}, ("a", "b"), 10),
        (b"# x\n# y\na,b\n", {"comment": "#"}, ("a", "b"), 12),
        (b'"an ""unclosed\n', {"skip_rows": 1, "header": ("x",)}, ("x",), 15),
        (b" a , b \n", {"trim": True}, ("a", "b"), 8),
        (b"a||b\n", {"delimiter": "||"}, ("a", "b"), 5),
    ],
)
def test_header_is_found(data: bytes, dialect: dict[str, Any], header: tuple[str, ...], start: int) -> None:
    source, found = header_of(data, **dialect)
    assert (source.header, found) == (header, start)


@pytest.mark.parametrize(
    ("data", "dialect", "error", "problem"),
    [
        (b"a\n", {"skip_rows": 5}, SourceMalformedError, "no line after those that source.skipRows skips"),
        (b"# a\n", {"comment": "#"}, SourceMalformedError, "only blank lines and comments"),
        (b"sep=;\na;b\n", {}, InvalidInputError, r'skipRows: the first line .* sep= line.*delimiter to ";"'),
        (b'"a"b,c\n', {}, SourceMalformedError, "the header row has text after a closing quote"),
        (b'{"a": 1}\n', {}, SourceMalformedError, "looks like JSON; set source.format"),
        (b"a,b\n", {"format": "json"}, SourceMalformedError, "not JSON; set source.format"),
        (b'[{"a": 1},\n', {"format": "json"}, SourceMalformedError, r"never closed by \]"),
        (b'{"Item": {"a": {"S": "1"}}}', {"format": "jsonl"}, InvalidInputError, "looks like DynamoDB JSON"),
        (b'{"a": 1}\r{"a": 2}\r', {"format": "jsonl"}, SourceMalformedError, "carriage return alone"),
        (gzipped(b"a,b\n"), {"compression": "zstd"}, SourceMalformedError, "is gzip within zstd"),
        (WORKBOOK, {}, SourceMalformedError, "is an Excel workbook; save it as CSV"),
        (b"a,b\n", {"format": ""}, InvalidInputError, r"source\.format: must be one of csv"),
    ],
)
def test_what_does_not_fit_is_named_with_what_helps(
    data: bytes, dialect: dict[str, Any], error: type[SluiceError], problem: str
) -> None:
    with pytest.raises(error, match=problem):
        header_of(data, **dialect)

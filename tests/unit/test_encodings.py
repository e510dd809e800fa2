"""Encodings in which records can be found in the bytes, and no others."""

from __future__ import annotations

import encodings
import pkgutil

import pytest

from sluice.errors import InvalidInputError
from sluice.reading.encodings import text_encoding

ALL = sorted({each.name for each in pkgutil.iter_modules(encodings.__path__)} - {"aliases"})
NEWLINES_AND_QUOTES = '\r\n",;\t|'


@pytest.mark.parametrize("name", ["utf-8", "UTF8", "utf-8-sig"])
def test_utf_8_has_one_name(name: str) -> None:
    assert text_encoding(name, "source.encoding") == "utf-8"


@pytest.mark.parametrize("name", ["ascii", "latin-1", "Windows-1252", "cp437", "koi8-r", "iso8859-15", "mac-roman"])
def test_one_byte_per_character_is_taken(name: str) -> None:
    assert text_encoding(name, "source.encoding")


@pytest.mark.parametrize("name", ["utf-16", "utf-32-le", "utf-7", "shift_jis", "gbk", "euc_jp", "cp037", "mac-arabic"])
def test_other_encodings_are_refused_with_what_to_do(name: str) -> None:
    with pytest.raises(InvalidInputError, match=r"source\.encoding: .*is not supported.*utf-8.*iconv -f"):
        text_encoding(name, "source.encoding")


@pytest.mark.parametrize("name", ["klingon", "base64", "rot13", "idna", "a\0b", ""])
def test_what_is_no_text_encoding_is_refused(name: str) -> None:
    with pytest.raises(InvalidInputError, match=r"source\.encoding: .*not a text encoding"):
        text_encoding(name, "source.encoding")


@pytest.mark.parametrize("name", ALL)
def test_no_byte_beyond_ascii_reads_as_a_newline_or_a_quote(name: str) -> None:
    try:
        encoding = text_encoding(name, "source.encoding")
    except InvalidInputError:
        return
    for byte in range(128, 256):
        text = bytes((byte, ord("a"), byte)).decode(encoding, "surrogateescape")
        assert "a" in text
        assert not set(text) & set(NEWLINES_AND_QUOTES)

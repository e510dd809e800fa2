"""The encodings that a source can have."""

from __future__ import annotations

import codecs

from sluice.errors import InvalidInputError

# Text that codecs with escapes, shifts or byte pairs do not read as plain ASCII.
_ASCII = bytes(range(128)).replace(b"\\", b"\\x41") + b"\\u0041\\N{DIGIT ONE}+AGE-~{<:Ky#~}\x1b$B0l\x1b(B\x0e!\x0f"
_SECOND_BYTES = b"\x30\x41\x81\xa1"


def text_encoding(name: str, field: str) -> str:
    """The encoding's usual name; raises InvalidInputError on `field` for one that a source cannot have."""
    try:
        encoding = codecs.lookup(name).name
        if encoding in ("utf-8", "utf-8-sig"):
            return "utf-8"
        is_safe = _is_one_byte_per_character(encoding)
    except (LookupError, ValueError) as error:
        raise InvalidInputError(field, f"{name} is not a text encoding that Python supports") from error
    if not is_safe:
        raise InvalidInputError(
            field,
            f"{name} is not supported. These are: utf-8, and encodings with one byte per character, such as iso8859-1, "
            f"windows-1252, koi8-r or mac-roman. Convert the object to utf-8, for example with: "
            f"iconv -f {name} -t utf-8 input.csv",
        )
    return encoding


def _is_one_byte_per_character(encoding: str) -> bool:
    """Whether ASCII is itself, and each other byte a character of its own beyond ASCII, or none at all."""
    if _ASCII.decode(encoding, "replace") != _ASCII.decode("ascii"):
        return False
    characters = [bytes((byte,)).decode(encoding, "replace") for byte in range(128, 256)]
    pairs = (bytes((first, second)) for first in range(128, 256) for second in _SECOND_BYTES)
    known = [each for each in characters if each != "\N{REPLACEMENT CHARACTER}"]
    return (
        all(len(each) == 1 and not each.isascii() for each in characters)
        and len(set(known)) == len(known)
        and all(len(pair.decode(encoding, "replace")) == 2 for pair in pairs)
    )

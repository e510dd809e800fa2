"""Where a key stands: partition keys by a hash of their typed value, sort keys by the value itself.

The hash is the first 24 bits of the MD5 of `Outliers` and the key's bytes: a string's UTF-8, a binary's bytes,
a number's digits two to a byte behind its exponent. It is that of `dynalite`, so that the two can be
compared page by page. Equal hashes are ordered by the value.
"""

import base64
from decimal import Decimal
from hashlib import md5

HASH_BITS = 24
SLOTS = 4096
SLOT_BITS = 12
ZERO = b"\x80"
NEGATIVE_END = 102
LONGEST_NUMBER_BYTES = 20

Value = str | Decimal | bytes


def typed_value(kind: str, content: str) -> Value:
    """What a key compares by: S by code points, which is the order of UTF-8; N numerically; B by bytes."""
    if kind == "N":
        return Decimal(content)
    return base64.b64decode(content) if kind == "B" else content


def key_bytes(kind: str, content: str) -> bytes:
    """The bytes of a key's value that are hashed; the same for every way to write a number."""
    if kind == "N":
        return _number_bytes(Decimal(content))
    return base64.b64decode(content) if kind == "B" else content.encode(errors="surrogatepass")


def key_hash(*parts: bytes) -> int:
    """The 24-bit hash of a key's bytes."""
    digest = md5(b"Outliers" + b"".join(parts), usedforsecurity=False).digest()
    return digest[0] << 16 | digest[1] << 8 | digest[2]


def slot_of(hashed: int) -> int:
    """The slot, of the 4,096 that the hash space is cut into, that a hash lies in."""
    return hashed >> (HASH_BITS - SLOT_BITS)


def segment_slots(segment: int, total_segments: int) -> range:
    """The slots of one segment: segments are contiguous, and some are empty when there are more than slots."""
    return range(-(-SLOTS * segment // total_segments), -(-SLOTS * (segment + 1) // total_segments))


def _number_bytes(number: Decimal) -> bytes:
    if not number:
        return ZERO
    sign, digits, exponent = number.as_tuple()
    point = len(digits) + int(exponent)
    figures = "0" * (point % 2) + "".join(map(str, digits)).rstrip("0")
    pairs = [int(figures[at : at + 2].ljust(2, "0")) for at in range(0, len(figures), 2)]
    leading = (point + 1) // 2 - 64
    if not sign:
        return bytes([leading % 256, *(pair + 1 for pair in pairs)])
    end = [NEGATIVE_END] if len(pairs) < LONGEST_NUMBER_BYTES else []
    return bytes([~leading % 256, *(101 - pair for pair in pairs), *end])

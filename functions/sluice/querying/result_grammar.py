"""Where the rows of Athena's results end: at each newline outside quotes, of which each value that is not NULL has two.

A blank line is a row, too: the only column's NULL.
"""

from __future__ import annotations

from dataclasses import dataclass

_QUOTE, _NEWLINE = b'"', b"\n"


@dataclass(frozen=True)
class ResultGrammar:
    """See `sluice.reading.record_scanner.Grammar`."""

    def measure(self, data: bytes, *, is_last: bool) -> tuple[int, int]:
        """See Grammar."""
        pieces = data.split(_QUOTE)
        rows = b"".join(pieces[::2]).count(_NEWLINE)
        end = _last_end(data, pieces)
        if is_last and end < len(data):
            return len(data), rows + 1
        return end, rows

    def starts(self, data: bytes) -> list[int]:
        """See Grammar."""
        starts, position = [0], 0
        for number, piece in enumerate(data.split(_QUOTE)):
            if number % 2 == 0:
                starts += [position + at + 1 for at, byte in enumerate(piece) if byte == _NEWLINE[0]]
            position += len(piece) + 1
        return starts[:-1] if starts[-1] == len(data) else starts

    def open_quote(self, data: bytes) -> int | None:
        """See Grammar."""
        return data.rfind(_QUOTE) if data.count(_QUOTE) % 2 else None


def _last_end(data: bytes, pieces: list[bytes]) -> int:
    """The offset after the last newline outside quotes."""
    end = len(data)
    for number in range(len(pieces) - 1, -1, -1):
        start = end - len(pieces[number])
        if number % 2 == 0 and _NEWLINE in pieces[number]:
            return start + pieces[number].rfind(_NEWLINE) + 1
        end = start - 1
    return 0

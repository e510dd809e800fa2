"""Where JSON objects begin and end: in a list, in sequence, in any layout.

Brackets are counted outside strings, whatever else is wrong with an object: one that is not valid JSON but whose
brackets are balanced is one record. Anything between objects but separators is a record too, to be rejected. A string
never goes on beyond its line, so that an open one does not swallow the objects after it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

_PLAIN = rb'[^"{}\[\]]++'
_TO_LINE_END = rb'(?:[^"\\\r\n]++|\\[^\r\n])*+'
_STRING = rb'"' + _TO_LINE_END + rb'"'
_OPEN_STRING = rb'"(?=' + _TO_LINE_END + rb"\\?[\r\n])"
_LAST_OPEN_STRING = rb'"(?=' + _TO_LINE_END + rb"\\?(?:[\r\n]|\Z))"
# Deeper objects are followed bracket by bracket.
_LEVELS = 6
# The record separator is that of RFC 7464.
_SEPARATORS = rb"[\s,\[\]\x1e]"
# What stands around the items of a Scan's output.
_SCAN_NAMES = rb'"(?:Count|ScannedCount|ConsumedCapacity|LastEvaluatedKey|NextToken|ResponseMetadata)"'
_SCAN_BEGINS = rb'\{\s*(?="Items"\s*:\s*\[|"(?:Scanned)?Count"\s*:\s*\d)'


def _nested(levels: int) -> bytes:
    inner = rb"|" + _nested(levels - 1) if levels > 1 else b""
    return rb"[{\[](?:" + _PLAIN + rb"|" + _STRING + inner + rb")*+[}\]]"


_is_small_object = re.compile(rb"(?=\{)" + _nested(_LEVELS), re.DOTALL).match
_bracket = re.compile(rb"(?:" + _PLAIN + rb"|" + _STRING + rb"|" + _OPEN_STRING + rb")*+([{}\[\]])").match
_last_bracket = re.compile(rb"(?:" + _PLAIN + rb"|" + _STRING + rb"|" + _LAST_OPEN_STRING + rb")*+([{}\[\]])").match
_other = re.compile(rb'(?:[^\s,\[\]{"\x1e]++|' + _STRING + rb"|" + _OPEN_STRING + rb")++").match
_last_other = re.compile(rb'(?:[^\s,\[\]{"\x1e]++|' + _STRING + rb"|" + _LAST_OPEN_STRING + rb")++").match
_is_scan_name = re.compile(_SCAN_NAMES + rb'|"Items"').match
_separators = re.compile(_SEPARATORS + rb"*+").match


@cache
def _scan_separators() -> re.Pattern[bytes]:
    value = rb"(?:" + _nested(_LEVELS) + rb"|" + _STRING + rb'|[^\s,\[\]{}"]++)'
    parts = [_SEPARATORS, rb"\}", _SCAN_BEGINS, rb'"Items"\s*:', _SCAN_NAMES + rb"\s*:\s*" + value]
    return re.compile(rb"(?:" + rb"|".join(parts) + rb")*+")


class JsonGrammar:
    """A Grammar, see record_scanner. `is_scan`: the objects may stand in the output of a Scan, as its Items."""

    open_name = "the JSON object"

    def __init__(self, *, is_scan: bool = False) -> None:
        self._is_scan = is_scan
        self._separators = _scan_separators().match if is_scan else _separators

    def measure(self, data: bytes, *, is_last: bool) -> tuple[int, int]:
        """See Grammar."""
        ends = [end for _, end in self._records(data, is_last=is_last)]
        if is_last:
            return len(data), len(ends)
        if not ends and (blank := _separators(data)):
            return blank.end(), 0
        return max(ends, default=0), len(ends)

    def starts(self, data: bytes) -> list[int]:
        """See Grammar."""
        return [start for start, _ in self._records(data, is_last=True)]

    def open_quote(self, data: bytes) -> int | None:
        """The offset of an object that is not closed."""
        start = max((record for record, _ in self._records(data, is_last=True)), default=0)
        is_open = data[start : start + 1] == b"{" and _object_end(data, start, is_last=True) is None
        return start if is_open else None

    def spans(self, data: bytes) -> list[tuple[int, int]]:
        """Where each record of whole ones begins and ends."""
        return [*self._records(data, is_last=True)]

    def _records(self, data: bytes, *, is_last: bool) -> Iterator[tuple[int, int]]:
        """Where the records begin and end that are surely whole; the last one may be broken off by the source's end."""
        position = self._after_separators(data, 0)
        while position < len(data):
            # What a Scan's output says of itself may be broken off by the data's end.
            is_broken_off = self._is_scan and not is_last and _is_scan_name(data, position)
            end = None if is_broken_off else _record_end(data, position, is_last=is_last)
            if end is None:
                if is_last:
                    yield position, len(data)
                return
            yield position, end
            position = self._after_separators(data, end)

    def _after_separators(self, data: bytes, position: int) -> int:
        found = self._separators(data, position)
        return found.end() if found else position


def _record_end(data: bytes, start: int, *, is_last: bool) -> int | None:
    """The end of the object, or of what stands there instead; None where it may go on beyond the data."""
    if data[start : start + 1] == b"{":
        return _object_end(data, start, is_last=is_last)
    other = (_last_other if is_last else _other)(data, start)
    if other is None or (other.end() == len(data) and not is_last):
        return None
    return other.end()


def _object_end(data: bytes, start: int, *, is_last: bool) -> int | None:
    if small := _is_small_object(data, start):
        return small.end()
    bracket_at = _last_bracket if is_last else _bracket
    depth, position = 0, start
    while found := bracket_at(data, position):
        position = found.end()
        depth += 1 if found[1] in b"{[" else -1
        if depth == 0:
            return position
    return None

"""Some lines of any number, each as likely as any other: of the items that a slice changes, of all slices' samples."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from typing import Any

from sluice.encoding.plain_values import Attributes

# A slice holds no more than this; a line that does not fit is left out.
SAMPLE_MAX_BYTES = 16 << 20


class Sample:
    """Up to `size` lines. `seed`: the same lines in the same order give the same sample."""

    def __init__(self, size: int, seed: str, max_bytes: int = SAMPLE_MAX_BYTES) -> None:
        self._size = size
        self._max_bytes = max_bytes
        self._random = random.Random(seed)  # noqa: S311 - nothing is to be kept secret
        self._bytes = 0
        self._offered = 0
        self.lines: list[bytes] = []

    def place(self) -> int | None:
        """Where the next line goes, None when it stays out."""
        self._offered += 1
        if len(self.lines) < self._size:
            return len(self.lines)
        place = int(self._random.random() * self._offered)
        return place if place < len(self.lines) else None

    def put(self, place: int, line: bytes) -> None:
        """Take a line in."""
        held = len(self.lines[place]) if place < len(self.lines) else 0
        if self._bytes - held + len(line) > self._max_bytes:
            return
        self._bytes += len(line) - held
        self.lines[place : place + 1] = [line]


def sample_line(key: Mapping[str, Any], before: Attributes, after: object) -> bytes:
    """One item that was changed; `after` is the item in DynamoDB JSON, several or None."""
    return json.dumps({"key": key, "before": before, "after": after}, ensure_ascii=False).encode() + b"\n"

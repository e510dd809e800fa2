"""Some of the items that a slice changes, each as likely as any other."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from typing import Any

from sluice.encoding.plain_values import Attributes

# A slice holds no more than this; an item that does not fit is left out.
SAMPLE_MAX_BYTES = 16 << 20


class Sample:
    """Up to `size` items of any number. `seed`: the same items in the same order give the same sample."""

    def __init__(self, size: int, seed: str) -> None:
        self._size = size
        self._random = random.Random(seed)  # noqa: S311 - nothing is to be kept secret
        self._lines: list[bytes] = []
        self._bytes = 0
        self._offered = 0

    def place(self) -> int | None:
        """Where the next item goes, None when it stays out."""
        self._offered += 1
        if len(self._lines) < self._size:
            return len(self._lines)
        place = int(self._random.random() * self._offered)
        return place if place < len(self._lines) else None

    def take(self, place: int, key: Mapping[str, Any], before: Attributes, after: object) -> None:
        """Take an item in; `after` is the item in DynamoDB JSON, several or None."""
        line = json.dumps({"key": key, "before": before, "after": after}, ensure_ascii=False).encode() + b"\n"
        held = len(self._lines[place]) if place < len(self._lines) else 0
        if self._bytes - held + len(line) > SAMPLE_MAX_BYTES:
            return
        self._bytes += len(line) - held
        self._lines[place : place + 1] = [line]

    @property
    def lines(self) -> bytes:
        """The sample as JSON Lines."""
        return b"".join(self._lines)

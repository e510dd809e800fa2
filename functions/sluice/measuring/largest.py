"""The largest item collections so far, in bounded space."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

LARGEST = 10
# A key can have 2 KB and a sort key 1 KB, and the largest are part of a state and of a result file.
LARGEST_MAX_BYTES = 8 << 10

Line = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Largest:
    """Report lines of up to ten collections, the largest first, the first of equals first; fewer where keys are long.

    The very largest is always there. `left_out`: bytes of the largest collection that is not, -1 when all are:
    a smaller one that comes later may not take its place.
    """

    lines: tuple[Line, ...] = ()
    left_out: int = -1

    def plus(self, line: Line) -> Largest:
        """With one more collection, if it is one of the largest."""
        if line["bytes"] <= self.left_out:
            return self
        ranked = sorted((*self.lines, line), key=lambda each: each["bytes"], reverse=True)
        sizes = accumulate(len(json.dumps(each)) for each in ranked[:LARGEST])
        kept = max(1, sum(size <= LARGEST_MAX_BYTES for size in sizes))
        left_out = ranked[kept]["bytes"] if kept < len(ranked) else self.left_out
        return Largest(tuple(ranked[:kept]), left_out)

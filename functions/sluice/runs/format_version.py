"""The format of what one step of a run writes and another reads: a deployment in between replaces the code of both.

Raise FORMAT with every change that an earlier reader would get wrong, and go on reading the format before: runs under
way when a version is deployed were planned by the one before it. What a state machine makes of its steps' answers is
part of the format; an execution keeps the definition that it was started with.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sluice.errors import FormatVersionError

FORMAT = 2
READABLE = (FORMAT - 1, FORMAT)
FIELD = "formatVersion"
# What was written before there was a number.
UNNUMBERED = 1


def readable(state: Mapping[str, Any], what: str) -> Mapping[str, Any]:
    """The state itself. Raises FormatVersionError when this code cannot read it; `what` says what it is."""
    found = state.get(FIELD, UNNUMBERED)
    if found in READABLE:
        return state
    formats = " and ".join(map(str, READABLE))
    raise FormatVersionError(
        f"{what} is in format {found}, this deployment reads {formats}: another version of Sluice was deployed since. "
        "Start the run again with this version, or deploy the one that began it again and let it go on there"
    )

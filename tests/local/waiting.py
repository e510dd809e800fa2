"""Waiting for what a run does on its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

WAIT_SECONDS = 60
LOOK_EVERY_SECONDS = 0.05
Found = TypeVar("Found")


def until(look: Callable[[], Found]) -> Found:
    """What `look` finds, as soon as it finds something."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not (found := look()):
        assert time.monotonic() < deadline, "nothing has happened"
        time.sleep(LOOK_EVERY_SECONDS)
    return found

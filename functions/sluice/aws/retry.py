"""How long to keep trying: full jitter between attempts, and an end to them."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass

_random = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Up to `attempts` attempts, none begun more than `give_up_seconds` after the first."""

    attempts: int = 10
    first_pause_seconds: float = 0.05
    longest_pause_seconds: float = 5.0
    give_up_seconds: float = 60.0


class Backoff:
    """Counts the failures in a row of one piece of work and pauses after each."""

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self.made_progress()

    def made_progress(self) -> None:
        """Begin again: only failures without progress between them use up the attempts."""
        self._failures = 0
        self._since = time.monotonic()

    def is_used_up(self) -> bool:
        """Count one more failure; True when there shall be no further attempt."""
        self._failures += 1
        elapsed_seconds = time.monotonic() - self._since
        return self._failures >= self._policy.attempts or elapsed_seconds > self._policy.give_up_seconds

    def pause(self) -> None:
        """Sleep between nothing and a bound that doubles with each failure."""
        bound = self._policy.first_pause_seconds * 2 ** max(self._failures - 1, 0)
        time.sleep(_random.uniform(0, min(bound, self._policy.longest_pause_seconds)))

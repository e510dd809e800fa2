"""The server's clock, which tests and the demo can put forward: a month of a schedule in seconds.

    with running(fault_injection=True) as local_aws:
        clock.advance(local_aws, seconds=3600)

All of the server lives that much later from then on: what it stores, compares and tells, a state machine's context,
schedules, the journal behind exports. Sleeps and timeouts stay real, and so does the time in Lambda functions.
The server answers this only when it was started with `fault_injection=True`, and only to its owner's credentials.
"""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from local_aws.control_requests import control
from local_aws.lifecycle import LocalAws

PATH = "/_local_aws/clock"


def advance(local_aws: LocalAws, seconds: float) -> datetime:
    """Put the server's clock forward by this much more; returns its time. Raises ValueError when it is less than 0."""
    if seconds < 0:
        raise ValueError(f"time only goes forward, not by {seconds} s")
    return datetime.fromisoformat(control(local_aws, PATH, {"seconds": seconds})["now"])


def now(local_aws: LocalAws) -> datetime:
    """The server's time."""
    return advance(local_aws, 0)


class ServerClock:
    """The server's side. Made before the server starts threads: they all see its time."""

    def __init__(self) -> None:
        import time_machine

        self._traveller = time_machine.travel(timedelta(0), tick=True).start()
        # From its first answer on the clock ticks, and threads may ask.
        time.time()
        self._advanced = timedelta(0)

    def advance(self, data: dict[str, Any]) -> dict[str, Any]:
        """Go forward by so many `seconds`; the answer has the time `now`."""
        step = timedelta(seconds=data["seconds"])
        self._traveller.shift(step)
        self._advanced += step
        return {"now": datetime.now(UTC).isoformat()}

    def times(self) -> tuple[float, ...]:
        """The server's time and the real one, in seconds since 1970: callers may sign with either."""
        now = time.time()
        return (now, now - self._advanced.total_seconds()) if self._advanced else (now,)

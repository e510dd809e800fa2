"""Changes on their way into a table, whatever kind of request they take."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from sluice.errors import CountsDoNotReconcileError
from sluice.exports.tally import Origin, Tally
from sluice.writing.in_flight import InFlight
from sluice.writing.outstanding import Answer, Outstanding
from sluice.writing.table_writer import WriteOutcome
from sluice.writing.wire import Wire

# At 5 to 10 ms a request this is as much as one vCPU can prepare.
REQUESTS_IN_FLIGHT = 16
# For requests that DynamoDB throttles, refuses or loses: they wait, and are sent again. What is held at the end of a
# slice has to be settled in the time that is left.
TROUBLED_THREADS = 16

OriginOf = Callable[[int], Origin]


class Writes(Protocol):
    """How changes become requests, and what is left to do after an answer."""

    operation: str
    changes_per_request: int

    def body(self, changes: Sequence[Any], /) -> bytes:
        """One request."""

    def units(self, answer: Mapping[str, Any], /) -> float | None:
        """The write units of a request that was carried out; None when something of it is left."""

    def settle(self, changes: Sequence[Any], origins: Sequence[Origin], answer: Answer, /) -> WriteOutcome:
        """Go on after the answer until all changes are settled."""


class _Sent(NamedTuple):
    changes: Sequence[Any]
    rows: Sequence[int]
    origin_of: OriginOf


class ChangeRequests:
    """Requests go out from one thread; those that do not end well at once are seen to in others.

    Nothing keeps two changes of one key in order.
    """

    def __init__(self, wire: Wire, writes: Writes, tally: Tally, in_flight: int = REQUESTS_IN_FLIGHT) -> None:
        self._writes = writes
        self._tally = tally
        self._outstanding: Outstanding[_Sent] = Outstanding(wire, writes.operation, self._answered, in_flight)
        self._troubled = InFlight(self._settle, tally.settle, threads=TROUBLED_THREADS, held=TROUBLED_THREADS)

    def send(self, changes: Sequence[Any], rows: Sequence[int], origin_of: OriginOf) -> None:
        """Send the changes of these rows; waits while too many requests are in flight. Raises their errors."""
        size = self._writes.changes_per_request
        for start in range(0, len(changes), size):
            sent = _Sent(changes[start : start + size], rows[start : start + size], origin_of)
            self._outstanding.send(self._writes.body(sent.changes), sent)

    def flush(self) -> None:
        """Return when every change is acknowledged or accounted for."""
        self._outstanding.drain()
        self._troubled.drain()

    def close(self) -> None:
        """Let go of what is on its way."""
        self._outstanding.close()
        self._troubled.close()

    def _answered(self, sent: _Sent, answer: Answer) -> None:
        units = self._writes.units(answer) if isinstance(answer, dict) else None
        if units is None:
            self._troubled.submit((sent, answer), keys=())
        else:
            self._tally.write_units += units

    def _settle(self, troubled: tuple[_Sent, Answer]) -> WriteOutcome:
        sent, answer = troubled
        outcome = self._writes.settle(sent.changes, [sent.origin_of(row) for row in sent.rows], answer)
        if outcome.accounted != len(sent.rows):
            raise CountsDoNotReconcileError(f"{len(sent.rows)} records written, {outcome.accounted} accounted for")
        return outcome

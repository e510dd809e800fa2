"""What a run may spend per second, as writers see it: sluice.run_item.rate_limiter keeps it."""

from __future__ import annotations

from typing import Protocol


class UnitSpending(Protocol):
    """One request's units."""

    def ended(self, units: float, items: int | None = None) -> None:
        """The request took so many units."""


class WriteLimiter(Protocol):
    """Write units that flow in at a rate. For any number of threads."""

    def bounded(self, items: int) -> int | None:
        """How many items the next request should have, at most so many."""

    def admit(self, items: int) -> UnitSpending:
        """Wait until a request for so many items may be sent."""


class Unlimited:
    """As many units as there are."""

    def bounded(self, items: int) -> int:
        """All of them."""
        return items

    def admit(self, _items: int) -> UnitSpending:
        """At once."""
        return _Unwatched()


class _Unwatched:
    def ended(self, units: float, items: int | None = None) -> None:
        """Nothing is limited."""


UNLIMITED = Unlimited()

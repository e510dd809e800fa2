"""One attribute of each flight gets another value."""

from __future__ import annotations

from typing import Any


def transform(flight: dict[str, Any]) -> dict[str, Any]:
    """The flight with its carrier in lower case."""
    flight["carrier"] = flight["carrier"].lower()
    return flight

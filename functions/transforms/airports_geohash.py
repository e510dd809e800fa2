"""A geohash for each airport, from its position: what lies close together begins alike (https://en.wikipedia.org/wiki/Geohash)."""

from __future__ import annotations

from typing import Any

ALPHABET = "0123456789bcdefghjkmnpqrstuvwxyz"
LENGTH = 7
BITS_PER_CHARACTER = 5


def transform(airport: dict[str, Any]) -> dict[str, Any] | None:
    """The airport with its geohash; one without a position stays as it is."""
    position = airport.get("position")
    if not position:
        return None
    airport["geohash"] = geohash(float(position["latitude"]), float(position["longitude"]))
    return airport


def geohash(latitude: float, longitude: float) -> str:
    """Halve the world again and again, by longitude and latitude in turn; each bit is the half that the point is in."""
    bounds = [[-180.0, 180.0], [-90.0, 90.0]]
    point = (longitude, latitude)
    bits = 0
    for step in range(LENGTH * BITS_PER_CHARACTER):
        axis = step % 2
        middle = sum(bounds[axis]) / 2
        is_upper = point[axis] >= middle
        bounds[axis][not is_upper] = middle
        bits = bits << 1 | is_upper
    shifts = range(LENGTH - 1, -1, -1)
    return "".join(ALPHABET[bits >> BITS_PER_CHARACTER * shift & 31] for shift in shifts)

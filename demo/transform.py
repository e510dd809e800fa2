"""table_transform: a geohash for each airport, first foreseen, then applied."""

from __future__ import annotations

from demo.place import Place

EVENT = "table_transform.json"


def add_geohashes(place: Place) -> None:
    """Show what would change, change it, and verify a sample."""
    place.run("table_transform", EVENT)
    place.run("table_transform", EVENT, "mode=apply", 'verify={"sample": 1000}')

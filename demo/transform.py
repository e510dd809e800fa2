"""table_transform: a geohash for each airport, first foreseen, then applied, then undone."""

from __future__ import annotations

from datetime import UTC, datetime

from demo.place import Place

EVENT = "table_transform.json"


def add_geohashes(place: Place) -> None:
    """Show what would change, change it and verify a sample; show what an undo would do, and undo it."""
    place.run("table_transform", EVENT)
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-geohash"
    place.run("table_transform", EVENT, "mode=apply", 'verify={"sample": 1000}', name=name)
    place.sluice("undo", name, "--local")
    place.sluice("undo", name, "--apply", "--local")

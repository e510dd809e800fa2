"""table_transform: a geohash for each airport, first foreseen, then applied, then undone."""

from __future__ import annotations

from datetime import UTC, datetime

from demo.sandbox import DemoSandbox

EVENT = "table_transform.json"


def add_geohashes(sandbox: DemoSandbox) -> None:
    """Show what would change, change it and verify a sample; show what an undo would do, and undo it."""
    sandbox.run("table_transform", EVENT)
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-geohash"
    sandbox.run("table_transform", EVENT, "mode=apply", 'verify={"sample": 1000}', name=name)
    sandbox.sluice("undo", name, "--local")
    sandbox.sluice("undo", name, "--apply", "--local")

"""What MeasureCollection is asked to do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sluice.errors import InvalidInputError
from sluice.fields import Fields
from sluice.format_version import readable
from sluice.measuring.item_collections import ItemCollections, Key
from sluice.measuring.measure_progress import MeasureProgress
from sluice.run import Run


@dataclass(frozen=True, slots=True)
class MeasureRequest:
    """One slice of a batch of keys; `scan` is what PlanScan made of the run's input."""

    run: Run
    collections: ItemCollections
    keys: tuple[Key, ...]
    scan: Mapping[str, Any]
    progress: MeasureProgress

    @classmethod
    def from_event(cls, event: object) -> MeasureRequest:
        """Read the function's payload. Raises InvalidInputError."""
        fields = Fields(event, ("run", "scan", "keys", "progress"))
        run = Run.from_state(fields.raw("run"))
        scan = readable(fields.raw("scan"), "the run's plan")
        collections = ItemCollections.from_scan(scan)
        keys = tuple(
            collections.key_from(each, f"keys[{position}]") for position, each in enumerate(fields.raw("keys"))
        )
        if not keys:
            raise InvalidInputError("keys", "must not be empty")
        progress = MeasureProgress.from_state(fields.raw("progress")) if fields.has("progress") else MeasureProgress()
        return cls(run, collections, keys, scan, progress)

    @property
    def part_key(self) -> str:
        """Where the slice's part of the report goes; a repeated slice overwrites its own.

        A run has each key in one batch only, so its first key tells a batch from all others.
        """
        first_key = json.dumps(self.keys[0], sort_keys=True).encode()
        return f"{self.run.prefix}report/{sha256(first_key).hexdigest()}-{self.progress.slices:04d}.jsonl"

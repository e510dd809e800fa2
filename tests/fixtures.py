"""The events that `sam local invoke`, the containers' tests and the unit tests share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sluice_cli.surroundings import PROJECT_ROOT

EVENTS = PROJECT_ROOT / "events"
FIXTURES = sorted(each for each in EVENTS.glob("*/*.json") if each.parent.name != "workflows")


def fixture(function: str, case: str) -> dict[str, Any]:
    """One function's event."""
    event: dict[str, Any] = json.loads((EVENTS / function / f"{case}.json").read_text())
    return event


def expected_error(path: Path) -> str | None:
    """What a fixture's name promises: `usual` succeeds, `empty` is refused, any other is named by its error."""
    return {"usual": None, "empty": "InvalidInputError"}.get(path.stem, path.stem)

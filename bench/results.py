"""bench/results.json, and the same as a table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.figures import Better

RESULTS = Path(__file__).with_name("results.json")


def merge(path: Path, name: str, result: Mapping[str, Any]) -> None:
    """Put one figure's result into the file; the others in it stay."""
    results = json.loads(path.read_text()) if path.exists() else {}
    results[name] = result
    path.write_text(json.dumps(results, indent=2) + "\n")


def table_line(name: str, result: Mapping[str, Any], *, is_met: bool) -> str:
    """One figure as a line of the table."""
    bound = "at least" if result["better"] == Better.HIGHER else "at most"
    word = "met" if is_met else "MISSED"
    return f"{name:32} {result['value']:>10g} {result['unit']:10} {bound:8} {result['goal']:<6g} {word}"

"""`python -m bench.policy_picture`: draw docs/distinct_keys.svg, requests and read units by collection size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import log10
from pathlib import Path

from bench.scan_simulator import ScanCost, Segment, full_cost, policy_cost, skip_cost
from sluice.workflows.distinct_keys.page_policy import Optimize

PICTURE = Path(__file__).parents[1] / "docs" / "distinct_keys.svg"
KEYS = 2000
ITEM_BYTES = 1000
COUNTS = (1, 2, 3, 4, 6, 8, 10, 13, 16, 20, 25, 32, 40, 50, 64, 80, 100, 160, 250, 400, 640, 1000)
WIDTH, HEIGHT, PANEL, LEFT, TOP, STEP = 760, 370, 260, 80, 60, 370
DECADES = 6
PLANS: tuple[tuple[str, str, Callable[[Segment], ScanCost]], ...] = (
    ("full scan", "#b5541c", full_cost),
    ("one skip per key", "#7a7a7a", skip_cost),
    ("distinct_keys", "#1c62b5", lambda segment: policy_cost(segment, Optimize.BALANCED.request_units)),
)
PANELS: tuple[tuple[str, Callable[[ScanCost], float]], ...] = (
    ("requests", lambda cost: cost.requests),
    ("read units", lambda cost: cost.units),
)


def main() -> None:
    """Draw the picture."""
    PICTURE.write_text(picture(), encoding="utf-8")


def picture() -> str:
    """The picture as SVG: both axes logarithmic, one panel for each quantity."""
    costs = {name: [plan(_segment(count)) for count in COUNTS] for name, _, plan in PLANS}
    panels = "".join(
        _panel(title, LEFT + number * STEP, {name: [quantity(cost) for cost in row] for name, row in costs.items()})
        for number, (title, quantity) in enumerate(PANELS)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'font-family="sans-serif" font-size="12">\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>\n{_legend()}{panels}</svg>\n'
    )


def _segment(count: int) -> Segment:
    return Segment(f"{count} items", "uniform", [count] * KEYS, [ITEM_BYTES] * KEYS)


def _legend() -> str:
    keys = "".join(
        f'<rect x="{LEFT + number * 150}" y="12" width="14" height="4" fill="{colour}"/>'
        f'<text x="{LEFT + 20 + number * 150}" y="18">{name}</text>\n'
        for number, (name, colour, _) in enumerate(PLANS)
    )
    return f"<g>{keys}</g>\n"


def _panel(title: str, left: int, rows: dict[str, Sequence[float]]) -> str:
    lines = "".join(
        f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{_points(left, rows[name])}"/>\n'
        for name, colour, _ in PLANS
    )
    bottom = TOP + PANEL
    across = "".join(
        f'<line x1="{left}" x2="{left + PANEL}" y1="{_up(power)}" y2="{_up(power)}" stroke="#ddd"/>'
        f'<text x="{left - 6}" y="{_up(power) + 4}" text-anchor="end">{10**power:,}</text>\n'
        for power in range(DECADES + 1)
    )
    ticks = "".join(
        f'<text x="{_right(left, 10**power)}" y="{bottom + 16}" text-anchor="middle">{10**power:,}</text>\n'
        for power in range(4)
    )
    return (
        f'<text x="{left}" y="{TOP - 14}" font-weight="bold">{title}</text>\n{across}{ticks}'
        f'<text x="{left + PANEL / 2}" y="{bottom + 32}" text-anchor="middle">items per collection</text>\n{lines}'
    )


def _points(left: int, values: Sequence[float]) -> str:
    return " ".join(f"{_right(left, count)},{_up(log10(value))}" for count, value in zip(COUNTS, values, strict=True))


def _right(left: int, count: int) -> float:
    return round(left + PANEL * log10(count) / log10(COUNTS[-1]), 1)


def _up(power: float) -> float:
    return round(TOP + PANEL * (1 - power / DECADES), 1)


if __name__ == "__main__":
    main()

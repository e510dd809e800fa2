"""`python -m bench [--only FIGURE]`: measure, print a table, write bench/results.json."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from bench.figures import Figure, all_figures
from bench.results import RESULTS, merge, table_line


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the requested figures. Ends with 1 when one of them misses its goal."""
    figures = all_figures()
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", metavar="FIGURE", choices=sorted(figures), help=", ".join(figures))
    only = parser.parse_args(arguments).only
    chosen = [figures[only]] if only else list(figures.values())
    met = [run(each) for each in chosen]
    return 0 if all(met) else 1


def run(figure: Figure) -> bool:
    """Measure one figure; returns whether its goal is met."""
    print(f"measuring {figure.name} ...", file=sys.stderr, flush=True)
    result = figure.to_result(figure.measure())
    merge(RESULTS, figure.name, result)
    is_met = figure.is_met_by(result["value"])
    print(table_line(figure.name, result, is_met=is_met), flush=True)
    return is_met


if __name__ == "__main__":
    sys.exit(main())

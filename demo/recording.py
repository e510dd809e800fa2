"""`make recording`: the pictures in the README, of a real run on local AWS: a terminal, and the run's report.

Needs Chromium for the report's picture.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

from demo.airports import airports_csv
from sluice_cli import local
from sluice_cli.surroundings import PROJECT_ROOT

DOCS = PROJECT_ROOT / "docs"
WIDTH = 100
REPORT_PIXELS = (1100, 1330)
LOAD = ("load", "airports.csv", "--table", "airports", "--create", "--key", "icao", "--local")


def main() -> int:
    """Start local AWS, deploy, load a file, and make the pictures. Returns the exit code."""
    aws, is_ours = local.up(PROJECT_ROOT, outlive_caller=False)
    try:
        with tempfile.TemporaryDirectory() as folder:
            here = Path(folder)
            (here / "airports.csv").write_bytes(airports_csv())
            _sluice(here, "local", "deploy")
            printed = _sluice(here, *LOAD)
            run = _found(r"^execution +(\S+)$", printed)
            _sluice(here, "report", run, "--local", "--output", "report.html")
            _draw_terminal(
                [f"$ sluice {' '.join(LOAD)}", *printed.splitlines(), f"$ sluice report {run} --local --open"]
            )
            _draw_page(here / "report.html", DOCS / "report.png")
    finally:
        if is_ours:
            local.end(PROJECT_ROOT, aws)
    return 0


def _sluice(folder: Path, *words: str) -> str:
    """What a command prints, messages and output in their order."""
    command = [sys.executable, "-m", "sluice_cli", *words]
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text, re.MULTILINE)
    if found is None:
        raise SystemExit(f"nothing matches {pattern} in:\n{text}")
    return found[1]


def _draw_terminal(lines: list[str]) -> None:
    """The lines as an SVG; commands stand out."""
    with (Path(tempfile.gettempdir()) / "recording.txt").open("w") as unseen:
        console = Console(record=True, width=WIDTH, file=unseen)
        for line in lines:
            console.print(Text(line, style="bold green" if line.startswith("$ ") else ""), soft_wrap=False)
        picture = console.export_svg(title="sluice load")
    # The reader's own monospaced font: a picture needs no network.
    (DOCS / "recording.svg").write_text(re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL))


def _draw_page(page: Path, picture: Path) -> None:
    browser = next(
        (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
    )
    if browser is None:
        raise SystemExit("the report's picture needs Chromium, and none is installed")
    size = ",".join(map(str, REPORT_PIXELS))
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--window-size={size}"]
    subprocess.run([browser, *options, f"--screenshot={picture}", page.as_uri()], check=True, capture_output=True)


if __name__ == "__main__":
    sys.exit(main())

"""The report of a check, as Markdown that can be pasted into an issue."""

from __future__ import annotations

import platform
import subprocess
from datetime import UTC, datetime

from e2e.site import Site
from sluice_cli.surroundings import PROJECT_ROOT

EXPECTED_TO_REMAIN = (
    "CloudWatch metrics (they expire after 15 months)",
    "the managed rule StepFunctionsGetEventsForStepFunctionsExecutionRule, which Step Functions shares",
    "the stack aws-sam-cli-managed-default with its bucket, which SAM shares",
)


def markdown(site: Site, remaining: list[str] | None) -> str:
    """The whole report. `remaining`: what is left in the account, None if nothing was to be deleted."""
    environment = "local AWS" if site.local else f"AWS, {site.region}"
    lines = [
        f"## Sluice end to end on {environment}: {'passed' if has_passed(site, remaining) else 'FAILED'}",
        "",
        f"Commit {_commit()}, Python {platform.python_version()}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC.",
        "",
        "| step | outcome | seconds | |",
        "|---|---|---|---|",
    ]
    lines += [f"| {each.name} | {each.outcome} | {each.seconds:.0f} | {_cell(each.detail)} |" for each in site.steps]
    return "\n".join([*lines, "", *_remaining_lines(remaining), ""])


def has_passed(site: Site, remaining: list[str] | None) -> bool:
    """Whether every step passed and nothing is left behind."""
    return all(each.outcome == "passed" for each in site.steps) and not remaining


def _remaining_lines(remaining: list[str] | None) -> list[str]:
    if remaining is None:
        return ["The stack was kept (`--keep`)."]
    left = [f"- {each}" for each in remaining] or ["- nothing under the stack's name"]
    return ["Left behind:", "", *left, *(f"- expected: {each}" for each in EXPECTED_TO_REMAIN)]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _commit() -> str:
    command = ["git", "-C", str(PROJECT_ROOT), "describe", "--always", "--dirty"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"

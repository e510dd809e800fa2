"""`make e2e`: every workflow on small real data, in an AWS account or on local AWS; all of it is deleted again."""

from __future__ import annotations

import os
import re
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

from e2e.deployment import deploy, remaining, remove
from e2e.estimate import estimate_lines
from e2e.exports import check_exports
from e2e.keys import check_distinct_keys
from e2e.loads import check_csv_load, check_csv_load_direct
from e2e.processors import create_processors
from e2e.report import has_passed, markdown
from e2e.rows import check_athena_map, check_object_aggregate, check_object_map
from e2e.site import Site, say
from e2e.transforms import check_table_transform
from sluice_cli import local
from sluice_cli.surroundings import PROJECT_ROOT, Surroundings

CHECKS: tuple[tuple[str, Callable[[Site], str]], ...] = (
    ("csv_load", check_csv_load),
    ("csv_load_direct", check_csv_load_direct),
    ("distinct_keys", check_distinct_keys),
    ("athena_map", check_athena_map),
    ("object_map", check_object_map),
    ("object_aggregate", check_object_aggregate),
    ("table_transform, stopped and resumed", check_table_transform),
    ("table_export and export_process", check_exports),
)
STACK_NAME = re.compile(r"[a-z][a-z0-9-]{0,19}")
DEFAULT_REPORT = Path(".sluice") / "e2e.md"


def main() -> int:
    """Check, and return 0 if everything passed and nothing is left behind."""
    options = _parser().parse_args()
    if not STACK_NAME.fullmatch(options.stack):
        say(f"--stack {options.stack}: expected up to 20 lower-case letters, digits and hyphens, a letter first")
        return 2
    if not options.local and not options.region:
        say("--region: is required, except with --local")
        return 2
    if not options.local and not _is_confirmed(options):
        return 2
    with _site(options) as site:
        left = check(site, keep=options.keep)
        report = markdown(site, left)
    options.report.parent.mkdir(exist_ok=True)
    options.report.write_text(report)
    print(report)  # noqa: T201
    say(f"wrote {options.report}")
    return 0 if has_passed(site, left) else 1


def check(site: Site, *, keep: bool) -> list[str] | None:
    """Deploy, run every check, delete everything; returns what is left, None when all is kept."""
    try:
        with site.step("deploy") as step:
            deploy(site)
        if step.outcome == "passed":
            with site.step("create a processor function and state machine"):
                create_processors(site)
            for name, run_check in CHECKS:
                with site.step(name) as step:
                    step.detail = run_check(site)
    finally:
        if not keep:
            remove(site)
    return None if keep else remaining(site)


@contextmanager
def _site(options: Namespace) -> Iterator[Site]:
    name = f"{options.stack}-{token_hex(3)}"
    if not options.local:
        os.environ["AWS_REGION"] = os.environ["AWS_DEFAULT_REGION"] = options.region
        yield Site(name, options.region, Surroundings())
        return
    aws, is_ours = local.up(PROJECT_ROOT, outlive_caller=False, fault_injection=True)
    try:
        yield Site(name, aws.region, Surroundings(), aws)
    finally:
        if is_ours:
            local.end(PROJECT_ROOT, aws)


def _is_confirmed(options: Namespace) -> bool:
    say(f"this deploys a stack to AWS in {options.region}, runs every workflow, and deletes everything again:")
    say("\n".join(estimate_lines()))
    if options.yes:
        return True
    say("continue? [y/N]")
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="make e2e", description=__doc__)
    parser.add_argument("--stack", required=True, help="what the stack's name begins with; a random part follows")
    parser.add_argument("--region", help="the Region to deploy to")
    parser.add_argument("--local", action="store_true", help="run on local AWS instead: no account, no cost")
    parser.add_argument("--yes", action="store_true", help="do not ask before spending money")
    parser.add_argument("--keep", action="store_true", help="delete nothing, to look at what is there")
    parser.add_argument("--report", type=Path, default=DEFAULT_REPORT, help="where the report is written")
    return parser


if __name__ == "__main__":
    sys.exit(main())

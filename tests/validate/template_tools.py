"""The template through sam validate --lint, cfn-lint and checkov."""

import json
import os
import subprocess
import sys
from collections.abc import Container
from pathlib import Path
from typing import Any

from tests.statemachine.definitions import ROOT
from tests.validate.findings import Finding

BIN = Path(sys.executable).parent
# sam looks for it beside the template, which may be a copy elsewhere.
SAM_CONFIG = ROOT / "samconfig.toml"
# checkov ends with 1 when it finds something, cfn-lint with a sum of 2, 4 and 8.
CHECKOV_CODES = (0, 1)
CFN_LINT_CODES = range(16)


def template_findings(template: Path, checkov: Path) -> list[Finding]:
    """What the tools say about the template."""
    return [*_sam(template), *_cfn_lint(template), *_checkov(template, checkov)]


def _sam(template: Path) -> list[Finding]:
    # Without a region sam asks the network for one; credentials are not used.
    environment = {
        **os.environ,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
    }
    command: list[Any] = [BIN / "sam", "validate", "--lint", "--template", template, "--config-file", SAM_CONFIG]
    run = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if run.returncode == 0:
        return []
    message = [each for each in (run.stdout + run.stderr).splitlines() if each.strip()]
    return [Finding("sam validate", template.name, 1, "-", " ".join(message))]


def _cfn_lint(template: Path) -> list[Finding]:
    command = [BIN / "cfn-lint", "--format", "json", template]
    run = _run(command, CFN_LINT_CODES)
    return [
        Finding(
            "cfn-lint",
            template.name,
            each["Location"]["Start"]["LineNumber"],
            "/".join(map(str, each["Location"]["Path"] or ["-"])),
            f"{each['Rule']['Id']} {each['Message']}",
        )
        for each in json.loads(run or "[]")
    ]


def _checkov(template: Path, checkov: Path) -> list[Finding]:
    command = [checkov, "--file", template, "--framework", "cloudformation", "--skip-download", "--output", "json"]
    report = json.loads(_run(command, CHECKOV_CODES))
    if report["summary"]["parsing_errors"] or not report["summary"]["resource_count"]:
        raise RuntimeError(f"checkov could not read {template}")
    return [
        Finding(
            "checkov",
            template.name,
            each["file_line_range"][0],
            each["resource"].rpartition(".")[2],
            f"{each['check_id']} {each['check_name']}",
        )
        for each in report["results"]["failed_checks"]
    ]


def _run(command: list[Any], codes: Container[int]) -> str:
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode not in codes:
        raise RuntimeError(f"{command[0]} ended with {run.returncode}: {run.stderr}")
    return run.stdout

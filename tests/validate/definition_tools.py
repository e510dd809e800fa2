"""State machine definitions through the npm validators, which definitions.cjs runs."""

import json
import subprocess
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from tests.validate.filled import Definition
from tests.validate.findings import Finding

SCRIPT = Path(__file__).with_name("definitions.cjs")


def definition_findings(definitions: Iterable[Definition], packages: Path) -> list[Finding]:
    """What the validators say about the definitions; packages is the directory that npm installed them in."""
    given = json.dumps([asdict(each) for each in definitions])
    run = subprocess.run(["node", SCRIPT, packages], input=given, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise RuntimeError(f"definitions.cjs ended with {run.returncode}: {run.stderr}")
    return [
        Finding(each["tool"], each["file"], each["line"], each["state"] or "-", each["message"])
        for each in json.loads(run.stdout)
    ]

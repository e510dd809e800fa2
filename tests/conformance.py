"""Compares local AWS with expectations recorded on real AWS: python tests/conformance.py RUNNER.

RUNNER is a script that runs recorded Step Functions cases against an endpoint and writes its results as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from local_aws.lifecycle import client_environment, running

LEAST_PASSED = 145


def main(runner: str) -> int:
    """Run all cases; 0 when every Map case passes and enough of the others do."""
    with tempfile.TemporaryDirectory() as folder, running() as local:
        report = Path(folder, "report.json")
        command = [
            sys.executable,
            runner,
            "--with-lambda",
            "--endpoint",
            local.endpoint_url,
            "--json",
            str(report),
            "--access-key",
            local.credentials.access_key_id,
            "--secret-key",
            local.credentials.secret_access_key,
        ]
        with Path(folder, "output").open("w") as output:
            subprocess.run(command, check=False, stdout=output, env=client_environment(local))
        cases = json.loads(report.read_text())["cases"]
    passed = {each["name"] for each in cases if each["result"] == "pass"}
    maps = {each["name"] for each in cases if each["name"].startswith("map-")}
    missing = sorted(maps - passed)
    print(f"recorded on AWS: {len(passed)} of {len(cases)} cases alike, {len(maps & passed)} of {len(maps)} about Map")
    for name in missing:
        print(f"differs: {name}")
    return 1 if missing or len(passed) < LEAST_PASSED else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

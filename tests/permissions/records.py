"""What the roles of the deployed stack did in the tests: local AWS's own records, one file per process of the tests.

A record is that of `local_aws.permission_records` with the test it is from; its role is the one in template.yaml.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from sluice_cli.sandbox import Sandbox

# The environment variable that names the directory where tests leave their records. Without it they leave none.
DIRECTORY = "PERMISSION_RECORDS"
ALLOW = "Allow"


@dataclass(frozen=True)
class Record:
    """A decision about a role. `statements`: the Sids of those that allow or deny it; `is_planned`: by the test."""

    role: str
    action: str
    resource: str
    decision: str
    statements: tuple[str, ...]
    test: str
    is_planned: bool = False

    @property
    def is_denial(self) -> bool:
        """Whether the role was denied the action."""
        return self.decision != ALLOW

    def __str__(self) -> str:
        return f"{self.role}: {self.action} on {self.resource} ({self.decision}) in {self.test}"


class Recorder:
    """Follows the records of a sandbox, test by test."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._roles: dict[str, str] = {}
        self._read = 0

    def new_records(self, test: str, *, plans_denials: bool) -> list[Record]:
        """What the stack's roles did since the last call. Roles that tests made themselves are left out."""
        lines = self._new_lines()
        if any(each["role"] not in self._roles for each in lines):
            self._roles |= self._logical_ids()
        return [
            Record(
                self._roles[each["role"]],
                each["action"],
                each["resource"],
                each["decision"],
                tuple(sorted({statement["sid"] for statement in each["statements"]})),
                test,
                plans_denials,
            )
            for each in lines
            if each["role"] in self._roles
        ]

    def _new_lines(self) -> list[dict[str, Any]]:
        path = self._sandbox.aws.permission_records
        if not path.exists():
            return []
        with path.open("rb") as file:
            file.seek(self._read)
            # The last line may be half written, while other threads make calls: it is read the next time.
            whole, newline, _ = file.read().rpartition(b"\n")
        self._read += len(whole) + len(newline)
        return [json.loads(line) for line in whole.splitlines()]

    def _logical_ids(self) -> dict[str, str]:
        try:
            resources = self._sandbox.client("cloudformation").describe_stack_resources(StackName="sluice")
        except ClientError:
            return {}
        return {
            each["PhysicalResourceId"]: each["LogicalResourceId"]
            for each in resources["StackResources"]
            if each["ResourceType"] == "AWS::IAM::Role"
        }


def keep(records: list[Record]) -> None:
    """Add the records to the directory that the environment names, if it does."""
    directory = os.environ.get(DIRECTORY)
    if directory and records:
        path = Path(directory)
        path.mkdir(parents=True, exist_ok=True)
        with (path / f"{os.getpid()}.jsonl").open("a") as file:
            file.writelines(f"{json.dumps(vars(each))}\n" for each in records)


def kept(directory: Path) -> list[Record]:
    """The records of all processes of the tests."""
    lines = (line for path in sorted(directory.glob("*.jsonl")) for line in path.read_text().splitlines())
    return [Record(**{**each, "statements": tuple(each["statements"])}) for each in map(json.loads, lines)]

"""The file `.sluice/local.json`: which local AWS a project started last, and with which options."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local_aws.access.credentials import write_privately
from local_aws.access.origins import LOOPBACK
from local_aws.lifecycle import LocalAws

STATE_DIRECTORY = ".sluice"
STATE_FILE = "local.json"
# The options of `sluice local up` by their key in the file, each with the value that it has when it is omitted.
OPTIONS: Mapping[str, tuple[str, Any]] = {
    "port": ("--port", None),
    "bind": ("--bind", LOOPBACK),
    "lambdaConcurrency": ("--lambda-concurrency", None),
    "data": ("--data", None),
    "faultInjection": ("fault injection", False),
}


@dataclass(frozen=True)
class Started:
    """A local AWS that was started, whether it still runs or not."""

    aws: LocalAws
    options: Mapping[str, Any] = field(default_factory=dict)

    def write(self, root: Path) -> None:
        """Write the file. Only this user can read it."""
        aws = self.aws
        content = {
            "endpointUrl": aws.endpoint_url,
            "port": aws.port,
            "pid": aws.pid,
            "directory": str(aws.directory),
            "region": aws.region,
            "options": dict(self.options),
        }
        write_json(root / STATE_DIRECTORY / STATE_FILE, content)

    def conflicts(self, wanted: Mapping[str, Any]) -> list[str]:
        """How the options differ from wanted ones, such as `with --port 4000, not 5000`. What is not wanted is None."""
        differences = []
        for key, value in wanted.items():
            name, default = OPTIONS[key]
            running = self.options.get(key, default)
            if value is not None and key in self.options and running != value:
                differences.append(f"without {name}" if running == default else f"with {name} {running}, not {value}")
        return differences


def read(root: Path) -> Started | None:
    """What the file says; None if it is missing or damaged."""
    try:
        state = json.loads((root / STATE_DIRECTORY / STATE_FILE).read_text())
        options = dict(state.get("options", {}))
        data = Path(options["data"]) if options.get("data") else None
        directory, region = Path(state["directory"]), state["region"]
        aws = LocalAws(state["endpointUrl"], state["port"], state["pid"], directory, region, data)
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return Started(aws, options)


def write_json(path: Path, content: object) -> None:
    """Write a file that is never seen half written, and only by this user: it may hold credentials."""
    path.parent.mkdir(exist_ok=True)
    half = path.with_suffix(".new")
    write_privately(half, json.dumps(content, indent=2) + "\n")
    half.replace(path)

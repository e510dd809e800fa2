"""What a command touches outside itself, in one value, so that tests pass their own."""

import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from sluice_cli.aws import Aws, Target, connect

DEFAULT_STACK_NAME = "sluice"
PROJECT_ROOT = Path(__file__).resolve().parent.parent
# What the directory of Sluice has, which an installed command is not in.
PROJECT_PARTS = ("template.yaml", "statemachines")
FUNCTIONS, TRANSFORMS = "functions", "transforms"


def project_root(package_root: Path = PROJECT_ROOT, directory: Path | None = None) -> Path:
    """Sluice's directory: the one that the command was installed from, or the nearest one at or above `directory`.

    `directory` is the current one by default, and the result if there is no such directory: runs on AWS need none.
    """
    start = (directory or Path.cwd()).resolve()
    candidates = (package_root, start, *start.parents)
    return next((each for each in candidates if all((each / part).exists() for part in PROJECT_PARTS)), start)


def folder_of_transforms(root: Path) -> Path | None:
    """The folder that has the package `transforms`: functions/ here, this one, or functions/ below `root`."""
    here = Path.cwd()
    folders = (here / FUNCTIONS, here, root / FUNCTIONS)
    return next((each for each in folders if (each / TRANSFORMS).is_dir()), None)


@dataclass(frozen=True)
class Clock:
    """Seconds of a clock that only goes forward, and waiting on it."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class Surroundings:
    """Streams, environment, clock, the project's root and the connection to AWS."""

    root: Path = field(default_factory=project_root)
    stdin: TextIO = field(default_factory=lambda: sys.stdin)
    stdout: TextIO = field(default_factory=lambda: sys.stdout)
    stderr: TextIO = field(default_factory=lambda: sys.stderr)
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    clock: Clock = field(default_factory=Clock)
    connect: Callable[[Target], Aws] = connect
    sam: Path = field(default_factory=lambda: Path(sys.executable).with_name("sam"))

    def print(self, text: str) -> None:
        """A line of data."""
        print(text, file=self.stdout, flush=True)

    def say(self, text: str) -> None:
        """A line for the person at the terminal."""
        print(text, file=self.stderr, flush=True)

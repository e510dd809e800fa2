"""The command line as tests of local AWS use it."""

import json
import time
from pathlib import Path
from typing import Any

from sluice_cli.aws import connect
from tests.unit.cli_aws import Terminal


def new_terminal(root: Path, stdin: Any = None) -> Terminal:
    """A terminal in the project's root; `stdin` is what its commands read there, as JSON."""
    terminal = Terminal(root, connect, stdin=json.dumps(stdin))
    terminal.time.on_sleep = lambda: time.sleep(0.1)
    return terminal

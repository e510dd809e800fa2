"""Shells complete the command line with the script that `sluice completion` prints."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sluice_cli.completion import WORKFLOWS
from sluice_cli.main import main

ROOT = Path(__file__).parents[2]
BASH = """
eval "$(sluice completion bash)"
COMP_LINE=$1 COMP_POINT=${#1} COMP_TYPE=9
_python_argcomplete sluice
printf '%s\\n' "${COMPREPLY[@]}"
"""
FISH = """
sluice completion fish | source
complete --do-complete $argv[1]
"""
# Completes as far as a script can without a terminal: what zsh would list.
ZSH = """
autoload -U compinit && compinit -D -u
eval "$(sluice completion zsh)"
_describe() { print -l -- ${(P)2}; }
BUFFER=$1 CURSOR=${#1} words=(${(z)1})
_python_argcomplete
"""
SHELLS = {"bash": BASH, "zsh": ZSH, "fish": FISH}

CASES = [
    ("sluice ", {"load", "run", "export", "local", "completion", "--version"}, {"--local"}),
    ("sluice ru", {"run", "runs"}, {"resume"}),
    ("sluice run ", set(WORKFLOWS), set()),
    ("sluice runs --workflow csv", {"csv_load", "csv_load_direct"}, {"table_export"}),
    ("sluice run csv_load --", {"--input", "--set", "--name", "--local", "--region"}, {"--create"}),
    ("sluice load a.csv --on-conflict ", {"replace", "keep", "reject"}, set()),
    ("sluice export st", {"status"}, {"pause"}),
    ("sluice transform test airports_", {"airports_geohash"}, {"__init__"}),
    ("sluice run csv_load --input CHANGE", {"CHANGELOG.md"}, set()),
    ("sluice local up --data statem", {"statemachines/"}, set()),
    ("sluice watch CHANGE", set(), {"CHANGELOG.md"}),
]


def completions(shell: str, line: str) -> set[str]:
    """The words that the shell offers for the line."""
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    arguments = [line] if shell == "fish" else ["_", line]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        [program, "-c", SHELLS[shell], *arguments],
        cwd=ROOT,
        env={"PATH": path, "HOME": os.environ.get("HOME", "/")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    # Behind a tab or a colon there is the help.
    return {word.replace("\t", ":").partition(":")[0].strip() for word in done.stdout.splitlines()}


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(("line", "offered", "missing"), CASES, ids=[line for line, *_ in CASES])
def test_shell_offers_the_words_that_fit(shell: str, line: str, offered: set[str], missing: set[str]) -> None:
    words = completions(shell, line)

    assert offered <= words
    assert not missing & words


def test_workflows_are_those_of_the_template() -> None:
    assert set(WORKFLOWS) == {path.name.removesuffix(".asl.json") for path in (ROOT / "statemachines").glob("*.json")}


@pytest.mark.parametrize("shell", SHELLS)
def test_script_is_data_on_stdout(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    captured = capsys.readouterr()

    assert "sluice" in captured.out
    assert captured.err == ""

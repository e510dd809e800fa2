"""`sluice local up` and `down` as users run them: at once, after a kill, with a data directory and without."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sluice_cli import local
from sluice_cli.exit_code import ExitCode
from tests.local.commands import new_terminal
from tests.saved_snapshots import kill

REPOSITORY = Path(__file__).parents[2]
DEADLINE_SECONDS = 120
UP = (
    "import sys\nfrom pathlib import Path\nfrom sluice_cli.main import main\n"
    "from sluice_cli.surroundings import Surroundings\n"
    "sys.exit(main(['local', 'up', '--detach', *sys.argv[2:]], Surroundings(root=Path(sys.argv[1]))))"
)


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    project = tmp_path / "project"
    project.mkdir()
    yield project
    local.down(project)


def sluice(root: Path, *arguments: str) -> tuple[int, str]:
    """A command's exit code, and what it said."""
    terminal = new_terminal(root)
    return terminal.sluice(*arguments), terminal.stderr.getvalue()


def begin_up(root: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", UP, str(root)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_commands_at_once_share_one_server(root: Path) -> None:
    commands = [begin_up(root) for _ in range(3)]
    ended = [each.communicate(timeout=DEADLINE_SECONDS) for each in commands]

    assert [each.returncode for each in commands] == [ExitCode.SUCCEEDED] * 3
    assert len({printed for printed, _ in ended}) == 1
    said = sorted(line for _, text in ended for line in text.splitlines())
    url = local.require(root).endpoint_url
    already = f"local AWS is already running at {url}"
    assert said == [already, already, f"local AWS is ready at {url}"]


def test_up_after_a_kill_starts_another_and_removes_what_was_left(root: Path) -> None:
    sluice(root, "local", "up", "--detach")
    killed = local.require(root)
    kill(killed)
    assert killed.directory.exists()

    code, said = sluice(root, "local", "up", "--detach")

    assert code == ExitCode.SUCCEEDED
    assert f"local AWS is ready at {local.require(root).endpoint_url}" in said
    assert not killed.directory.exists()


def test_down_after_a_kill_leaves_nothing(root: Path) -> None:
    sluice(root, "local", "up", "--detach")
    killed = local.require(root)
    kill(killed)

    code, said = sluice(root, "local", "down")

    assert (code, said) == (
        ExitCode.SUCCEEDED,
        "local AWS had ended without cleaning up; removed what it left behind\n",
    )
    assert not killed.directory.exists()
    assert [each.name for each in (root / ".sluice").iterdir()] == ["lock"]


def test_nothing_is_left_behind_without_a_data_directory(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    sluice(root, "local", "up", "--detach")
    assert len(list(temporary.iterdir())) == 1

    sluice(root, "local", "down")

    assert list(temporary.iterdir()) == []
    assert [each.name for each in (root / ".sluice").iterdir()] == ["lock"]


def test_data_directory_is_mentioned(root: Path, tmp_path: Path) -> None:
    data = tmp_path / "kept"
    _, said = sluice(root, "local", "up", "--detach", "--data", str(data))
    assert f"it keeps its state in {data}" in said
    assert sluice(root, "local", "down") == (ExitCode.SUCCEEDED, "stopped local AWS\n")

    _, said = sluice(root, "local", "up", "--detach", "--data", str(data))
    assert "it has loaded the state of 20" in said
    assert "ended without saving" not in said
    kill(local.require(root))

    _, said = sluice(root, "local", "up", "--detach", "--data", str(data))
    assert f"from {data}; the last local AWS ended without saving, and what changed after that time is lost" in said
    _, said = sluice(root, "local", "status")
    assert f"it keeps its state in {data}, last saved at 20" in said


def test_data_directory_of_another_project_is_refused(root: Path, tmp_path: Path) -> None:
    data, other = tmp_path / "kept", tmp_path / "other"
    other.mkdir()
    sluice(root, "local", "up", "--detach", "--data", str(data))
    running = local.require(root)

    code, said = sluice(other, "local", "up", "--detach", "--data", str(data))

    assert code == ExitCode.FAILED
    assert said == (
        f"sluice: {data} is in use by another local AWS at {running.endpoint_url}, process {running.pid}; "
        "stop that one first, or name another directory\n"
    )


def test_full_temporary_directory_is_named(root: Path, tmp_path: Path) -> None:
    limited = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n" + UP
    full = tmp_path / "full"
    full.mkdir()
    command = [sys.executable, "-c", limited, str(root)]
    # With the limit, Python would leave cut bytecode files behind.
    environment = {"TMPDIR": str(full), "PYTHONDONTWRITEBYTECODE": "1"}

    ended = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)

    assert ended.returncode == ExitCode.FAILED
    assert ended.stderr == (
        f"sluice: cannot write to {full}: File too large; free some space there, or set TMPDIR to another directory\n"
    )
    assert list(full.iterdir()) == []


def test_missing_temporary_directory_is_named(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = tmp_path / "missing"
    monkeypatch.setenv("TMPDIR", str(missing))
    monkeypatch.setattr(tempfile, "tempdir", None)

    code, said = sluice(root, "local", "up", "--detach")

    assert code == ExitCode.FAILED
    assert said.startswith(f"sluice: cannot write to {missing}: No such file or directory; free some space there, or")

"""`sam build` for local AWS, made once for the same files."""

import fcntl
import hashlib
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from sluice_cli.deploy import build_command, host_parameters, run_tool

# As samconfig.toml has it. `sam build` empties the directory first, and the record in it with it.
BUILD_DIRECTORY = Path(".aws-sam", "local")
RECORD = ".built-from"
# State machines are left out: the built template names them where they are.
BUILT_FILES = ("template.yaml", "samconfig.toml")
BUILT_FOLDER = "functions"


def build(sam: Path, root: Path, environment: Mapping[str, str], show: Callable[[str], None]) -> bool:
    """Build the functions unless that was done for the same files; whether it was necessary. Raises CommandError."""
    with _taking_turns(root):
        source = digest(root)
        if _is_built_from(root, source):
            return False
        run_tool(build_command(sam, root), root, environment, show)
        if source == digest(root):
            _record(root, source)
    return True


def copy_build(origin: Path, root: Path) -> None:
    """Give `root`, a copy of the project, the build of the original where that was made of the same files."""
    with _taking_turns(origin):
        if _is_built_from(origin, digest(root)):
            shutil.copytree(origin / BUILD_DIRECTORY, root / BUILD_DIRECTORY, dirs_exist_ok=True)


def digest(root: Path) -> str:
    """A hash of all that the build is made of: files, SAM, and the Python that it is for."""
    found = hashlib.sha256(repr((sys.version, version("aws-sam-cli"), host_parameters())).encode())
    for path in [*(root / name for name in BUILT_FILES), *sorted((root / BUILT_FOLDER).rglob("*"))]:
        if path.is_file() and "__pycache__" not in path.parts:
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            found.update(f"{path.relative_to(root)}\0{path.stat().st_mode:o}\0{content}\n".encode())
    return found.hexdigest()


def _is_built_from(root: Path, source: str) -> bool:
    try:
        return (root / BUILD_DIRECTORY / RECORD).read_text() == source
    except FileNotFoundError:
        return False


def _record(root: Path, source: str) -> None:
    if (root / BUILD_DIRECTORY).is_dir():
        (root / BUILD_DIRECTORY / RECORD).write_text(source)


@contextmanager
def _taking_turns(root: Path) -> Iterator[None]:
    """Two builds at once would empty each other's directory."""
    folder = root / BUILD_DIRECTORY.parent
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield

"""The build for local AWS: made by `sam build`, reused for the same files, and updated in place for Python files."""

import fcntl
import hashlib
import json
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from enum import Enum
from importlib.metadata import version
from pathlib import Path

from sluice_cli.deploy import build_command, host_parameters, run_tool
from sluice_cli.exit_code import CommandError

# As samconfig.toml has it. `sam build` empties the directory first, and the record in it with it.
BUILD_DIRECTORY = Path(".aws-sam", "local")
BUILT_TEMPLATE = BUILD_DIRECTORY / "template.yaml"
RECORD = ".built-from"
# State machines are left out: the built template names them where they are.
BUILT_FILES = ("template.yaml", "samconfig.toml")
BUILT_FOLDER = "functions"


class Outcome(Enum):
    """What a build came down to, in words for the terminal."""

    REUSED = "nothing that is built has changed: using the last build"
    COPIED = "only Python files changed: copied them into the last build"
    BUILT = "built by SAM"


@dataclass(frozen=True)
class Source:
    """Hashes of what a build is made of. `modules` has those of the Python files by their path in `functions/`."""

    basis: str
    modules: Mapping[str, str]


def build(sam: Path, root: Path, environment: Mapping[str, str], show: Callable[[str], None]) -> Outcome:
    """Bring the build up to date with the files. Raises CommandError when SAM fails, or there are no files."""
    if not (root / "template.yaml").is_file():
        raise CommandError(f"there is no template.yaml in {root}; run the command in Sluice's directory")
    with _taking_turns(root):
        source, built = read_source(root), _built_from(root)
        if source == built:
            return Outcome.REUSED
        folders = _updatable_folders(root, built, source) if built else []
        if built and folders:
            outcome = Outcome.COPIED
            _copy_changes(root, folders, built, source)
        else:
            outcome = Outcome.BUILT
            run_tool(build_command(sam, root), root, environment, show)
        if source == read_source(root):
            _record(root, source)
    return outcome


def copy_build(origin: Path, root: Path) -> None:
    """Give `root`, a copy of the project, the build of the original if that was made of the same files."""
    with _taking_turns(origin):
        if _built_from(origin) == read_source(root):
            shutil.copytree(origin / BUILD_DIRECTORY, root / BUILD_DIRECTORY, dirs_exist_ok=True)


def read_source(root: Path) -> Source:
    """Hash all that the build is made of: files, SAM, and the Python that it is for."""
    basis = hashlib.sha256(repr((sys.version, version("aws-sam-cli"), host_parameters())).encode())
    modules = {}
    for path in [*(root / name for name in BUILT_FILES), *sorted((root / BUILT_FOLDER).rglob("*"))]:
        if not path.is_file() or "__pycache__" in path.parts:
            continue
        content = f"{path.stat().st_mode:o} {hashlib.sha256(path.read_bytes()).hexdigest()}"
        if path.suffix == ".py":
            modules[path.relative_to(root / BUILT_FOLDER).as_posix()] = content
        else:
            basis.update(f"{path.relative_to(root)}\0{content}\n".encode())
    return Source(basis.hexdigest(), modules)


def _updatable_folders(root: Path, built: Source, source: Source) -> list[Path]:
    """The built folders that a copy of the changed files brings up to date.

    SAM copies `functions/` over the dependencies, so copying changed and new modules does the same. A removed module
    may have covered a file of a dependency: SAM builds again. Folders made of something else lack the modules.
    """
    if built.basis != source.basis or not set(built.modules) <= set(source.modules):
        return []
    folders = [each for each in (root / BUILD_DIRECTORY).iterdir() if each.is_dir()]
    return [each for each in folders if all((each / name).is_file() for name in built.modules)]


def _copy_changes(root: Path, folders: list[Path], built: Source, source: Source) -> None:
    """Copy new and changed modules. Without its record a half updated build is not used."""
    (root / BUILD_DIRECTORY / RECORD).unlink()
    for name in (name for name, content in source.modules.items() if built.modules.get(name) != content):
        for folder in folders:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / BUILT_FOLDER / name, folder / name)


def _built_from(root: Path) -> Source | None:
    try:
        return Source(**json.loads((root / BUILD_DIRECTORY / RECORD).read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _record(root: Path, source: Source) -> None:
    if (root / BUILD_DIRECTORY).is_dir():
        (root / BUILD_DIRECTORY / RECORD).write_text(json.dumps(asdict(source)))


@contextmanager
def _taking_turns(root: Path) -> Iterator[None]:
    """Two builds at once would empty each other's directory."""
    folder = root / BUILD_DIRECTORY.parent
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield

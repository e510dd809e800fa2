"""The data directory as whoever starts a server sees it: whether it may be used, and what it holds.

local-aws.json   the format of the directory
lock             held by the server that uses it, and says which one that is
state            the last complete snapshot: a line of JSON about it, then the state
bodies/          what is large: contents of objects and packages of functions, named by their hash
save-failed      why the last attempt to save failed
"""

import contextlib
import fcntl
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from local_aws import run_directory
from local_aws.errors import DataDirectoryError

# Raise it whenever a snapshot is written otherwise than before.
FORMAT = 1
FORMAT_FILE = "local-aws.json"
LOCK_FILE = "lock"
STATE_FILE = "state"
BODIES = "bodies"
FAILURE_FILE = "save-failed"
# The suffix of files that are being written.
HALF = ".new"
# A server that was killed may leave a process that is about to notice it.
LOCK_SECONDS = 10.0


@dataclass(frozen=True)
class Snapshot:
    """What the first line of a snapshot says.

    `is_final`: it was written when the server ended, so nothing is lost. `server`: the name of that one's directory.
    """

    saved_at: str
    is_final: bool
    server: str
    port: int

    def is_end_of(self, server: Path) -> bool:
        """Whether this server, named by its directory, wrote it when it ended."""
        return self.is_final and self.server == server.name

    def line(self) -> bytes:
        """The line itself."""
        return json.dumps(asdict(self)).encode() + b"\n"


@dataclass(frozen=True)
class DataDirectory:
    """A directory that keeps the state of one local AWS."""

    path: Path

    @property
    def state(self) -> Path:
        return self.path / STATE_FILE

    @property
    def bodies(self) -> Path:
        return self.path / BODIES

    def snapshot(self) -> Snapshot | None:
        """What is known of the last snapshot, None in a new directory. Raises DataDirectoryError."""
        try:
            with self.state.open("rb") as file:
                return Snapshot(**json.loads(file.readline()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            raise DataDirectoryError(f"{self.state} is damaged: {error}") from error

    def failure(self) -> str | None:
        """Why the last attempt to save failed; None when it succeeded."""
        try:
            return (self.path / FAILURE_FILE).read_text()
        except OSError:
            return None

    def note_failure(self, reason: str | None) -> None:
        """Leave word for `failure`, if there is room for it."""
        with contextlib.suppress(OSError):
            if reason is None:
                (self.path / FAILURE_FILE).unlink(missing_ok=True)
            else:
                (self.path / FAILURE_FILE).write_text(reason)

    def acquire(self) -> BinaryIO:
        """Take the directory for one server, and make it if it is missing: the lock. Raises DataDirectoryError."""
        try:
            self._prepare()
            lock = (self.path / LOCK_FILE).open("a+b")
        except OSError as error:
            raise DataDirectoryError(f"cannot use {self.path} as data directory: {error.strerror}") from error
        try:
            self._lock(lock)
            self._check_format()
            self.snapshot()
            self._remove_halves()
        except BaseException:
            lock.close()
            raise
        return lock

    def sign(self, lock: BinaryIO, endpoint_url: str, pid: int, server: Path) -> None:
        """Say in the lock file whose it is, and whether the last one ended without saving. `server`: its directory."""
        last, snapshot = _holder(lock), self.snapshot()
        is_saved = snapshot is not None and snapshot.is_end_of(Path(last.get("directory", "")))
        whose = {
            "endpointUrl": endpoint_url,
            "pid": pid,
            "directory": str(server),
            "isAfterLoss": bool(last) and not is_saved,
        }
        lock.truncate(0)
        lock.write(json.dumps(whose).encode())
        lock.flush()

    def is_after_loss(self) -> bool:
        """Whether the last local AWS before this one ended without saving, because it was killed or had no room."""
        with (self.path / LOCK_FILE).open("rb") as lock:
            return bool(_holder(lock).get("isAfterLoss"))

    def _prepare(self) -> None:
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (self.path / FORMAT_FILE).exists():
            if any(each.name != LOCK_FILE for each in self.path.iterdir()):
                raise DataDirectoryError(
                    f"{self.path} is not empty and was not made by local AWS: name another directory"
                )
            _write_whole(self.path / FORMAT_FILE, json.dumps(_format()))

    def _remove_halves(self) -> None:
        """What a server that was killed has not completed."""
        for half in [*self.path.glob(f"*{HALF}"), *self.bodies.glob(f"*{HALF}")]:
            with contextlib.suppress(OSError):
                half.unlink()

    def _lock(self, lock: BinaryIO) -> None:
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = _holder(lock)
                if _is_alive(holder) or time.monotonic() > deadline:
                    raise self._taken(holder) from None
                time.sleep(0.05)
            else:
                return

    def _taken(self, holder: dict[str, Any]) -> DataDirectoryError:
        whose = f" at {holder['endpointUrl']}, process {holder['pid']}" if "pid" in holder else ""
        return DataDirectoryError(
            f"{self.path} is in use by another local AWS{whose}; stop that one first, or name another directory"
        )

    def _check_format(self) -> None:
        try:
            found = json.loads((self.path / FORMAT_FILE).read_text())
        except (OSError, ValueError) as error:
            raise DataDirectoryError(f"{self.path / FORMAT_FILE} is damaged: {error}") from error
        if found != _format():
            raise DataDirectoryError(
                f"{self.path} has the format {_described(found)}, but this version of Sluice reads "
                f"{_described(_format())}; use the version that wrote it, or name another directory"
            )


def _holder(lock: BinaryIO) -> dict[str, Any]:
    lock.seek(0)
    try:
        return dict(json.loads(lock.read()))
    except ValueError:
        return {}


def _is_alive(holder: dict[str, Any]) -> bool:
    return "directory" in holder and run_directory.is_held(Path(holder["directory"]))


def _format() -> dict[str, Any]:
    from local_aws.replacements import WRITTEN_FOR

    return {"format": FORMAT, "ministack": WRITTEN_FOR}


def _described(found: Any) -> str:
    known = found if isinstance(found, dict) else {}
    return f"{known.get('format', 'unknown')} of ministack {known.get('ministack', 'unknown')}"


def _write_whole(path: Path, text: str) -> None:
    half = path.with_suffix(HALF)
    half.write_text(text)
    half.replace(path)

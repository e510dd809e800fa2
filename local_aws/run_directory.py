"""The directory of one start: its log, its credentials and its temporary files. It ends with the server.

The server holds a lock in it for as long as it lives. A directory whose lock is free belongs to a server that was
killed, and may be removed.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from local_aws.errors import TemporaryDirectoryError

PREFIX = "local-aws-"
LOCK_FILE = "lock"
TEMPORARY_FILES = "tmp"
# For the log and the credentials.
ROOM_BYTES = 64 * 1024
DEFAULT_PARENT = "/tmp"  # noqa: S108  (directories in it are made by mkdtemp, for this user only)


def create(port: int) -> tuple[Path, BinaryIO]:
    """A new directory and its lock, which is held. Raises TemporaryDirectoryError.

    tempfile would go to another place, in the end the current directory, if this one is full.
    """
    parent = Path(os.environ.get("TMPDIR") or DEFAULT_PARENT)
    try:
        directory = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{port}-", dir=parent))
        with _removed_on_error(directory):
            lock = (directory / LOCK_FILE).open("wb")
            fcntl.flock(lock, fcntl.LOCK_EX)
            (directory / TEMPORARY_FILES).mkdir()
            _check_room(directory / TEMPORARY_FILES)
    except OSError as error:
        message = (
            f"cannot write to {parent}: {error.strerror}; free some space there, or set TMPDIR to another directory"
        )
        raise TemporaryDirectoryError(message) from error
    return directory, lock


def _check_room(directory: Path) -> None:
    file = directory / "room"
    file.write_bytes(bytes(ROOM_BYTES))
    file.unlink()


@contextlib.contextmanager
def _removed_on_error(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError:
        shutil.rmtree(directory, ignore_errors=True)
        raise


def is_held(directory: Path) -> bool:
    """Whether the directory's server is alive. No other process, with the same process ID or not, holds this lock."""
    try:
        with (directory / LOCK_FILE).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except BlockingIOError:
        return True
    return False


def remove_abandoned() -> list[Path]:
    """Remove what this user's killed servers left in the directory for temporary files; returns what it removed."""
    parent = Path(os.environ.get("TMPDIR") or DEFAULT_PARENT)
    return [directory for directory in sorted(parent.glob(f"{PREFIX}*")) if remove_if_abandoned(directory)]


def remove_if_abandoned(directory: Path) -> bool:
    """Remove a killed server's directory; whether there was one. Without a lock file it is none of ours."""
    try:
        is_ours = directory.stat().st_uid == os.getuid() and (directory / LOCK_FILE).is_file()
    except OSError:
        return False
    if not is_ours or is_held(directory):
        return False
    shutil.rmtree(directory, ignore_errors=True)
    return True

"""Deployment packages and layers, unpacked once for all workers that use them."""

import functools
import hashlib
import io
import tempfile
import threading
import zipfile
from pathlib import Path

_lock = threading.Lock()


def unpacked(package: bytes) -> Path:
    """The directory of a package's files; workers share it and must not write there, as on Lambda."""
    directory = Path(tempfile.gettempdir()) / "lambda-packages" / hashlib.sha256(package).hexdigest()[:32]
    with _lock:
        if not directory.exists():
            partial = directory.with_suffix(".partial")
            with zipfile.ZipFile(io.BytesIO(package)) as archive:
                archive.extractall(partial)
                _restore_modes(archive, partial)
            partial.rename(directory)
    return directory


def _restore_modes(archive: zipfile.ZipFile, directory: Path) -> None:
    """Executables stay executable."""
    for entry in archive.infolist():
        mode = entry.external_attr >> 16 & 0o777
        if mode and not entry.is_dir():
            (directory / entry.filename).chmod(mode)


@functools.lru_cache(maxsize=256)
def top_level_names(directories: tuple[str, ...]) -> frozenset[str]:
    """The names of the modules and packages that these directories hold. Their files do not change."""
    entries = (entry for directory in directories if Path(directory).is_dir() for entry in Path(directory).iterdir())
    return frozenset(entry.name.partition(".")[0] for entry in entries)

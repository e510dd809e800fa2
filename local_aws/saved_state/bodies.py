"""Contents of objects and packages of functions: each in a file named by its hash, so that it is written once."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from local_aws.s3_objects import StoredFile
from local_aws.saved_state.directory import HALF

INLINE_BYTES = 4096
DIGEST_BYTES = 20
READ_BYTES = 1 << 20


@dataclass(frozen=True)
class BodyReference:
    """Stands for a body in a snapshot. `is_file`: the server reads it from disk, and does not hold it in memory."""

    digest: str
    is_file: bool


class SavedBodies:
    """Writes bodies and remembers which of them the snapshot needs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._needed: set[str] = set()
        self._written: list[Path] = []
        folder.mkdir(exist_ok=True)

    def reference(self, body: Any) -> Any:
        """What a snapshot holds instead of a large body; anything else is returned as it is."""
        if isinstance(body, StoredFile):
            with body.open() as file:
                digest = _hash(iter(lambda: file.read(READ_BYTES), b""))
            return self._keep(digest, body)
        if isinstance(body, bytes | bytearray) and len(body) > INLINE_BYTES:
            return self._keep(_hash(iter([body])), body)
        return body

    def _keep(self, digest: str, body: Any) -> BodyReference:
        path = self._folder / digest
        if digest not in self._needed and not path.exists():
            half = path.with_suffix(HALF)
            self._written += [half, path]
            if isinstance(body, StoredFile):
                with body.open() as source, half.open("wb") as target:
                    shutil.copyfileobj(source, target, READ_BYTES)
            else:
                half.write_bytes(body)
            half.replace(path)
        self._needed.add(digest)
        return BodyReference(digest, isinstance(body, StoredFile))

    def give_up(self) -> None:
        """Remove what was written, as the snapshot will not be complete."""
        for path in self._written:
            path.unlink(missing_ok=True)

    def remove_others(self) -> None:
        """Remove what the snapshot does not need. Call it once the snapshot is complete."""
        for entry in list(os.scandir(self._folder)):
            if entry.name not in self._needed:
                Path(entry.path).unlink()


class LoadedBodies:
    """Reads bodies back, each once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loaded: dict[BodyReference, Any] = {}

    def body(self, saved: Any) -> Any:
        """What `SavedBodies.reference` was called with. Raises OSError if it is missing."""
        if not isinstance(saved, BodyReference):
            return saved
        if saved not in self._loaded:
            path = self._folder / saved.digest
            self._loaded[saved] = StoredFile(_own_copy(path)) if saved.is_file else path.read_bytes()
        return self._loaded[saved]


def _own_copy(path: Path) -> Path:
    """A stored file is removed with its object, so it must not be the snapshot's."""
    folder = Path(tempfile.mkdtemp(prefix="body-"))
    try:
        os.link(path, folder / path.name)
    except OSError:
        shutil.copyfile(path, folder / path.name)
    return folder / path.name


def _hash(parts: Iterator[bytes | bytearray]) -> str:
    found = blake2b(digest_size=DIGEST_BYTES)
    for part in parts:
        found.update(part)
    return found.hexdigest()

"""Writing a snapshot of the account, and reading it back.

A snapshot is a line of JSON and a stream of pickles: records of (section, kind, content) with `END` behind them. It is
written beside the last one and then takes its place, so that it is complete or not there at all.
"""

import contextlib
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import BinaryIO

from local_aws.errors import DataDirectoryError
from local_aws.saved_state import functions, machines, objects, services, tables
from local_aws.saved_state.bodies import LoadedBodies, SavedBodies
from local_aws.saved_state.directory import HALF, DataDirectory, Snapshot
from local_aws.saved_state.records import RecordPickler, RecordUnpickler

# In the order in which they are restored.
SECTIONS: dict[str, ModuleType] = {
    "services": services,
    "functions": functions,
    "objects": objects,
    "machines": machines,
    "tables": tables,
}
END = ("end", "", None)


def write(directory: DataDirectory, about: Snapshot, check: Callable[[], None]) -> None:
    """Write a snapshot that replaces the last one. `check` is called now and then and may raise to give up."""
    bodies = SavedBodies(directory.bodies)
    half = directory.state.with_suffix(HALF)
    try:
        _write_half(half, about, bodies, check)
        half.replace(directory.state)
    except BaseException:
        # There may be no room left to say why.
        bodies.give_up()
        with contextlib.suppress(OSError):
            half.unlink(missing_ok=True)
        raise
    bodies.remove_others()


def _write_half(path: Path, about: Snapshot, bodies: SavedBodies, check: Callable[[], None]) -> None:
    with path.open("wb") as file:
        file.write(about.line())
        pickler = RecordPickler(file)
        for name, section in SECTIONS.items():
            for kind, content in section.records(bodies):
                check()
                pickler.dump((name, kind, content))
                pickler.clear_memo()
        pickler.dump(END)
        file.flush()
        os.fsync(file.fileno())
    check()


def read(directory: DataDirectory) -> None:
    """Load the last snapshot into this server, if there is one. Raises DataDirectoryError."""
    if directory.snapshot() is None:
        return
    try:
        with directory.state.open("rb") as file:
            file.readline()
            _restore(file, LoadedBodies(directory.bodies))
    except (pickle.UnpicklingError, EOFError, OSError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataDirectoryError(f"{directory.state} is damaged: {type(error).__name__}: {error}") from error
    for section in SECTIONS.values():
        section.finish()


def _restore(file: BinaryIO, bodies: LoadedBodies) -> None:
    # A reader for each record, as the writer clears its memory behind each.
    while (record := RecordUnpickler(file).load()) != END:
        name, kind, content = record
        SECTIONS[name].restore(kind, content, bodies)

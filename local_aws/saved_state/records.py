"""How the records of a snapshot are pickled: plain values and a few known classes, nothing else.

Unpickling anything else could run code. The writer checks the same classes, so that it writes nothing that the reader
refuses.
"""

import pickle
from typing import Any, BinaryIO

PROTOCOL = 5
KNOWN_MODULES = ("ministack.core.responses", "local_aws.exports", "local_aws.saved_state")
KNOWN_NAMES = frozenset(
    (
        ("builtins", "bytearray"),
        ("builtins", "dict"),
        ("builtins", "frozenset"),
        ("builtins", "list"),
        ("builtins", "set"),
        ("collections", "OrderedDict"),
        ("collections", "defaultdict"),
        ("collections", "deque"),
        ("datetime", "date"),
        ("datetime", "datetime"),
        ("datetime", "timedelta"),
        ("datetime", "timezone"),
        ("decimal", "Decimal"),
    )
)


class RecordPickler(pickle.Pickler):
    """Writes records. Raises PicklingError for what the reader would refuse."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file, PROTOCOL)

    def reducer_override(self, value: Any) -> Any:
        """Called for whatever is not a plain value."""
        kind = value if isinstance(value, type) else type(value)
        if not _is_known(kind.__module__, kind.__qualname__):
            raise pickle.PicklingError(f"{kind.__module__}.{kind.__qualname__} does not belong in a snapshot")
        return NotImplemented


class RecordUnpickler(pickle.Unpickler):
    """Reads one record. Raises UnpicklingError for unknown classes and functions."""

    def find_class(self, module: str, name: str) -> Any:
        """The class of this name."""
        found = super().find_class(module, name) if _is_known(module, name) else None
        if not isinstance(found, type) or found.__module__ != module:
            raise pickle.UnpicklingError(f"{module}.{name} does not belong in a snapshot")
        return found


def _is_known(module: str, name: str) -> bool:
    return (module, name) in KNOWN_NAMES or (module.startswith(KNOWN_MODULES) and "." not in name)

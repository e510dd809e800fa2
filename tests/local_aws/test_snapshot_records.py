import collections
import datetime
import decimal
import io
import os
import pickle
import threading
from typing import Any

import pytest

from local_aws.exports.requests import Window
from local_aws.saved_state.records import RecordPickler, RecordUnpickler


def dumped(value: Any) -> bytes:
    file = io.BytesIO()
    RecordPickler(file).dump(value)
    return file.getvalue()


def loaded(record: bytes) -> Any:
    return RecordUnpickler(io.BytesIO(record)).load()


@pytest.mark.parametrize(
    "value",
    [
        {"text": [1, 2.5, None, True, b"\0", ("a", "b")], "sets": ({1}, frozenset((2,)), bytearray(b"x"))},
        collections.defaultdict(dict, {"a": {"b": 1}}),
        collections.OrderedDict(a=1),
        collections.deque([1, 2]),
        datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC),
        decimal.Decimal("1.50"),
        Window(1, 2, "NEW_IMAGE"),
    ],
)
def test_known_values_come_back_as_they_were(value: Any) -> None:
    again = loaded(dumped(value))
    assert again == value
    assert type(again) is type(value)


class Unknown:
    """Of a module that is none of local AWS's."""


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (Unknown(), r"test_snapshot_records\.Unknown"),
        (threading.Lock(), r"_thread\.lock"),
        (os.mkdir, r"builtins\.builtin_function_or_method"),
        ({"nested": [len]}, r"builtins\.builtin_function_or_method"),
    ],
)
def test_unknown_values_are_not_written(value: Any, name: str) -> None:
    with pytest.raises(pickle.PicklingError, match=f"{name} does not belong in a snapshot"):
        dumped(value)


@pytest.mark.parametrize(
    "record",
    [
        b"cos\nmkdir\n.",
        b"cbuiltins\neval\n.",
        b"clocal_aws.saved_state.records\npickle.Unpickler\n.",
        b"clocal_aws.saved_state.records\nBinaryIO\n.",
        b"clocal_aws.exports.requests\nread_request\n.",
    ],
)
def test_unknown_names_are_not_read(record: bytes) -> None:
    with pytest.raises(pickle.UnpicklingError, match="does not belong in a snapshot"):
        loaded(record)

"""The stack, deployed to a local AWS of the tests' own: shared by all tests of whole workflows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from local_aws import faults
from tests.local.deployed import Deployed, deployed
from tests.local.key_processors import create_processors
from tests.local.mapped_objects import create_object_function
from tests.local.queried_rows import Queried, create_row_function
from tests.permissions.records import Recorder, keep


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """The deployed stack and what tests do with it; each test brings its own table and keys."""
    root: Path = tmp_path_factory.mktemp("project")
    with deployed(root) as stack:
        yield stack


@pytest.fixture
def no_faults_left(stack: Deployed) -> Iterator[None]:
    """What a test has planned to fail ends with it."""
    yield
    faults.clear(stack.aws)


@pytest.fixture(scope="session")
def processors(stack: Deployed) -> None:
    """The function and the state machine that distinct_keys may start."""
    create_processors(stack)


@pytest.fixture(scope="session")
def row_function(stack: Deployed) -> None:
    """The function that athena_map may call."""
    create_row_function(stack)


@pytest.fixture(scope="session")
def object_function(stack: Deployed) -> None:
    """The function that object_map may call."""
    create_object_function(stack)


@pytest.fixture
def queried(stack: Deployed) -> Queried:
    """A database of the test's own."""
    return Queried(stack)


@pytest.fixture(scope="session")
def permission_recorders() -> dict[int, Recorder]:
    """The recorder of each local AWS that tests of this process use, by its process ID."""
    return {}


@pytest.fixture(autouse=True)
def recorded_permissions(request: pytest.FixtureRequest, permission_recorders: dict[int, Recorder]) -> Iterator[None]:
    """Keeps what the stack's roles did. A call is denied in tests that are marked `plans_denials`, and in no others."""
    stack = request.getfixturevalue("stack") if "stack" in request.fixturenames else None
    yield
    if stack is None:
        return
    recorder = permission_recorders.setdefault(stack.aws.pid, Recorder(stack))
    plans_denials = request.node.get_closest_marker("plans_denials") is not None
    records = recorder.new_records(request.node.nodeid, plans_denials=plans_denials)
    keep(records)
    denied = [str(each) for each in records if each.is_denial]
    assert bool(denied) == plans_denials, denied

"""The stack, deployed to a local AWS of the tests' own: shared by all tests of whole workflows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from local_aws import faults
from tests.local.deployed import Deployed, deployed
from tests.local.key_processors import create_processors
from tests.local.queried_rows import Queried, create_row_function


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """The deployed stack and ways to use it; each test brings its own table and keys."""
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


@pytest.fixture
def queried(stack: Deployed) -> Queried:
    """A database of the test's own."""
    return Queried(stack)

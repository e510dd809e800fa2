"""Directories of servers: which are removed as left behind, and which are not."""

from pathlib import Path

import pytest

from local_aws import running, start, stop
from local_aws.run_directory import create, is_held, remove_abandoned, remove_if_abandoned
from tests.saved_snapshots import kill


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def test_directory_is_held_until_its_lock_is_closed() -> None:
    directory, lock = create(4999)
    with lock:
        assert is_held(directory)
        assert not remove_if_abandoned(directory)
    assert not is_held(directory)
    assert remove_if_abandoned(directory)
    assert not directory.exists()


def test_only_this_user_may_look_into_it() -> None:
    directory, lock = create(4999)
    with lock:
        assert directory.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("name", ["local-aws-1-mine", "something-else"])
def test_directory_without_a_lock_is_left_alone(temporary: Path, name: str) -> None:
    (temporary / name).mkdir()

    assert remove_abandoned() == []
    assert (temporary / name).exists()


def test_start_removes_what_a_killed_server_left_and_nothing_else(temporary: Path) -> None:
    with running() as living:
        killed = start()
        try:
            kill(killed)
            assert killed.directory.exists()
            with running():
                assert not killed.directory.exists()
                assert living.directory.exists()
        finally:
            stop(killed)

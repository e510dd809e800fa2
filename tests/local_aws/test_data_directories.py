"""Which directories a local AWS takes for its data, and what it says of those that it does not take."""

import json
import os
import pickle
from pathlib import Path
from typing import Any

import pytest

from local_aws import DataDirectoryError, LocalAws, is_running, running, start, stop
from local_aws.saved_state.directory import DataDirectory, Snapshot
from tests.local_aws.sessions import session_of
from tests.saved_snapshots import kill

NOW = "2026-01-02T03:04:05+00:00"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "kept"


def create_bucket(aws: LocalAws, name: str) -> None:
    session_of(aws).client("s3", endpoint_url=aws.endpoint_url).create_bucket(Bucket=name)


def test_directory_in_use_is_refused_with_its_users_address(data: Path) -> None:
    with running(data=data) as aws:
        with pytest.raises(DataDirectoryError) as refused:
            start(data=data)
        assert f"in use by another local AWS at {aws.endpoint_url}, process {aws.pid}" in str(refused.value)
        assert is_running(aws)


def test_directory_of_a_killed_server_is_free(data: Path) -> None:
    aws = start(data=data)
    try:
        kill(aws)
        with running(data=data) as again:
            assert is_running(again)
    finally:
        stop(aws)


def test_directory_of_another_format_is_refused_and_left_alone(data: Path) -> None:
    with running(data=data) as aws:
        create_bucket(aws, "kept-bucket")
    state = (data / "state").read_bytes()
    (data / "local-aws.json").write_text(json.dumps({"format": 99, "ministack": "9.9.9"}))

    with pytest.raises(
        DataDirectoryError, match=r"has the format 99 of ministack 9\.9\.9, but this version"
    ) as refused:
        start(data=data)

    assert "use the version that wrote it, or name another directory" in str(refused.value)
    assert (data / "state").read_bytes() == state


@pytest.mark.parametrize("text", ["", "{", "[]", "null"])
def test_damaged_format_is_refused(data: Path, text: str) -> None:
    data.mkdir()
    (data / "local-aws.json").write_text(text)

    with pytest.raises(DataDirectoryError, match=str(data)):
        start(data=data)


def test_directory_with_other_files_is_refused_and_left_alone(data: Path) -> None:
    data.mkdir()
    (data / "notes.txt").write_text("mine")

    with pytest.raises(DataDirectoryError, match="is not empty and was not made by local AWS"):
        start(data=data)

    assert [each.name for each in data.iterdir()] == ["notes.txt"]


def test_file_is_refused(data: Path) -> None:
    data.write_text("")

    with pytest.raises(DataDirectoryError, match=f"cannot use {data} as data directory"):
        start(data=data)


@pytest.mark.parametrize("share", [0.5, 0.98])
def test_damaged_snapshot_is_not_loaded_and_not_written_over(data: Path, share: float) -> None:
    with running(data=data) as aws:
        create_bucket(aws, "kept-bucket")
    whole = (data / "state").read_bytes()
    (data / "state").write_bytes(whole[: int(len(whole) * share)])

    with pytest.raises(DataDirectoryError, match="state is damaged"):
        start(data=data)

    assert (data / "state").read_bytes() == whole[: int(len(whole) * share)]


class Harmful:
    """Runs a command where it is unpickled without care."""

    def __reduce__(self) -> Any:
        return os.mkdir, (os.environ["HARM"],)


def test_snapshot_that_would_run_code_is_refused(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARM", str(tmp_path / "harm"))
    with running(data=data):
        pass
    line = Snapshot(NOW, is_final=True, server="s", port=1).line()
    (data / "state").write_bytes(line + pickle.dumps(("objects", "stores", Harmful())))

    with pytest.raises(DataDirectoryError, match=r"posix\.mkdir does not belong in a snapshot"):
        start(data=data)

    assert not (tmp_path / "harm").exists()


def test_failed_save_is_reported_and_keeps_the_last_snapshot(data: Path) -> None:
    with running(data=data) as aws:
        create_bucket(aws, "kept-bucket")
    aws = start(data=data)
    last = (data / "state").read_bytes()
    create_bucket(aws, "lost-bucket")
    (data / "state.new").mkdir()

    with pytest.raises(DataDirectoryError) as failed:
        stop(aws)

    assert f"the state could not be saved in {data}: Is a directory; it holds the state of" in str(failed.value)
    assert not aws.directory.exists()
    assert (data / "state").read_bytes() == last
    assert DataDirectory(data).failure() == "Is a directory"
    (data / "state.new").rmdir()
    with running(data=data):
        pass
    assert DataDirectory(data).failure() is None


def test_relative_directory_is_the_callers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    with running(data=Path("kept")) as aws:
        assert aws.data == tmp_path / "kept"

    assert (tmp_path / "kept" / "state").exists()


def test_only_its_user_may_look_into_it(data: Path) -> None:
    with running(data=data):
        assert data.stat().st_mode & 0o777 == 0o700

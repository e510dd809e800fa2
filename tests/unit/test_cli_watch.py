from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError

from local_aws.lifecycle import LocalAws
from sluice_cli.aws import Target
from sluice_cli.exit_code import NotDeployedError
from sluice_cli.progress import MapRun, Progress
from sluice_cli.watch import LONGEST_PAUSE_SECONDS, LONGEST_TROUBLED_PAUSE_SECONDS, Ended, watch
from tests.unit.cli_aws import EXECUTION, LATER_MAP_RUN, MAP_RUN, FakeTime, StubbedAws, stubbed_aws


class RecordingDisplay:
    def __init__(self) -> None:
        self.shown: list[list[Progress]] = []
        self.notes: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, map_runs: Sequence[Progress], now: float) -> None:
        self.shown.append(list(map_runs))

    def note(self, text: str) -> None:
        self.notes.append(text)


def follow(stubbed: StubbedAws, time: FakeTime | None = None) -> tuple[Ended, RecordingDisplay]:
    display = RecordingDisplay()
    return watch(stubbed.aws, EXECUTION, display, (time or FakeTime()).clock), display


def lose_connection(stubbed: StubbedAws, times: int, error: Exception) -> None:
    """The next calls of Step Functions never arrive."""
    left = [times]

    def raise_error(**_event: Any) -> None:
        if left[0]:
            left[0] -= 1
            raise error

    stubbed.aws.stepfunctions.meta.events.register("provide-client-params", raise_error)


def test_watch_returns_how_the_run_ended() -> None:
    with stubbed_aws() as stubbed:
        stubbed.expect_execution("TIMED_OUT", error="States.Timeout", cause="too long")
        stubbed.expect_map_runs()

        ended, _ = follow(stubbed)

    assert ended == Ended("TIMED_OUT", "", "States.Timeout", "too long", 75)


def test_watch_shows_map_runs_as_they_appear_in_the_order_in_which_they_started() -> None:
    with stubbed_aws() as stubbed:
        stubbed.expect_execution("RUNNING")
        stubbed.expect_map_runs()
        stubbed.expect_execution("RUNNING")
        stubbed.expect_map_runs(MAP_RUN)
        stubbed.expect_map_run("RUNNING", total=4, succeeded=1)
        stubbed.expect_execution("RUNNING")
        stubbed.expect_map_runs(MAP_RUN, LATER_MAP_RUN)
        stubbed.expect_map_run("SUCCEEDED", total=4, succeeded=4)
        stubbed.expect_map_run("RUNNING", LATER_MAP_RUN, total=1)
        stubbed.expect_execution("SUCCEEDED", output="{}")
        stubbed.expect_map_runs(MAP_RUN, LATER_MAP_RUN)
        stubbed.expect_map_run("SUCCEEDED", LATER_MAP_RUN, total=1, succeeded=1)

        _, display = follow(stubbed)

    done = MapRun("LoadRanges", "SUCCEEDED", 4, 4, 0)
    later = MapRun("MergeRejects", "SUCCEEDED", 1, 1, 0)
    assert [[progress.map_run for progress in shown] for shown in display.shown] == [
        [],
        [MapRun("LoadRanges", "RUNNING", 4, 1, 0)],
        [done, MapRun("MergeRejects", "RUNNING", 1, 0, 0)],
        [done, later],
    ]


def test_watch_waits_longer_and_longer_between_looks_up_to_a_bound() -> None:
    time = FakeTime()
    with stubbed_aws() as stubbed:
        for _ in range(12):
            stubbed.expect_execution("RUNNING")
            stubbed.expect_map_runs()
        stubbed.expect_execution("SUCCEEDED", output="{}")
        stubbed.expect_map_runs()

        follow(stubbed, time)

    assert time.pauses == sorted(time.pauses)
    assert time.pauses[0] < 1
    assert time.pauses[-1] == LONGEST_PAUSE_SECONDS


@pytest.mark.parametrize(
    ("code", "status"),
    [("ThrottlingException", 400), ("TooManyRequestsException", 429), ("Whatever", 503), ("Whatever", 429)],
)
def test_watch_continues_after_throttles_and_failures_of_aws(code: str, status: int) -> None:
    time = FakeTime()
    with stubbed_aws() as stubbed:
        for _ in range(20):
            stubbed.stepfunctions.add_client_error("describe_execution", code, http_status_code=status)
        stubbed.expect_execution("RUNNING")
        stubbed.stepfunctions.add_client_error("list_map_runs", code, http_status_code=status)
        stubbed.expect_execution("SUCCEEDED", output="{}")
        stubbed.expect_map_runs()

        ended, display = follow(stubbed, time)

    assert ended.status == "SUCCEEDED"
    assert max(time.pauses) == LONGEST_TROUBLED_PAUSE_SECONDS
    assert len(display.notes) == 1


@pytest.mark.parametrize(
    "error", [EndpointConnectionError(endpoint_url="https://states"), ConnectTimeoutError(endpoint_url="x")]
)
def test_watch_continues_after_lost_connections(error: Exception) -> None:
    with stubbed_aws() as stubbed:
        lose_connection(stubbed, 7, error)
        stubbed.expect_execution("SUCCEEDED", output="{}")
        stubbed.expect_map_runs()

        ended, display = follow(stubbed)

    assert ended.status == "SUCCEEDED"
    assert len(display.notes) == 1


def test_watch_ends_when_its_local_aws_has_ended(tmp_path: Path) -> None:
    ended = LocalAws("http://127.0.0.1:9", 9, 1, tmp_path / "gone")
    with stubbed_aws(Target(ended)) as stubbed:
        lose_connection(stubbed, 1, EndpointConnectionError(endpoint_url=ended.endpoint_url))

        with pytest.raises(NotDeployedError, match="the run with it"):
            follow(stubbed)


def test_watch_waits_for_an_execution_that_is_not_known_yet() -> None:
    with stubbed_aws() as stubbed:
        stubbed.stepfunctions.add_client_error("describe_execution", "ExecutionDoesNotExist")
        stubbed.expect_execution("SUCCEEDED", output="{}")
        stubbed.expect_map_runs()

        assert follow(stubbed)[0].status == "SUCCEEDED"


def test_watch_gives_up_on_an_execution_that_stays_unknown() -> None:
    with stubbed_aws() as stubbed:
        for _ in range(6):
            stubbed.stepfunctions.add_client_error("describe_execution", "ExecutionDoesNotExist")

        with pytest.raises(ClientError, match="ExecutionDoesNotExist"):
            follow(stubbed)


def test_watch_raises_what_waiting_does_not_mend() -> None:
    with stubbed_aws() as stubbed:
        stubbed.stepfunctions.add_client_error("describe_execution", "AccessDeniedException")

        with pytest.raises(ClientError, match="AccessDenied"):
            follow(stubbed)


def test_watch_follows_the_run_where_its_map_runs_may_not_be_seen() -> None:
    with stubbed_aws() as stubbed:
        stubbed.expect_execution("RUNNING")
        stubbed.stepfunctions.add_client_error("list_map_runs", "AccessDeniedException")
        stubbed.expect_execution("SUCCEEDED", output="{}")

        ended, display = follow(stubbed)

    assert ended.status == "SUCCEEDED"
    assert display.notes[0].startswith("no progress can be shown")

"""table_export's executions: who has the lease, what is taken over, and how long they are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.statemachine.export_service import DAY, HOUR, MINUTE, Outcome, seconds
from tests.statemachine.export_world import USUAL, WITH_PROCESS, Fault, Faults, World

MAXIMUM_EVENTS = 25_000


@pytest.fixture
def world() -> Iterator[World]:
    with World() as world:
        yield world
        world.checks.at_the_end()


def throttled(number: int, times: int) -> Faults:
    """A call with that number that is throttled so many times."""
    return dict.fromkeys(range(number, number + times), Fault.THROTTLED)


def test_second_run_is_skipped_and_says_whose_the_lease_is(world: World) -> None:
    world.service.usual = Outcome(HOUR)
    owner = world.start()
    world.pass_time(MINUTE)
    second = world.run()
    assert second.output.items() >= {"status": "SKIPPED", "owner": owner.arn, "exports": []}.items()
    assert second.output["reason"] == f"another execution exports this table: {owner.arn}"
    assert second.states[-3:] == ["DescribeOwner", "OwnerIsRunning", "ExportSkipped"]
    world.pass_time(2 * HOUR)
    assert len(owner.output["exports"]) == 1


def test_lease_is_kept_while_an_export_takes_longer_than_it(world: World) -> None:
    world.service.usual = Outcome(5 * HOUR)
    owner = world.start()
    for _ in range(9):
        world.pass_time(31 * MINUTE)
        assert world.run().output["owner"] == owner.arn
    world.pass_time(HOUR)
    assert (owner.output["status"], len(world.service.exports)) == ("COMPLETE", 1)


def test_lease_is_kept_while_the_start_takes_long(world: World) -> None:
    owner = world.start(faults={"StartExport": Fault.STALLED_BEFORE})
    world.pass_time(50 * MINUTE)
    assert world.run().output["owner"] == owner.arn
    world.pass_time(3 * HOUR)
    assert len(owner.output["exports"]) == 1


def test_export_of_a_run_that_died_is_picked_up_where_it_stands(world: World) -> None:
    world.service.usual = Outcome(HOUR)
    dead = world.start()
    world.pass_time(30 * MINUTE)
    dead.kill()
    successor = world.run()
    assert [each["exportArn"] for each in successor.output["exports"]] == list(world.service.exports)
    assert world.entries[0]["executionArn"] == successor.arn


@pytest.mark.parametrize("owner", ["run-0", "never-heard-of"])
def test_lease_of_an_execution_that_no_longer_exists_is_taken_over(world: World, owner: str) -> None:
    world.run(faults={"DescribeExport": Fault.KILLED_AFTER})
    lease = world.state["leaseOwner"].replace("run-0", owner)
    world.set_attribute("leaseOwner", {"S": lease})
    world.set_attribute("leaseExpiresAt", {"S": "2100-01-01T00:00:00.000Z"})
    successor = world.run()
    assert "DescribeOwner" in successor.states
    assert successor.output["status"] == "COMPLETE"


def test_expired_lease_is_taken_over_from_an_owner_that_still_runs(world: World) -> None:
    owner = world.start(faults={"RecordStart": Fault.STALLED_BEFORE})
    world.pass_time(HOUR + MINUTE)
    successor = world.run()
    assert "DescribeOwner" not in successor.states
    assert [each["type"] for each in successor.output["exports"]] == ["FULL_EXPORT", "INCREMENTAL_EXPORT"]
    world.pass_time(2 * HOUR)
    assert (owner.output["exports"], len(world.service.exports)) == ([], 2)


@pytest.mark.parametrize(
    ("state", "trouble"),
    [
        ("RecordStart", {}),
        ("RenewLease", {}),
        ("AdvanceWatermark", {}),
        ("ReleaseFailedExport", {}),
        ("ReleaseLease", {"RecordCompletion": Fault.THROTTLED}),
    ],
)
def test_owner_that_comes_too_late_leaves_the_successors_lease_alone(world: World, state: str, trouble: Faults) -> None:
    seconds = 4 * HOUR if state == "RenewLease" else MINUTE
    end = "FAILED" if state == "ReleaseFailedExport" else "COMPLETED"
    world.service.outcomes.append(Outcome(seconds, end=end))
    world.service.usual = Outcome(3 * HOUR)
    owner = world.start(WITH_PROCESS, faults={state: Fault.STALLED_BEFORE, **trouble})
    world.pass_time(100 * MINUTE)
    assert owner.states[-1] == state
    heirs = [world.start(WITH_PROCESS)]
    world.pass_time(10 * MINUTE)
    heirs.append(world.start(WITH_PROCESS))
    world.pass_time(45 * MINUTE)
    assert not owner.is_running
    assert world.state["leaseOwner"] in [each.arn for each in heirs]
    world.pass_time(DAY)


@pytest.mark.parametrize("hours", [1, 6, 9, 24 * 7])
def test_export_whose_start_was_not_recorded_is_not_started_again(world: World, hours: int) -> None:
    world.run(faults={"StartExport": Fault.KILLED_AFTER})
    world.pass_time(hours * HOUR)
    output = world.run().output
    assert next(iter(world.service.exports)) == output["exports"][0]["exportArn"]
    assert output["exports"][0]["to"] == "2026-11-21T02:55:00Z"
    assert [each.window[0] for each in world.service.exports.values()].count("FULL_EXPORT") == 1


@pytest.mark.parametrize("hours", [1, 9])
def test_export_that_has_ended_meanwhile_is_not_waited_for(world: World, hours: int) -> None:
    world.run(faults={"StartExport": Fault.KILLED_AFTER})
    world.pass_time(hours * HOUR)
    world.start()
    world.pass_time(2)
    assert world.state["watermark"] == "2026-11-21T02:55:00Z"
    world.pass_time(HOUR)


def test_export_that_was_never_started_is_started_after_the_search(world: World) -> None:
    world.run(faults={"StartExport": Fault.KILLED_BEFORE})
    world.pass_time(9 * HOUR)
    found = world.run()
    assert found.states[found.states.index("ListExports") :][:4] == [
        "ListExports",
        "LookThroughExports",
        "ExportIsFound",
        "StartExport",
    ]
    assert found.output["exports"][0]["to"] == "2026-11-21T02:55:00Z"


def test_candidate_that_is_forgotten_during_the_search_is_none(world: World) -> None:
    world.run(faults={"StartExport": Fault.KILLED_AFTER})
    world.pass_time(9 * HOUR)
    successor = world.start(faults={"ListExports": Fault.STALLED_AFTER})
    world.pass_time(MINUTE)
    world.service.exports.clear()
    world.pass_time(3 * HOUR)
    assert "CandidateIsGone" in successor.states
    assert successor.output["exports"][0]["to"] == "2026-11-21T02:55:00Z"


def test_search_that_keeps_being_throttled_fails_and_keeps_the_window(world: World) -> None:
    world.run(faults={"StartExport": Fault.KILLED_AFTER})
    world.pass_time(9 * HOUR)
    failed = world.run(faults={"DescribeCandidate": Fault.THROTTLED})
    assert (failed.error, failed.states[-1]) == ("DynamoDb.ThrottlingException", "ExportFailed")
    assert world.run().output["exports"][0]["exportArn"] == next(iter(world.service.exports))


def test_processing_is_started_once_though_the_watermark_could_not_be_moved(world: World) -> None:
    world.run(WITH_PROCESS, faults={"AdvanceWatermark": Fault.THROTTLED})
    assert world.state["status"] == "FAILED"
    assert "watermark" not in world.state
    output = world.run(WITH_PROCESS).output
    (name,) = world.processes.started
    assert output["exports"][0]["processExecutionArn"].endswith(f":execution:sluice-export_process:{name}")


def test_throttled_calls_are_made_again() -> None:
    with World() as world:
        calls = len(world.calls[world.run(WITH_PROCESS)])
    for number in range(calls):
        with World() as world:
            assert world.run(WITH_PROCESS, faults=throttled(number, times=4)).output["status"] == "COMPLETE"
            world.checks.at_the_end()


def test_throttling_without_end_ends_the_run_and_leaves_no_lease_behind() -> None:
    with World() as world:
        calls = world.calls[world.run(WITH_PROCESS)]
    for number in (position for position, name in enumerate(calls) if name != "PlanExport"):
        with World() as world:
            execution = world.run(WITH_PROCESS, faults=throttled(number, times=9))
            assert execution.status == "FAILED"
            assert execution.error is not None
            assert execution.error.endswith(("ThrottlingException", "TooManyRequestsException"))
            world.pass_time(10 * MINUTE)
            assert "DescribeOwner" not in world.run(WITH_PROCESS).states
            world.checks.at_the_end()


def test_throttled_function_is_waited_for(world: World) -> None:
    number = 4
    execution = world.run(WITH_PROCESS, faults=throttled(number, times=300))
    assert world.calls[execution][number] == "PlanExport"
    assert execution.output["status"] == "COMPLETE"
    assert world.now > seconds("2026-11-21T09:00:00Z")
    assert len(execution.events) < 2_000


def test_export_of_two_days_fits_into_the_history(world: World) -> None:
    world.service.outcomes.append(Outcome(48 * HOUR))
    execution = world.run({**USUAL, "pollSeconds": 1})
    assert execution.output["status"] == "COMPLETE"
    assert len(execution.events) < 8_000


def test_catching_up_35_days_of_long_exports_fits_into_the_history(world: World) -> None:
    world.run()
    world.pass_time(34.9 * DAY)
    world.service.usual = Outcome(2 * HOUR)
    execution = world.run({**USUAL, "pollSeconds": 60})
    assert len(execution.output["exports"]) == 35
    assert len(execution.events) < 15_000


def test_export_that_does_not_end_is_left_to_the_next_run(world: World) -> None:
    world.service.outcomes.append(Outcome(300 * DAY))
    execution = world.run({**USUAL, "pollSeconds": 1})
    assert execution.error == "ExportStillInProgressError"
    assert 15_000 < len(execution.events) < MAXIMUM_EVENTS
    assert "leaseOwner" not in world.state
    successor = world.start()
    world.pass_time(HOUR)
    assert successor.is_running
    assert len(world.service.exports) == 1
    successor.kill()

"""table_export killed after every call, its answers lost, its steps mixed with another run's: the next run mends it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

import pytest

from tests.statemachine.definitions import all_states
from tests.statemachine.export_processes import ProcessOutcome
from tests.statemachine.export_service import DAY, HOUR, MINUTE, Outcome, seconds
from tests.statemachine.export_stage import Execution
from tests.statemachine.export_world import WITH_PROCESS, Fault, Faults, World, definition_with

Story = Callable[[World], None]
FAILED = ProcessOutcome(end="FAILED")


def first(world: World) -> None:
    """Nothing has been exported yet."""


def incremental(world: World) -> None:
    """A window is due."""
    world.run(WITH_PROCESS)
    world.pass_time(6 * HOUR)


def failing(world: World) -> None:
    """A window is due whose export will fail."""
    incremental(world)
    world.service.outcomes.append(Outcome(end="FAILED"))


def gap(world: World) -> None:
    """Recovery does not reach back to the last export."""
    world.run(WITH_PROCESS)
    world.pass_time(40 * DAY)


def reset(world: World) -> None:
    """A full export is requested while a failed one waits for its next attempt."""
    failing(world)
    world.run(WITH_PROCESS)
    world.set_flag("resetRequested", value=True)


def started(world: World) -> None:
    """A run has died while its export was running."""
    incremental(world)
    world.run(WITH_PROCESS, faults={"DescribeExport": Fault.KILLED_AFTER})


def unrecorded(world: World) -> None:
    """A run has died before it could take down that it had started an export, nine hours ago."""
    incremental(world)
    world.run(WITH_PROCESS, faults={"StartExport": Fault.KILLED_AFTER})
    world.pass_time(9 * HOUR)


def unprocessed(world: World) -> None:
    """A window is due whose processing will fail."""
    incremental(world)
    world.processes.outcomes.append(FAILED)


def processing(world: World) -> None:
    """A run has died after it had started the processing of a window, which takes until the next run and longer."""
    incremental(world)
    world.processes.outcomes.append(ProcessOutcome(3 * HOUR))
    world.run(WITH_PROCESS, faults={"RecordProcessStart": Fault.KILLED_AFTER})
    world.pass_time(HOUR)


def unseen(world: World) -> None:
    """The processing of a window has failed after the run that watched it had died."""
    incremental(world)
    world.processes.outcomes.append(FAILED)
    world.run(WITH_PROCESS, faults={"StartProcess": Fault.KILLED_AFTER})
    world.pass_time(HOUR)


def backlog(world: World) -> None:
    """Three windows wait, since the processing of the first of them has failed again and again."""
    world.run(WITH_PROCESS)
    world.processes.outcomes.extend([FAILED] * 3)
    for _ in range(3):
        world.pass_time(2 * HOUR)
        world.run(WITH_PROCESS)


STORIES = (first, incremental, failing, gap, reset, started, unrecorded, unprocessed, processing, unseen, backlog)
stories = pytest.mark.parametrize("story", STORIES)


def settle(world: World) -> None:
    """One run, or two when the first one finds that the export has failed, and the ledger is as if nothing had been."""
    began = world.now
    if world.run(WITH_PROCESS).status != "SUCCEEDED":
        began = world.now
        assert world.run(WITH_PROCESS).status == "SUCCEEDED"
    assert began - seconds(world.state["watermark"]) < 20 * MINUTE
    assert not {"leaseOwner", "current"} & set(world.state)
    assert world.processed == world.state["queued"] == len(world.windows)
    world.checks.at_the_end()


def calls_of(story: Story) -> int:
    """How many calls an undisturbed run makes then."""
    with World() as world:
        story(world)
        return len(world.calls[world.run(WITH_PROCESS)])


def disturbed(story: Story, faults: Faults, pause: float) -> Execution:
    """A run then with these faults, and how things settle after a pause."""
    with World() as world:
        story(world)
        execution = world.run(WITH_PROCESS, faults=faults)
        world.pass_time(pause)
        settle(world)
        return execution


@pytest.mark.parametrize(
    ("story", "pause"), [*((each, HOUR) for each in STORIES), (first, 9 * HOUR), (incremental, 9 * HOUR)]
)
def test_run_killed_after_any_call_is_made_good_by_the_next(story: Story, pause: float) -> None:
    for number in range(calls_of(story)):
        assert disturbed(story, {number: Fault.KILLED_AFTER}, pause).status == "ABORTED"


@stories
def test_run_whose_answers_get_lost_asks_again(story: Story) -> None:
    expected = disturbed(story, {}, HOUR).error
    for number in range(calls_of(story)):
        fault = (Fault.ANSWER_LOST, Fault.CONNECTION_LOST)[number % 2]
        execution = disturbed(story, {number: fault}, HOUR)
        assert (execution.status, execution.error) == ("FAILED" if expected else "SUCCEEDED", expected)


@pytest.mark.parametrize(
    ("story", "steps"),
    [
        *product([first, incremental, gap, started, unrecorded], range(0, 42, 3)),
        *product([unprocessed, processing, unseen, backlog], range(8, 50, 5)),
    ],
)
def test_two_runs_at_a_time_export_once(story: Story, steps: int) -> None:
    """After so many steps of one run, another one goes first for good; its clock is behind."""
    with World() as world:
        story(world)
        one, other = world.start(WITH_PROCESS), world.start(WITH_PROCESS, skew=-60)
        order = iter([one] * steps)

        def pick(ready: Sequence[Execution]) -> Execution:
            wanted = next(order, other)
            return wanted if wanted in ready else ready[0]

        world.stage.pick = pick
        world.pass_time(HOUR)
        settle(world)


def test_every_state_is_entered_by_some_run() -> None:
    entered = set()
    for story in STORIES:
        with World() as world:
            story(world)
            world.service.outcomes.append(Outcome(HOUR))
            owner = world.start(WITH_PROCESS)
            world.pass_time(11 * MINUTE)
            world.run(WITH_PROCESS)
            world.pass_time(DAY)
            world.run({})
            entered |= {name for each in world.stage.executions for name in each.states}
            assert not owner.is_running
    left = {name for name, _ in all_states(definition_with("ledger"))} - entered
    # These have tests of their own.
    assert left == {"UnknownStatus", "ExportTakesLong", "CandidateIsGone", "ReleaseLease"}

"""table_export on schedules that hypothesis makes up: whatever happens, windows join and are processed in order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.statemachine.export_processes import ProcessOutcome
from tests.statemachine.export_service import DAY, HOUR, MINUTE, Outcome, seconds
from tests.statemachine.export_world import USUAL, WITH_PROCESS, Fault, World

Event = Callable[[World], None]


@dataclass(frozen=True)
class Run:
    """The schedule, or somebody, starts an execution."""

    skew: float
    faults: tuple[tuple[int, Fault], ...]
    has_process: bool = True

    def __call__(self, world: World) -> None:
        world.start(WITH_PROCESS if self.has_process else USUAL, skew=self.skew, faults=dict(self.faults))


@dataclass(frozen=True)
class Pass:
    """Time goes by."""

    seconds: float

    def __call__(self, world: World) -> None:
        world.pass_time(self.seconds)


@dataclass(frozen=True)
class SetFlag:
    """Somebody pauses, resumes or resets the table's exports."""

    name: str
    value: bool

    def __call__(self, world: World) -> None:
        world.set_flag(self.name, value=self.value)


@dataclass(frozen=True)
class SwitchRecovery:
    """Somebody turns point-in-time recovery off or on."""

    is_on: bool

    def __call__(self, world: World) -> None:
        world.service.switch_recovery(is_on=self.is_on)


@dataclass(frozen=True)
class Plan:
    """What becomes of the next export."""

    outcome: Outcome

    def __call__(self, world: World) -> None:
        world.service.outcomes.append(self.outcome)


@dataclass(frozen=True)
class PlanProcess:
    """What becomes of the next execution of export_process."""

    outcome: ProcessOutcome

    def __call__(self, world: World) -> None:
        world.processes.outcomes.append(self.outcome)


@dataclass(frozen=True)
class Redrive:
    """Somebody redrives the last execution of export_process that has failed, if it was the last one of all."""

    def __call__(self, world: World) -> None:
        for each in list(world.processes.executions.values())[-1:]:
            if each.status(world.now) == "FAILED" and not each.is_forgotten(world.now):
                each.outcome = ProcessOutcome(world.now - each.start + HOUR)


@dataclass(frozen=True)
class Kill:
    """Somebody stops the execution that has run longest."""

    def __call__(self, world: World) -> None:
        for each in world.stage.running[:1]:
            each.kill()


process_outcomes = st.builds(
    ProcessOutcome,
    seconds=st.sampled_from([1, MINUTE, 20 * MINUTE, 5 * HOUR]),
    end=st.sampled_from(["SUCCEEDED", "FAILED", "FAILED", "ABORTED"]),
    hidden_seconds=st.sampled_from([0, 0, 5]),
)
faults = st.lists(st.tuples(st.integers(0, 40), st.sampled_from(Fault)), max_size=3).map(tuple)
outcomes = st.builds(
    Outcome,
    seconds=st.sampled_from([0, MINUTE, 6 * MINUTE, HOUR, 3 * HOUR]),
    end=st.sampled_from(["COMPLETED", "FAILED"]),
    meanwhile=st.sampled_from(["IN_PROGRESS", "IN_PROGRESS", "UNHEARD_OF"]),
    ends_earlier=st.sampled_from([0, 0, 1, 59]),
)
runs = st.builds(
    Run, skew=st.sampled_from([0, -60, -0.5, 60]), faults=faults, has_process=st.sampled_from([True, True, True, False])
)
interludes = st.one_of(
    st.builds(Plan, outcomes),
    st.builds(SetFlag, st.just("paused"), st.booleans()),
    st.builds(SetFlag, st.just("resetRequested"), st.just(value=True)),
    st.builds(SwitchRecovery, st.booleans()),
    st.builds(PlanProcess, process_outcomes),
    st.just(Redrive()),
    st.just(Kill()),
)
passes = st.builds(Pass, st.sampled_from([0, 1, 5 * MINUTE, 16 * MINUTE, HOUR, 3 * HOUR, 9 * HOUR, 3 * DAY, 40 * DAY]))
turns = st.tuples(st.lists(interludes, max_size=2), runs, passes).map(lambda turn: [*turn[0], turn[1], turn[2]])
stories = st.lists(turns, min_size=2, max_size=6).map(lambda story: [event for turn in story for event in turn])


def settle(world: World) -> None:
    """Everything is as it should be again: a few runs later the exports have caught up."""
    world.service.outcomes.clear()
    world.processes.outcomes.clear()
    world.service.switch_recovery(is_on=True)
    world.set_flag("paused", value=False)
    world.pass_time(2 * DAY)
    while world.stage.running:
        world.pass_time(DAY)
    for _ in range(3):
        world.pass_time(HOUR)
        began = world.now
        world.run(WITH_PROCESS)
    assert began - seconds(world.state["watermark"]) < 30 * MINUTE
    assert world.processed == world.state["queued"]
    assert not {"leaseOwner", "current"} & set(world.state)
    world.checks.at_the_end()


@settings(max_examples=50)
@given(stories, st.integers(0, 2**32))
def test_windows_join_and_are_processed_whatever_happens(story: list[Event], seed: int) -> None:
    with World() as world:
        world.stage.pick = Random(seed).choice
        for event in story:
            event(world)
        settle(world)

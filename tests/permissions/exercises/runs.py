"""What an exercise starts, and how long it continues."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from sluice_cli.surroundings import PROJECT_ROOT
from tests.local.deployed import RUN_SECONDS, Deployed
from tests.local.step_events import invoke, step_event


class Started(Protocol):
    """Something that ends by itself if nothing is denied."""

    def has_ended(self) -> bool:
        """Whether it has ended, however it ended."""

    def stop(self) -> None:
        """End it. Harmless when it has ended."""


# An exercise prepares what it needs, with every permission, and returns what starts it.
Start = Callable[[], Started]
Exercise = Callable[[Deployed], Start]


@dataclass(frozen=True)
class Execution:
    """A run of a workflow."""

    stack: Deployed
    arn: str

    def has_ended(self) -> bool:
        """See Started."""
        return self.stack.stepfunctions.describe_execution(executionArn=self.arn)["status"] != "RUNNING"

    def stop(self) -> None:
        """See Started."""
        self.stack.stepfunctions.stop_execution(executionArn=self.arn)


@dataclass(frozen=True)
class Awaited:
    """Something else that shows that it has ended; `clean_up` ends it."""

    look: Callable[[], Any]
    clean_up: Callable[[], Any]

    def has_ended(self) -> bool:
        """See Started."""
        return bool(self.look())

    def stop(self) -> None:
        """See Started."""
        self.clean_up()


class Finished:
    """A call that is over when it returns."""

    def has_ended(self) -> bool:
        """See Started."""
        return True

    def stop(self) -> None:
        """See Started."""


def run(workflow: str, document: Callable[[Deployed], Mapping[str, Any]]) -> Exercise:
    """Starts a workflow with an input that is made for each run."""

    def prepare(stack: Deployed) -> Start:
        prepared = document(stack)
        return lambda: Execution(stack, stack.start(workflow, prepared))

    return prepare


def at_once(start: Callable[[Deployed], Started]) -> Exercise:
    """Prepares nothing."""
    return lambda stack: partial(start, stack)


def update(workflow: str) -> Exercise:
    """Updates a state machine with its own definition, for which AWS checks its role as if it were created."""

    def start(stack: Deployed) -> Started:
        arn = stack.machine_arn(workflow)
        definition = stack.stepfunctions.describe_state_machine(stateMachineArn=arn)["definition"]
        with contextlib.suppress(stack.stepfunctions.exceptions.ClientError):
            stack.stepfunctions.update_state_machine(stateMachineArn=arn, definition=definition)
        return Finished()

    return at_once(start)


def call(step: str, event: Callable[[Deployed], Any]) -> Exercise:
    """Calls the function of a step."""

    def prepare(stack: Deployed) -> Start:
        prepared = event(stack)

        def start() -> Started:
            invoke(stack, step, prepared)
            return Finished()

        return start

    return prepare


def event_of(stack: Deployed, step: str, workflow: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """What a run that has ended gave to the function of a step."""
    arn = stack.start(workflow, document)
    stack.end_of(arn, RUN_SECONDS)
    return step_event(stack, step, arn)


def fixture(name: str) -> Callable[[Deployed], Any]:
    """An event of events/."""
    return lambda _stack: json.loads((PROJECT_ROOT / "events" / name).read_text())

"""Every other service, as ministack itself saves and restores it, and what local AWS knows beside that."""

from collections.abc import Iterator
from typing import Any

from ministack import app
from ministack.services import athena, cloudformation

from local_aws.saved_state.bodies import LoadedBodies, SavedBodies
from local_aws.saved_state.stores import fill_stores, stores_of
from local_aws.scheduler import ticks

# The other modules of this package save these.
SAVED_ELSEWHERE = frozenset(("athena", "dynamodb", "lambda", "s3", "stepfunctions"))
# Queries of Athena; their results are objects.
PASSING = ("_executions",)
INTERRUPTED = "Local AWS ended during the operation."
# What a stack is whose operation was interrupted; any other one in progress has failed.
SETTLED = {
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS": "UPDATE_COMPLETE",
    "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS": "UPDATE_ROLLBACK_COMPLETE",
    "REVIEW_IN_PROGRESS": "REVIEW_IN_PROGRESS",
}


def records(_bodies: SavedBodies) -> Iterator[tuple[str, Any]]:
    """(service, state) of each that was used."""
    for name, get_state in app._build_persistence_save_dict().items():
        if name not in SAVED_ELSEWHERE and (state := get_state()):
            yield name, state
    yield "athena", stores_of(athena, besides=PASSING)
    yield "schedules", {key: watched.looked_until for key, watched in ticks._watched.items()}


def restore(name: str, state: Any, _bodies: LoadedBodies) -> None:
    """Put one service's state back."""
    if name == "athena":
        fill_stores(athena, state)
    elif name == "schedules":
        ticks.resume(state)
    else:
        app._get_module(app._state_map[name]).load_persisted_state(state)


def finish() -> None:
    """Settle the stacks whose operation was interrupted."""
    for stack in cloudformation._stacks.all_values():
        status = stack["StackStatus"]
        if status.endswith("_IN_PROGRESS") and SETTLED.get(status) != status:
            failed = status.removesuffix("_IN_PROGRESS") + "_FAILED"
            stack.update(StackStatus=SETTLED.get(status, failed), StackStatusReason=INTERRUPTED)

"""Which machines gain nothing from running side by side."""

from typing import Any

QUICK_RESOURCES = ("arn:aws:states:::dynamodb:", "arn:aws:states:::aws-sdk:dynamodb:")
QUICK_STATES = ("Pass", "Choice", "Succeed", "Fail")


def is_instant(machine: dict[str, Any]) -> bool:
    """Whether all states are worked off inside the server, without waiting for anything.

    Threads make those slower, so a Map takes such iterations in turn; only their retries make it show.
    """
    return all(_is_instant_state(state) for state in machine["States"].values())


def _is_instant_state(state: dict[str, Any]) -> bool:
    kind = state["Type"]
    if kind == "Task":
        return is_quick(state["Resource"])
    if kind == "Map":
        processor = state.get("ItemProcessor") or state["Iterator"]
        is_inline = processor.get("ProcessorConfig", {}).get("Mode") != "DISTRIBUTED"
        return is_inline and is_instant(processor)
    return kind in QUICK_STATES


def is_quick(resource: str) -> bool:
    """Whether a Task's call is worked off inside the server at once."""
    return resource.startswith(QUICK_RESOURCES) and not resource.endswith(".waitForTaskToken")

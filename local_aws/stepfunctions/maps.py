"""Map states: inline or distributed."""

from typing import Any

from local_aws.stepfunctions.branches import run_inline_map
from local_aws.stepfunctions.distributed_map import run_distributed_map
from local_aws.stepfunctions.retries import with_retries
from local_aws.stepfunctions.scope import Scope, State


def run_map(state: State, data: Any, scope: Scope) -> tuple[Any, str | None]:
    """Map: a Retry starts over with all items, in a new Map Run where it is distributed."""
    processor = state.get("ItemProcessor") or state["Iterator"]
    is_distributed = processor.get("ProcessorConfig", {}).get("Mode") == "DISTRIBUTED"
    run = run_distributed_map if is_distributed else run_inline_map
    return with_retries(state, data, scope, lambda: run(state, data, scope))

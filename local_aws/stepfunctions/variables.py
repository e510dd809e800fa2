"""Variables that a state assigns, and how large they may be."""

from typing import Any

from local_aws.stepfunctions.errors import DATA_LIMIT_EXCEEDED, MAXIMUM_PAYLOAD_BYTES
from local_aws.stepfunctions.scope import Scope, compact_json

# https://docs.aws.amazon.com/step-functions/latest/dg/workflow-variables.html
MAXIMUM_ASSIGNED_BYTES = MAXIMUM_PAYLOAD_BYTES
MAXIMUM_STORED_BYTES = 10 * 1024 * 1024


def set_variables(values: dict[str, Any], scope: Scope) -> None:
    """Set the variables of an Assign. Raises States.DataLimitExceeded."""
    texts = {name: compact_json(value) for name, value in values.items()}
    sizes = {name: len(text.encode()) for name, text in texts.items()}
    if sum(sizes.values()) > MAXIMUM_ASSIGNED_BYTES:
        raise _too_large("The variables assigned in one Assign field", MAXIMUM_ASSIGNED_BYTES, scope)
    if sum((scope.variable_bytes | sizes).values()) > MAXIMUM_STORED_BYTES:
        raise _too_large("The variables of the execution", MAXIMUM_STORED_BYTES, scope)
    scope.variables.update(values)
    scope.variable_bytes.update(sizes)
    scope.assigned = texts


def _too_large(what: str, limit: int, scope: Scope) -> Exception:
    return scope.failure(DATA_LIMIT_EXCEEDED, f"{what} exceed the maximum number of bytes service limit ({limit}).")

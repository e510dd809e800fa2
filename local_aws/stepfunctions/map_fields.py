"""The fields that inline and distributed Map states share."""

from dataclasses import dataclass
from typing import Any

from local_aws.stepfunctions import jsonata_expressions as jsonata
from local_aws.stepfunctions.data_flow import select_input
from local_aws.stepfunctions.errors import QUERY_EVALUATION, RUNTIME
from local_aws.stepfunctions.scope import Scope, State, compact_json
from local_aws.stepfunctions.templates import (
    bindings,
    fill_json_path,
    fill_jsonata,
    integer_field,
    jsonata_field,
    resolve_value,
)

STATE_DATA = "STATE_DATA"


@dataclass(frozen=True)
class ItemContext:
    """An item as the context object shows it to the Map state's own fields."""

    index: int
    value: Any
    source: str = STATE_DATA


def map_items(state: State, data: Any, scope: Scope) -> list[Any]:
    """The items of a Map state that takes them from its input. Raises the error of what is no array."""
    if scope.is_jsonata(state):
        if "Items" in state:
            if jsonata.is_expression(state["Items"]):
                return _array(jsonata_field(state, "Items", "array", data, scope))
            return _array(fill_jsonata(state["Items"], "Items", bindings(data, scope), scope))
        items, error = data, QUERY_EVALUATION
    else:
        items = resolve_value(state.get("ItemsPath", "$"), select_input(state, data, scope), scope)
        error = RUNTIME
    if not isinstance(items, list):
        raise scope.failure(error, f"Map state input must be an array but was: {compact_json(items)}")
    return items


def _array(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def maximum_concurrency(state: State, data: Any, scope: Scope) -> int:
    """MaxConcurrency; 0 leaves it to the service. Raises States.Runtime."""
    number = int(integer_field(state, "MaxConcurrency", 0, select_input(state, data, scope), scope))
    if number < 0:
        raise scope.failure(RUNTIME, "MaxConcurrency cannot be negative.")
    return number


def item_input(state: State, data: Any, item: ItemContext, scope: Scope) -> Any:
    """What ItemSelector (or its old name, Parameters) makes of an item."""
    selector = state.get("ItemSelector", state.get("Parameters"))
    if selector is None:
        return item.value
    outer = scope.extra
    shown = {"Index": item.index, "Value": item.value, "Source": item.source}
    scope.extra = {**outer, "Map": {"Item": shown}}
    try:
        if scope.is_jsonata(state):
            return fill_jsonata(selector, "ItemSelector", bindings(data, scope), scope)
        return fill_json_path(selector, select_input(state, data, scope), scope)
    finally:
        scope.extra = outer

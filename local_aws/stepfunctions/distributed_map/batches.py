"""From items to the inputs of children: ItemSelector and ItemBatcher."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from local_aws.stepfunctions.data_flow import select_input
from local_aws.stepfunctions.errors import MAXIMUM_PAYLOAD_BYTES, RUNTIME
from local_aws.stepfunctions.scope import Scope, State, compact_json
from local_aws.stepfunctions.templates import bindings, fill_json_path, fill_jsonata, integer_field


@dataclass(frozen=True)
class Batcher:
    """ItemBatcher's fields, evaluated. 0 means that a limit was not given."""

    maximum_items: int
    maximum_bytes: int
    batch_input: Any = None


@dataclass(frozen=True)
class ChildInput:
    """The input of one child as JSON, and how many items it holds."""

    text: str
    item_count: int


def evaluate_batcher(state: State, data: Any, scope: Scope) -> Batcher | None:
    """The state's ItemBatcher, or None."""
    fields = state.get("ItemBatcher")
    if fields is None:
        return None
    is_jsonata = scope.is_jsonata(state)
    selected = select_input(state, data, scope)
    holder = {**fields, "QueryLanguage": "JSONata" if is_jsonata else "JSONPath"}
    items = integer_field(holder, "MaxItemsPerBatch", 0, selected, scope)
    size = integer_field(holder, "MaxInputBytesPerBatch", 0, selected, scope)
    if items < 0 or not 0 <= size <= MAXIMUM_PAYLOAD_BYTES or not (items or size):
        raise scope.failure(RUNTIME, "ItemBatcher needs a positive MaxItemsPerBatch or MaxInputBytesPerBatch.")
    batch_input = fields.get("BatchInput")
    if batch_input is not None and is_jsonata:
        batch_input = fill_jsonata(batch_input, "ItemBatcher/BatchInput", bindings(data, scope), scope)
    elif batch_input is not None:
        batch_input = fill_json_path(batch_input, selected, scope)
    return Batcher(items, size, batch_input)


def child_inputs(inputs: Iterator[Any], batcher: Batcher | None) -> Iterator[ChildInput]:
    """The inputs of children, one for each item or for each batch."""
    texts = (compact_json(value) for value in inputs)
    if batcher is None:
        yield from (ChildInput(text, 1) for text in texts)
        return
    before, after = _envelope(batcher)
    overhead = len(before.encode()) + len(after)
    limit = min(batcher.maximum_bytes or MAXIMUM_PAYLOAD_BYTES, MAXIMUM_PAYLOAD_BYTES)
    batch: list[str] = []
    size = overhead
    for text in texts:
        grown = size + _bytes(text) + (1 if batch else 0)
        if batch and (grown > limit or len(batch) == batcher.maximum_items):
            yield ChildInput(before + ",".join(batch) + after, len(batch))
            batch, grown = [], overhead + _bytes(text)
        batch.append(text)
        size = grown
    if batch:
        yield ChildInput(before + ",".join(batch) + after, len(batch))


def _envelope(batcher: Batcher) -> tuple[str, str]:
    given = "" if batcher.batch_input is None else f'"BatchInput":{compact_json(batcher.batch_input)},'
    return f'{{{given}"Items":[', "]}"


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())

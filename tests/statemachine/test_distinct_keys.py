"""distinct_keys' children: what they take for a key, and what they say of one that failed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonata import Jsonata

from local_aws.stepfunctions.jsonata_expressions import evaluate
from sluice.errors import InvalidInputError
from sluice.workflows.distinct_keys.measure import ItemCollections
from tests.statemachine.definitions import all_states, definition

STATES = dict(all_states(definition("distinct_keys")))
TABLE = {"name": "t", "keys": [{"name": "id", "type": "S"}, {"name": "at", "type": "N"}]}
INDEX = {
    "name": "i",
    "keys": {
        "partition": [{"name": "a", "type": "S"}, {"name": "b", "type": "N"}],
        "sort": [{"name": "id", "type": "S"}],
    },
}
names = st.sampled_from(["id", "a", "b", "S", "N", ""])
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.sampled_from(["", "x", "S", "1"])),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(names, inner, max_size=2)),
    max_leaves=5,
)
typed = st.one_of(st.fixed_dictionaries({"S": values}), st.fixed_dictionaries({"N": values}), values)
keys = st.one_of(
    st.fixed_dictionaries({"id": st.fixed_dictionaries({"S": st.text(max_size=3)})}),
    st.fixed_dictionaries({"a": st.just({"S": "x"}), "b": st.just({"N": "1"})}),
    st.fixed_dictionaries({"id": typed}),
    st.fixed_dictionaries({"a": typed, "b": typed}),
    values,
)
CHECK_KEYS = Jsonata(STATES["CheckKeys"]["Output"]["Items"].removeprefix("{%").removesuffix("%}"))


def is_key(collections: ItemCollections, key: object) -> bool:
    """As SummarizeKeys sees it."""
    try:
        collections.key_from(key, "")
    except InvalidInputError:
        return False
    return True


@settings(max_examples=300)
@given(st.lists(keys, max_size=5), st.sampled_from([None, INDEX]))
@example([{"id": {"S": "a", "": "x"}}], None)
@example([[{"id": {"S": "a"}}], {"id": {"S": "a"}}], None)
def test_batch_and_summary_take_the_same_lines_for_keys(lines: list[Any], index: Any) -> None:
    scan = {"table": TABLE, "index": index}
    frame = CHECK_KEYS.create_frame()
    frame.bind("states", {"input": {"BatchInput": {"scan": scan}, "Items": lines}})
    collections = ItemCollections.from_scan(scan)
    assert list(CHECK_KEYS.evaluate(None, frame)) == [each for each in lines if is_key(collections, each)]


@pytest.mark.parametrize("character", ["x", '"', "\\", "\n", "\x01", "\u00fc", "\U0001f600"])
@pytest.mark.parametrize("keys", [1, 100, 500])
def test_causes_of_a_whole_batch_fit_into_its_output(character: str, keys: int) -> None:
    most = evaluate(
        STATES["StartStateMachines"]["ItemSelector"]["causeCharacters"][2:-2].strip(),
        {"states": {"input": {"Items": [None] * keys}}},
    )
    given = {"causeCharacters": most, "cause": "denied: " + character * 30_000}
    cause = evaluate(STATES["KeyFailed"]["Output"]["cause"][2:-2].strip(), {"states": {"input": given}})
    failed = {"index": keys - 1, "error": "States.TaskFailed", "cause": cause}
    assert cause.startswith("denied: " + character * 10)
    assert keys * (len(json.dumps(failed)) + 1) < 200_000


def test_cause_that_fits_is_whole() -> None:
    given = {"causeCharacters": 240, "cause": "denied: states:StartExecution on resource: arn:aws:states:::x"}
    assert (
        evaluate(STATES["KeyFailed"]["Output"]["cause"][2:-2].strip(), {"states": {"input": given}}) == given["cause"]
    )

"""Plain batches, and those that ministack serves, end alike."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ministack.services import dynamodb as service

from local_aws.dynamodb.batch_write import write_batch
from local_aws.dynamodb.expressions.tokens import NotPlainError
from tests.local_aws.random_requests import ATTRIBUTES, KEYS, TABLE, Draw, outcome


@st.composite
def batches(draw: Draw) -> dict[str, Any]:
    """Puts and deletes of two keys, now and then of one of them twice or of a table that is not there."""
    puts = st.builds(lambda key, item: {"PutRequest": {"Item": {**item, "pk": key}}}, KEYS, ATTRIBUTES)
    deletes = st.builds(lambda key: {"DeleteRequest": {"Key": {"pk": key}}}, KEYS)
    name = draw(st.sampled_from((TABLE, TABLE, TABLE, "none")))
    requests = draw(st.lists(st.one_of(puts, puts, deletes), max_size=3))
    capacity = draw(st.sampled_from(("NONE", "TOTAL", "INDEXES", "ALL")))
    return {"RequestItems": {name: requests}, "ReturnConsumedCapacity": capacity}


def with_ordinary_path(data: dict[str, Any]) -> Any:
    try:
        return write_batch(data)
    except NotPlainError:
        return service._batch_write_item(data)


@given(request=batches(), attributes=ATTRIBUTES)
def test_short_batch_ends_as_the_long_one(request: dict[str, Any], attributes: dict[str, Any]) -> None:
    items = [{**attributes, "pk": {"S": "k"}}]
    assert outcome(with_ordinary_path, request, items) == outcome(service._batch_write_item, request, items)


@pytest.mark.parametrize("number", ["1.50", "007", "41.13047220", "1E2", "-0.0"])
def test_numbers_in_any_form_take_the_fast_path(number: str) -> None:
    request = {"RequestItems": {TABLE: [{"PutRequest": {"Item": {"pk": {"S": "k"}, "n": {"N": number}}}}]}}
    assert outcome(write_batch, request, []) == outcome(service._batch_write_item, request, [])

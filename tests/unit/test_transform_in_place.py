"""Items changed in place: the requests to DynamoDB, and what its responses lead to."""

from __future__ import annotations

from typing import Any

import pytest

from sluice.aws.wire import Attempts
from sluice.errors import WireError
from sluice.mapping.delete import DELETE
from sluice.runs.counts import Counts
from sluice.workflows.table_transform.progress import Changes
from sluice.workflows.table_transform.requests import CHANGE_SHAPES_MAX, ChangeBodies
from tests.unit.fake_tables import Json, denied
from tests.unit.segment_slices import (
    BIRDS,
    Item,
    bird,
    birds_and_nests,
    dry_run,
    in_place,
    lines,
    louder,
    named,
    names,
    where,
)


def test_only_changed_attributes_are_written_and_only_if_nobody_has_changed_them() -> None:
    tables = birds_and_nests(bird("b", name="owl", n=1, old="x"))

    def transform(item: Item) -> Item:
        del item["old"]
        return louder(item) | {"sound": "hoo"}

    in_place(tables, transform, where=where("n < :limit", {}, limit=5)).run()
    (request,) = tables.operations("UpdateItem")
    assert request == {
        "TableName": "birds",
        "Key": {"pk": {"S": "b"}},
        "UpdateExpression": "SET #0=:0,#1=:2 REMOVE #2",
        "ConditionExpression": "attribute_exists(#3) AND #0=:1 AND attribute_not_exists(#1) AND #2=:5 AND (n < :limit)",
        "ExpressionAttributeNames": {"#0": "name", "#1": "sound", "#2": "old", "#3": "pk"},
        "ExpressionAttributeValues": {
            ":0": {"S": "OWL"},
            ":1": {"S": "owl"},
            ":2": {"S": "hoo"},
            ":5": {"S": "x"},
            ":limit": {"N": "5"},
        },
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        "ReturnConsumedCapacity": "TOTAL",
    }
    assert tables.tables["birds"].all == [bird("b", name="OWL", n=1, sound="hoo")]


def test_items_are_counted_by_what_became_of_them() -> None:
    tables = named("owl", "WREN", "dead", "none", "poison", "refuse")

    def transform(item: Item) -> Any:
        match item["name"]:
            case "dead":
                return DELETE
            case "none":
                return None
            case "poison":
                raise ValueError("bad egg")
            case "refuse":
                return item | {"refuse": 1}
        return louder(item)

    result = in_place(tables, transform).run()
    progress = result.progress
    assert progress.is_done
    assert progress.counts == Counts(read=6, written=2, skipped=2, rejected=2)
    assert progress.done.changes == Changes(changed=1, unchanged=2, deleted=1)
    assert (progress.done.scanned, progress.done.read_units, progress.done.write_units) == (6, 1.5, 2.0)
    assert progress.reasons == {"TransformFailed": 1, "WriteRejected": 1}
    assert (progress.reject_slices, progress.sample_slices) == ((0,), (0,))
    rejects = {each["error"]: each for each in lines(result.rejects)}
    assert rejects["TransformFailed"] == {
        "error": "TransformFailed",
        "message": "ValueError: bad egg",
        "key": {"pk": {"S": "b4"}},
        "record": bird("b4", name="poison"),
    }
    assert rejects["WriteRejected"]["key"] == {"pk": {"S": "b5"}}
    assert names(tables) == ["OWL", "WREN", "none", "poison", "refuse"]


def test_applied_twice_is_applied_once() -> None:
    tables = named("owl", "wren", "tit")
    in_place(tables, louder).run()
    second = in_place(tables, louder).run().progress
    assert second.counts == Counts(read=3, skipped=3)
    assert second.done.changes == Changes(unchanged=3)
    assert second.done.write_units == 0


def test_filter_lets_through_what_it_says() -> None:
    tables = named("owl", "wren", "tit", "jay")
    progress = in_place(tables, louder, where=where("#n <> :owl", {"#n": "name"}, owl="owl")).run().progress
    assert (progress.counts.read, progress.done.scanned) == (3, 4)
    assert names(tables) == ["owl", "WREN", "TIT", "JAY"]


def test_pages_without_matching_items_are_read_on() -> None:
    tables = named(*["owl"] * 10)
    progress = in_place(tables, louder, where=where("#n = :jay", {"#n": "name"}, jay="jay")).run_to_the_end()
    assert (progress.counts.read, progress.done.scanned) == (0, 10)


def test_conflict_is_transformed_again_from_the_item_as_it_is() -> None:
    tables = named("owl")

    def write(number: int, operation: str) -> None:
        if operation == "UpdateItem" and number < 3:
            tables.tables["birds"].put(bird("b0", name=f"owl{number}", n=number))

    tables.before = write
    result = in_place(tables, louder).run()
    assert tables.tables["birds"].all == [bird("b0", name="OWL2", n=2)]
    assert result.progress.done.changes == Changes(changed=1, conflicts=2)
    assert result.progress.done.write_units == 3.0
    assert lines(result.sample)[0]["before"] == bird("b0", name="owl2", n=2)


def test_item_that_others_change_all_the_time_is_rejected() -> None:
    tables = named("owl")

    def write(number: int, operation: str) -> None:
        if operation == "UpdateItem":
            tables.tables["birds"].put(bird("b0", name=f"owl{number}"))

    tables.before = write
    result = in_place(tables, louder).run()
    assert len(tables.operations("UpdateItem")) == 4
    (reject,) = lines(result.rejects)
    assert (reject["error"], reject["record"]) == ("WriteConflict", bird("b0", name="owl4"))
    assert "each of 4 times" in reject["message"]


def test_item_that_was_deleted_or_filtered_out_meanwhile_is_skipped() -> None:
    tables = birds_and_nests(bird("a", name="owl", n=1), bird("b", name="owl", n=1))

    def write(_number: int, operation: str) -> None:
        if operation == "UpdateItem":
            tables.tables["birds"].items.clear()
            tables.tables["birds"].put(bird("a", name="owl", n=7))

    tables.before = write
    progress = in_place(tables, louder, where=where("n < :limit", {}, limit=5)).run().progress
    assert progress.counts == Counts(read=2, skipped=2)
    assert progress.done.changes == Changes()
    assert tables.tables["birds"].all == [bird("a", name="owl", n=7)]


def test_item_that_another_writer_deletes_first_is_skipped() -> None:
    tables = named("owl")

    def write(_number: int, operation: str) -> None:
        if operation == "DeleteItem":
            tables.tables["birds"].items.clear()

    tables.before = write
    progress = in_place(tables, lambda _item: DELETE).run().progress
    assert (progress.counts, progress.done.changes) == (Counts(read=1, skipped=1), Changes())


@pytest.mark.parametrize(("answered", "outcome"), [("louder", Counts(1, 1)), ("deleted", Counts(1, 1))])
def test_change_whose_answer_was_lost_is_known_by_its_work(answered: str, outcome: Counts) -> None:
    tables = named("owl")
    call = tables.call

    def again(operation: str, body: bytes, attempts: Attempts | None = None) -> Json:
        answer = call(operation, body, attempts)
        if operation in ("UpdateItem", "DeleteItem") and attempts:
            attempts.may_have_run = True
            return call(operation, body, attempts)
        return answer

    tables.call = again  # type: ignore[method-assign]
    transform = louder if answered == "louder" else lambda _item: DELETE
    progress = in_place(tables, transform).run().progress
    assert progress.counts == outcome
    assert progress.done.changes.conflicts == 0


def test_item_that_was_added_to_as_it_was_deleted_goes_back() -> None:
    tables = named("owl", "jay")

    def write(number: int, operation: str) -> None:
        if number == 1:
            assert operation == "DeleteItem"
            tables.tables["birds"].put(bird("b0", name="owl", keep="yes"), bird("b1", name="jay", other="no"))

    tables.before = write
    progress = in_place(tables, lambda item: None if "keep" in item else DELETE).run().progress
    assert tables.tables["birds"].all == [bird("b0", name="owl", keep="yes")]
    assert progress.done.changes == Changes(unchanged=1, deleted=1, conflicts=1)


def test_item_that_cannot_go_back_is_in_the_rejects() -> None:
    tables = named("owl")

    def write(number: int, operation: str) -> None:
        if number == 1:
            tables.tables["birds"].put(bird("b0", name="owl", keep="yes"))
        if operation == "UpdateItem":
            denied(number, operation)

    def transform(item: Item) -> Any:
        if "keep" in item:
            raise ValueError("bad egg")
        return DELETE

    tables.before = write
    (reject,) = lines(in_place(tables, transform).run().rejects)
    assert (reject["error"], reject["record"]) == ("WriteConflict", bird("b0", name="owl", keep="yes"))
    assert "not to be put back: UpdateItem is not allowed" in reject["message"]


def test_item_of_nothing_but_its_key_goes_back() -> None:
    requests = ChangeBodies("birds", BIRDS, None)
    tables = birds_and_nests()
    tables.call("UpdateItem", requests.restoration(bird("b")))
    tables.call("UpdateItem", requests.restoration(bird("c", name="x")))
    tables.call("UpdateItem", requests.restoration(bird("c", name="y", n=1)))
    assert tables.tables["birds"].all == [bird("b"), bird("c", name="x", n=1)]


def test_item_that_grows_too_large_is_rejected_as_such_by_whoever_measures_it() -> None:
    tables = birds_and_nests(bird("b", name="x" * 409_000))
    grown = in_place(tables, lambda item: item | {"more": "y" * 1000}).run().progress
    assert grown.reasons == {"ItemTooLarge": 1}
    assert tables.operations("UpdateItem")
    foreseen = dry_run(tables, lambda item: item | {"more": "y" * 1000}).run().progress
    assert foreseen.reasons == {"ItemTooLarge": 1}


def test_items_of_any_number_of_shapes_are_changed() -> None:
    tables = birds_and_nests(*(bird(f"b{number}", **{f"a{number}": "x"}) for number in range(CHANGE_SHAPES_MAX + 10)))
    progress = in_place(
        tables, lambda item: {name: f"{value}!" if name != "pk" else value for name, value in item.items()}
    )
    assert progress.run().progress.counts.written == CHANGE_SHAPES_MAX + 10
    deleted = in_place(tables, lambda _item: DELETE).run().progress
    assert deleted.counts.written == CHANGE_SHAPES_MAX + 10


def test_other_refusals_end_the_slice() -> None:
    tables = named("owl")

    def refuse(_number: int, operation: str) -> None:
        if operation == "UpdateItem":
            raise WireError("LimitExceededException", "too much", 400)

    tables.before = refuse
    with pytest.raises(WireError, match="LimitExceededException"):
        in_place(tables, louder).run()

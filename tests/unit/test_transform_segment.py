"""TransformSegment: slices of a segment over tables in memory, and behind the wire to files in S3."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from sluice import errors
from sluice.counts import Counts
from sluice.errors import ThrottledError, UnexpectedResponseError, WireError
from sluice.keys import KeySchema
from sluice.loading.range_slice import REJECTS_MAX_BYTES
from sluice.pacing.budget import Kind
from sluice.transforming.delete import DELETE
from sluice.transforming.item_scan import ItemScan
from sluice.transforming.sample import SAMPLE_MAX_BYTES, Sample
from sluice.transforming.segment_request import SegmentRequest
from sluice.transforming.transform_progress import Changes, TransformProgress
from sluice.transforming.transform_slice import ITEMS_PER_CHECK
from sluice.transforming.update_requests import SHAPES_MAX, UpdateRequests
from sluice.writing.wire import Attempts
from sluice.writing.writers import OnConflict
from tests.fixtures import EVENTS, expected_error, fixture
from tests.unit.fake_dynamodb import FakeDynamoDB, Fault, Seen, serving
from tests.unit.fake_tables import FakeTable, FakeTables, Json, denied
from tests.unit.lambda_context import Context
from tests.unit.segment_slices import (
    BIRDS,
    NESTS,
    NESTS_TABLE,
    Segment,
    always,
    bird,
    birds_and_nests,
    dry_run,
    in_place,
    into_nests,
    job,
    where,
)

USUAL = fixture("transform_segment", "usual")
BUCKET = "sluice-data-000000000000-us-east-1"
PREFIX = "table_transform/fixture/"
BUDGETS = "run-budgets"
Item = dict[str, Any]


def louder(item: Item) -> Item:
    item["name"] = item["name"].upper()
    return item


def named(*names: str) -> FakeTables:
    return birds_and_nests(*(bird(f"b{number}", name=name) for number, name in enumerate(names)), page_items=3)


def names(tables: FakeTables) -> list[str]:
    return [item["name"]["S"] for item in tables.tables["birds"].all]


def lines(body: bytes) -> list[Json]:
    return [json.loads(line) for line in body.splitlines()]


# In place.


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


def test_pages_that_let_nothing_through_are_gone_through() -> None:
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


def test_item_that_is_gone_or_filtered_out_by_then_is_skipped() -> None:
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
    requests = UpdateRequests("birds", BIRDS, None)
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
    tables = birds_and_nests(*(bird(f"b{number}", **{f"a{number}": "x"}) for number in range(SHAPES_MAX + 10)))
    progress = in_place(
        tables, lambda item: {name: f"{value}!" if name != "pk" else value for name, value in item.items()}
    )
    assert progress.run().progress.counts.written == SHAPES_MAX + 10
    deleted = in_place(tables, lambda _item: DELETE).run().progress
    assert deleted.counts.written == SHAPES_MAX + 10


def test_other_refusals_end_the_slice() -> None:
    tables = named("owl")

    def refuse(_number: int, operation: str) -> None:
        if operation == "UpdateItem":
            raise WireError("LimitExceededException", "too much", 400)

    tables.before = refuse
    with pytest.raises(WireError, match="LimitExceededException"):
        in_place(tables, louder).run()


# Slices.


def test_slices_go_on_where_the_one_before_stopped() -> None:
    tables = birds_and_nests(*(bird(f"b{number}", name="owl") for number in range(300)), page_items=1_000)
    # What is not to be changed takes nothing to be waited for.
    progress = dry_run(tables, louder).run_to_the_end()
    assert (progress.slices, progress.counts.read) == (-(-300 // ITEMS_PER_CHECK), 300)
    progress = in_place(tables, louder).run(None, always).progress
    assert progress.counts.read == 1
    assert progress.start_key is not None
    whole = in_place(tables, louder).run_to_the_end()
    assert whole.counts == Counts(read=300, written=299, skipped=1)
    assert (whole.done.scanned, whole.start_key) == (300, None)
    assert set(names(tables)) == {"OWL"}


def test_progress_stays_what_it_was_on_its_way_through_state() -> None:
    tables = named("owl", "poison", "jay")
    result = in_place(tables, louder).run(None, always)
    state = json.loads(json.dumps(result.progress.to_state()))
    assert TransformProgress.from_state(state) == result.progress


def test_many_rejects_end_a_slice() -> None:
    birds = [bird(f"b{number:03}", name="x" * 300_000) for number in range(130)]
    tables = birds_and_nests(*birds, page_items=4)

    def poison(_item: Item) -> Any:
        raise ValueError

    result = dry_run(tables, poison).run()
    assert REJECTS_MAX_BYTES < len(result.rejects) < REJECTS_MAX_BYTES + 5 * 310_000
    assert not result.progress.is_done
    whole = dry_run(tables, poison).run_to_the_end()
    assert whole.counts == Counts(read=130, rejected=130)


def test_throttle_before_anything_was_done_is_told() -> None:
    tables = named("owl")

    def throttle(_number: int, operation: str) -> None:
        if operation == "UpdateItem":
            raise ThrottledError("told to")

    tables.before = throttle
    with pytest.raises(ThrottledError):
        in_place(tables, louder).run()
    assert names(tables) == ["owl"]


def test_page_that_lacks_what_every_page_has_is_refused() -> None:
    with pytest.raises(UnexpectedResponseError, match="a page of birds has no 'ScannedCount'"):
        ItemScan("birds", 0, 1, None).page({"Items": []})


def test_many_items_in_bounded_memory() -> None:
    sample = Sample(3, "seed")
    for number in range(1_000):
        if (place := sample.place()) is not None:
            sample.put(place, b"%d" % number)
    assert len(sample.lines) == 3
    assert max(map(int, sample.lines)) > 100
    large = Sample(100, "seed")
    for _ in range(50):
        if (place := large.place()) is not None:
            large.put(place, b"x" * (1 << 20))
    assert sum(map(len, large.lines)) == SAMPLE_MAX_BYTES


# Dry runs.


def test_dry_run_writes_nothing_and_says_what_that_would_take() -> None:
    tables = birds_and_nests(
        bird("small", name="owl"),
        bird("same", name="OWL"),
        bird("large", name="x" * 2_000),
        bird("dead", name="y" * 1_500),
    )

    def transform(item: Item) -> Any:
        if item["pk"] == "dead":
            return DELETE
        return {"pk": "large", "name": "z"} if item["pk"] == "large" else louder(item)

    result = dry_run(tables, transform).run()
    assert {operation for operation, _ in tables.log} == {"Scan"}
    assert result.progress.counts == Counts(read=4, skipped=4)
    assert result.progress.done.changes == Changes(changed=2, unchanged=1, deleted=1)
    # One unit for the small item, two for what the large one was, two for the dead one.
    assert (result.progress.done.planned_write_units, result.progress.done.write_units) == (5.0, 0.0)
    sample = {each["key"]["pk"]["S"]: each for each in lines(result.sample)}
    assert sample["small"]["after"] == bird("small", name="OWL")
    assert sample["dead"]["after"] is None
    applied = in_place(tables, transform).run().progress
    assert (applied.done.write_units, applied.done.changes) == (5.0, result.progress.done.changes)


@pytest.mark.parametrize("deletes_source", [False, True])
def test_dry_run_into_a_target_counts_puts_and_deletions(deletes_source: bool) -> None:
    tables = named("owl", "wren", "dead", "none")

    def transform(item: Item) -> Any:
        if item["name"] == "none":
            return None
        if item["name"] == "dead" and deletes_source:
            return DELETE
        return [{"id": item["pk"]}, {"id": item["name"], "more": "x" * 1_024}]

    progress = dry_run(tables, transform, target=NESTS_TABLE, deletes_source=deletes_source).run().progress
    assert {operation for operation, _ in tables.log} == {"Scan"}
    # Three units for each that is put, one for each that is deleted.
    assert progress.done.planned_write_units == (2 * 3 + 3 if deletes_source else 3 * 3)
    assert progress.done.changes.deleted == deletes_source


# Into another table.


def nest(item: Item) -> Item:
    return {"id": item["pk"], "name": item["name"]}


@pytest.mark.parametrize(
    ("on_conflict", "counts", "name"),
    [
        (OnConflict.REPLACE, Counts(read=4, written=3, skipped=1), "owl"),
        (OnConflict.KEEP, Counts(read=4, written=2, skipped=2), "eagle"),
        (OnConflict.REJECT, Counts(read=4, written=2, skipped=1, rejected=1), "eagle"),
    ],
)
def test_items_that_the_target_has_are_treated_as_in_a_load(on_conflict: OnConflict, counts: Counts, name: str) -> None:
    tables = named("owl", "none", "tit", "jay")
    tables.tables["nests"].put({"id": {"S": "b0"}, "name": {"S": "eagle"}})
    progress = into_nests(
        tables, lambda item: None if item["name"] == "none" else nest(item), on_conflict=on_conflict
    ).run()
    assert progress.progress.counts == counts
    assert [item["name"]["S"] for item in tables.tables["nests"].all] == [name, "tit", "jay"]
    assert len(tables.tables["birds"].items) == 4


def test_item_whose_puts_are_refused_in_part_is_rejected() -> None:
    tables = named("owl", "jay")

    def transform(item: Item) -> list[Item]:
        return [nest(item), {"id": f"{item['pk']}x", **({"refuse": 1} if item["name"] == "jay" else {})}]

    result = into_nests(tables, transform, deletes_source=True).run()
    assert result.progress.counts == Counts(read=2, written=1, rejected=1)
    assert names(tables) == ["jay"]
    assert lines(result.rejects)[0]["error"] == "WriteRejected"


def test_item_that_was_kept_in_part_is_not_moved() -> None:
    tables = named("owl")
    tables.tables["nests"].put({"id": {"S": "b0"}, "name": {"S": "eagle"}})
    segment = into_nests(
        tables, lambda item: [nest(item), {"id": "other"}], on_conflict=OnConflict.KEEP, deletes_source=True
    )
    assert segment.run().progress.counts == Counts(read=1, skipped=1)
    assert names(tables) == ["owl"]
    copied = into_nests(tables, lambda item: [nest(item), {"id": "third"}], on_conflict=OnConflict.KEEP)
    assert copied.run().progress.counts == Counts(read=1, written=1)


def test_move_whose_source_cannot_be_deleted_is_rejected() -> None:
    tables = named("owl")

    def refuse(_number: int, operation: str) -> None:
        if operation == "DeleteItem":
            raise WireError("ValidationException", "The expression contains too many operators", 400)

    tables.before = refuse
    progress = into_nests(tables, nest, deletes_source=True).run().progress
    assert progress.reasons == {"WriteRejected": 1}
    assert names(tables) == ["owl"]


def test_put_that_is_taken_back_keeps_what_others_have_made_of_it() -> None:
    tables = named("owl", "jay")
    tables.tables["birds"].page_items = 10

    def write(_number: int, operation: str) -> None:
        if operation == "DeleteItem" and len(tables.operations("DeleteItem")) == 1:
            for item in tables.tables["nests"].all:
                tables.tables["nests"].put(
                    item | ({"more": {"S": "x"}} if item["id"]["S"] == "b0" else {"name": {"S": "z"}})
                )
            tables.tables["birds"].put(bird("b0", name="owl2"), bird("b1", name="jay2"))

    tables.before = write
    result = into_nests(tables, nest, deletes_source=True, on_conflict=OnConflict.KEEP).run()
    assert [(item["name"]["S"], "more" in item) for item in tables.tables["nests"].all] == [("owl", True), ("z", False)]
    assert names(tables) == ["owl2", "jay2"]
    assert result.progress.counts == Counts(read=2, skipped=2)


def test_what_has_arrived_is_deleted_also_when_the_time_is_up() -> None:
    tables = named("owl", "jay", "tit")
    segment = into_nests(tables, nest, deletes_source=True)
    progress = segment.run(None, lambda: bool(tables.operations("BatchWriteItem"))).progress
    assert progress.counts == Counts(read=3, written=3)
    assert not tables.tables["birds"].items


def added_to_as_it_is_deleted(tables: FakeTables) -> None:
    """Another writer adds to the item before the first DeleteItem."""

    def write(_number: int, operation: str) -> None:
        if operation == "DeleteItem" and len(tables.operations("DeleteItem")) == 1:
            tables.tables["birds"].put(bird("b0", name="owl", more="x"))

    tables.before = write


def test_item_that_was_added_to_as_it_was_moved_is_moved_with_that() -> None:
    tables = named("owl")
    added_to_as_it_is_deleted(tables)
    progress = into_nests(tables, lambda item: nest(item) | item, deletes_source=True).run().progress
    assert (progress.counts, progress.done.changes.conflicts) == (Counts(read=1, written=1), 1)
    assert tables.tables["nests"].all == [bird("b0", name="owl", more="x") | {"id": {"S": "b0"}}]
    assert not tables.tables["birds"].items


@pytest.mark.parametrize("transform", [nest, lambda _item: DELETE])
def test_item_that_becomes_the_same_with_what_was_added_is_moved(transform: Any) -> None:
    tables = named("owl")
    added_to_as_it_is_deleted(tables)
    progress = into_nests(tables, transform, deletes_source=True).run().progress
    assert (progress.counts, progress.done.changes.conflicts) == (Counts(read=1, written=1), 0)
    assert not tables.tables["birds"].items
    assert not tables.operations("UpdateItem")


def test_item_that_others_change_all_the_time_is_not_moved() -> None:
    tables = named("owl")

    def write(number: int, operation: str) -> None:
        if operation == "DeleteItem" and tables.log[-1][1]["TableName"] == "birds":
            tables.tables["birds"].put(bird("b0", name=f"owl{number}"))

    tables.before = write
    progress = into_nests(tables, nest, deletes_source=True).run().progress
    assert progress.reasons == {"WriteConflict": 1}
    assert (len(tables.tables["birds"].items), len(tables.tables["nests"].items)) == (1, 0)


def test_item_that_must_not_be_moved_with_what_was_added_stays() -> None:
    tables = named("owl")
    added_to_as_it_is_deleted(tables)

    def transform(item: Item) -> Item:
        if "more" in item:
            raise ValueError("bad egg")
        return nest(item)

    progress = into_nests(tables, transform, deletes_source=True).run().progress
    assert progress.reasons == {"TransformFailed": 1}
    assert tables.tables["birds"].all == [bird("b0", name="owl", more="x")]
    assert not tables.tables["nests"].items


def test_moved_item_that_cannot_go_back_is_in_the_rejects() -> None:
    tables = named("owl")
    added_to_as_it_is_deleted(tables)
    adds = tables.before

    def before(number: int, operation: str) -> None:
        adds(number, operation)
        if operation == "UpdateItem":
            denied(number, operation)

    tables.before = before
    result = into_nests(tables, lambda item: nest(item) | item, deletes_source=True).run()
    (reject,) = lines(result.rejects)
    assert (reject["error"], reject["record"]) == ("WriteConflict", bird("b0", name="owl", more="x"))


def test_poison_on_its_way_to_a_target_is_rejected() -> None:
    tables = named("owl", "jay")
    progress = into_nests(tables, lambda item: nest(item) if item["name"] == "owl" else item["x"]).run().progress
    assert progress.counts == Counts(read=2, written=1, rejected=1)


@pytest.mark.parametrize("page_items", [50, 150])
def test_throttle_of_a_put_ends_the_slice_before_its_page(page_items: int) -> None:
    tables = birds_and_nests(*(bird(f"b{number:03}", name="x") for number in range(300)), page_items=page_items)

    def throttle(_number: int, operation: str) -> None:
        if operation == "PutItem" and len(tables.operations("PutItem")) > page_items + 10:
            raise ThrottledError("told to")

    tables.before = throttle
    segment = into_nests(tables, nest, on_conflict=OnConflict.REJECT)
    first = segment.run().progress
    assert (first.counts.read, first.is_interrupted) == (page_items, True)
    tables.before = lambda _number, _operation: None
    whole = segment.run(first).progress
    assert whole.counts == Counts(read=300, written=300)


def test_throttle_of_a_deletion_ends_the_slice_before_its_item() -> None:
    tables = named("owl", "jay", "tit", "wren", "nuthatch")

    def throttle(_number: int, operation: str) -> None:
        if operation == "DeleteItem" and len(tables.operations("DeleteItem")) == 5:
            raise ThrottledError("told to")

    tables.before = throttle
    segment = into_nests(tables, nest, deletes_source=True)
    first = segment.run().progress
    assert (first.counts.read, first.is_interrupted) == (4, True)
    assert segment.run(first).progress.counts == Counts(read=5, written=5)
    assert (len(tables.tables["birds"].items), len(tables.tables["nests"].items)) == (0, 5)


# At a rate.


def test_pages_and_writes_keep_to_the_rate() -> None:
    tables = birds_and_nests(*(bird(f"b{number:03}", name="x") for number in range(120)))
    limits = {Kind.READ: 60.0, Kind.WRITE: 2_000.0}
    progress = Segment(tables, louder, job(), limits=limits).run().progress
    assert progress.counts.written == 120
    pages = tables.operations("Scan")
    assert pages[0]["Limit"] == 30
    assert len(pages) > 1


def test_page_that_the_rate_does_not_admit_in_time_is_left_to_the_next_slice() -> None:
    tables = birds_and_nests(*(bird(f"b{number:03}", name="x") for number in range(120)))
    limits = {Kind.READ: 60.0, Kind.WRITE: None}
    segment = Segment(tables, lambda _item: None, job(), limits=limits)
    progress = segment.run(None, lambda: len(tables.log) > 1).progress
    assert (progress.counts.read, progress.is_done, progress.is_interrupted) == (progress.done.scanned, False, False)
    assert segment.run(progress).progress.counts.read == 120


def test_withdrawal_that_is_not_allowed_ends_the_slice() -> None:
    tables = named("owl")

    def write(number: int, operation: str) -> None:
        if operation == "DeleteItem":
            tables.tables["birds"].put(bird("b0", name="owl2"))
            if tables.log[-1][1]["TableName"] == "nests":
                raise WireError("LimitExceededException", "too much", 400)

    tables.before = write
    with pytest.raises(WireError, match="LimitExceededException"):
        into_nests(tables, nest, deletes_source=True).run()


def test_put_that_the_rate_does_not_admit_in_time_is_left_to_the_next_slice() -> None:
    tables = birds_and_nests(*(bird(f"b{number:03}", name="x") for number in range(20)))
    limits = {Kind.READ: None, Kind.WRITE: 10.0}
    segment = Segment(tables, nest, job(target=NESTS_TABLE), limits=limits)
    started = time.monotonic()
    progress = segment.run(None, lambda: time.monotonic() > started + 0.3).progress
    assert 0 < progress.counts.read < 20
    assert progress.counts.read == progress.counts.written == len(tables.tables["nests"].items)


# The function.


@dataclass
class TableServer(FakeDynamoDB):
    """Tables behind HTTP, as the wire finds them."""

    tables: FakeTables = field(default_factory=FakeTables)
    beats: int = 0

    def beat(self) -> Json:
        """The item of a run with one worker."""
        self.beats += 1
        counters = {"writeUnitsPerSecond": 10**6, "workers": 1, "beats": self.beats}
        modest = dict.fromkeys(["readModest", "readModestUnits", "writeModest", "writeModestUnits"], 0)
        return {name: {"N": str(number)} for name, number in (counters | modest).items()}

    def answer(self, seen: Seen) -> tuple[Fault, bytes]:
        """The tables' answer."""
        name = seen.body.get("TableName") or next(iter(seen.body["RequestItems"]))
        if name == BUDGETS:
            return Fault(), json.dumps({"Attributes": self.beat()}).encode()
        if name not in self.tables.tables:
            name = "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException"
            return Fault(400), json.dumps({"__type": name, "message": "Requested resource not found"}).encode()
        try:
            return Fault(), json.dumps(self.tables.call(seen.operation, seen.raw)).encode()
        except WireError as error:
            return Fault(400), json.dumps({"__type": f"x#{error.name}", **error.details}).encode()


ICAO = KeySchema.from_state([{"name": "icao", "type": "S"}])


def airports() -> FakeTables:
    tables = FakeTables(airports=FakeTable(ICAO, page_items=20))
    for number in range(100):
        tables.tables["airports"].put({"icao": {"S": f"K{number:03}"}, "name": {"S": f"é {number}"}})
    return tables


@pytest.fixture(scope="module")
def server() -> Iterator[TableServer]:
    fake = TableServer()
    with serving(fake):
        yield fake


@pytest.fixture(scope="module")
def endpoint(server: TableServer) -> Iterator[None]:
    """The wire of the handler asks for its endpoint once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL_DYNAMODB", server.url)
        yield


@pytest.fixture
def handler(server: TableServer, endpoint: None) -> Iterator[Any]:
    server.tables = airports()
    with mock_aws():
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        yield import_module("transform_segment.handler")


def applied(segment: int = 0, progress: Json | None = None, **changed: Any) -> Json:
    job = USUAL["transform"] | {"mode": "apply", "totalSegments": 1, **changed}
    return USUAL | {"transform": job, "segment": {"segment": segment}, "progress": progress}


def objects() -> dict[str, bytes]:
    """What the run has left in the bucket, by what follows its prefix."""
    s3 = boto3.client("s3")
    found = [each["Key"] for each in s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]
    return {key.removeprefix(PREFIX): s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in found}


def test_slice_leaves_its_sample_and_a_cursor(handler: Any, server: TableServer) -> None:
    progress = handler.lambda_handler(applied(), Context())
    assert (progress["done"], progress["counts"]["written"], progress["slices"]) == (True, 100, 1)
    assert all("label" in item for item in server.tables.tables["airports"].all)
    left = objects()
    assert sorted(left) == [
        "attempts/00000000-0000",
        "cursors/000000.json",
        "sample/000000-0000.jsonl",
        "slices/000000-0000",
    ]
    assert json.loads(left["cursors/000000.json"]) == progress
    assert len(lines(left["sample/000000-0000.jsonl"])) == 13


def test_segments_are_the_whole_table(handler: Any) -> None:
    ends = [handler.lambda_handler(applied(number, totalSegments=4), Context()) for number in range(4)]
    assert sum(each["counts"]["read"] for each in ends) == 100


def test_slices_of_the_function_go_on(handler: Any, server: TableServer) -> None:
    progress = None
    for slices in range(1, 4):
        progress = json.loads(json.dumps(handler.lambda_handler(applied(progress=progress), Context(30_000))))
        assert json.loads(objects()["cursors/000000.json"]) == progress
        assert (progress["done"], progress["slices"], progress["counts"]["read"]) == (False, slices, slices)
    progress = handler.lambda_handler(applied(progress=progress), Context())
    assert (progress["done"], progress["slices"]) == (True, 4)
    assert (progress["counts"]["read"], progress["counts"]["written"]) == (100, 100)


def test_slice_that_has_ended_is_not_done_again(handler: Any, server: TableServer) -> None:
    first, left = handler.lambda_handler(applied(), Context()), objects()
    boto3.client("s3").delete_object(Bucket=BUCKET, Key=f"{PREFIX}cursors/000000.json")
    requests = len(server.tables.log)
    assert handler.lambda_handler(applied(), Context()) == first
    assert len(server.tables.log) == requests
    assert objects() == left


def test_slice_that_did_not_end_is_begun_again_as_a_repeat(handler: Any, server: TableServer) -> None:
    server.tables.tables["target"] = FakeTable(ICAO)
    target = {"name": "target", "keys": [{"name": "icao", "type": "S"}]}
    event = applied(target=target, way={"mapping": {"icao": "{icao}"}}, onConflict="reject")
    boto3.client("s3").put_object(Bucket=BUCKET, Key=f"{PREFIX}attempts/00000000-0000", Body=b"")
    server.tables.tables["target"].put({"icao": {"S": "K000"}})
    assert handler.lambda_handler(event, Context())["counts"] == {
        "read": 100,
        "written": 100,
        "skipped": 0,
        "rejected": 0,
        "failed": 0,
    }


def test_rejects_are_a_file(handler: Any) -> None:
    progress = handler.lambda_handler(applied(way={"mapping": {"n": {"N": "{name}"}}}), Context())
    assert (progress["counts"]["rejected"], progress["rejectSlices"]) == (100, [0])
    rejects = lines(objects()["rejects/00000000-0000.jsonl"])
    assert {each["error"] for each in rejects} == {"NumberInvalid"}
    assert sorted(each["key"]["icao"]["S"] for each in rejects) == [f"K{number:03}" for number in range(100)]


def test_moves_go_over_the_wire(handler: Any, server: TableServer) -> None:
    server.tables.tables["target"] = FakeTable(ICAO)
    target = {"name": "target", "keys": [{"name": "icao", "type": "S"}]}
    mapping = {"icao": "X{icao}", "name": "{name}"}
    event = applied(target=target, way={"mapping": mapping}, deleteSource=True)
    assert handler.lambda_handler(event, Context())["counts"]["written"] == 100
    assert not server.tables.tables["airports"].items
    assert len(server.tables.tables["target"].items) == 100


def test_limits_are_kept_within(handler: Any, server: TableServer) -> None:
    budget = {"table": BUDGETS, "key": "k", "readUnitsPerSecond": None, "writeUnitsPerSecond": 1e6, "workers": 1}
    assert handler.lambda_handler(applied(budget=budget), Context())["counts"]["written"] == 100
    assert server.beats


@pytest.mark.parametrize("path", sorted((EVENTS / "transform_segment").glob("*.json")), ids=lambda each: each.stem)
def test_fixture_ends_as_it_is_named(handler: Any, path: Path) -> None:
    error = expected_error(path)
    if error is None:
        assert handler.lambda_handler(fixture("transform_segment", path.stem), Context())["done"]
        return
    with pytest.raises(getattr(errors, error)):
        handler.lambda_handler(fixture("transform_segment", path.stem), Context())


def test_request_names_its_files() -> None:
    request = SegmentRequest.from_event(applied(3, TransformProgress(slices=2).to_state()))
    assert request.rejects_key == f"{PREFIX}rejects/00000003-0002.jsonl"
    assert request.sample_key == f"{PREFIX}sample/000003-0002.jsonl"
    assert request.outcome_key == f"{PREFIX}slices/000003-0002"
    assert NESTS.partition.name == "id"

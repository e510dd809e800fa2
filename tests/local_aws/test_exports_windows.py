"""Incremental exports: what a window holds, and which windows there may be."""

from itertools import pairwise
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_aws.exporting import HOUR, MINUTE, Exporting, images, seconds

DAY = 24 * HOUR


def test_window_holds_one_record_per_changed_item(exporting: Exporting) -> None:
    table = exporting.new_table()
    untouched, one, two = (exporting.put(table, name, n=1) for name in ("untouched", "one", "two"))
    exporting.put(table, "gone", n=1)
    start = exporting.advance(HOUR)
    exporting.put(table, "one", n=2)
    changed = exporting.put(table, "one", n=3)
    exporting.delete(table, "two")
    exporting.delete(table, "gone")
    back = exporting.put(table, "gone", n=4)
    new = exporting.put(table, "new", n=1)
    exporting.put(table, "came and went", n=1)
    exporting.delete(table, "came and went")
    exporting.delete(table, "never there")
    end = exporting.advance(HOUR)
    exporting.put(table, "one", n=9)
    exporting.delete(table, "new")
    exporting.put(table, "untouched", n=9)

    found = images(exporting.incremental(table, start, end))

    assert untouched["pk"] == {"S": "untouched"}
    assert found == {
        "one": (one, changed),
        "two": (two, None),
        "gone": ({"pk": {"S": "gone"}, "n": {"N": "1"}}, back),
        "new": (None, new),
    }


def test_new_image_leaves_old_ones_out(exporting: Exporting) -> None:
    table = exporting.new_table()
    exporting.put(table, "one", n=1)
    exporting.put(table, "two", n=1)
    start = exporting.advance(HOUR)
    changed = exporting.put(table, "one", n=2)
    exporting.delete(table, "two")
    end = exporting.advance(HOUR)

    exported = exporting.incremental(table, start, end, "NEW_IMAGE")

    assert images(exported) == {"one": (None, changed), "two": (None, None)}
    shapes = {tuple(record) for record in exported.records}
    assert shapes == {("Metadata", "Keys", "NewImage"), ("Metadata", "Keys")}


def test_record_has_its_parts_in_order_and_the_time_of_its_last_write(exporting: Exporting) -> None:
    table = exporting.new_table()
    exporting.put(table, "a", n=1)
    start = exporting.advance(HOUR)
    exporting.put(table, "a", n=2)
    last = exporting.advance(MINUTE)
    exporting.put(table, "a", n=3)
    end = exporting.advance(HOUR)

    (record,) = exporting.incremental(table, start, end).records

    assert list(record) == ["Metadata", "Keys", "OldImage", "NewImage"]
    (written,) = record["Metadata"].values()
    assert list(record["Metadata"]) == ["WriteTimestampMicros"]
    assert list(written) == ["N"]
    assert last * 1_000_000 <= int(written["N"]) < (last + 30) * 1_000_000


def test_record_of_a_table_with_a_sort_key_names_both_keys(exporting: Exporting) -> None:
    table = exporting.new_table(sort="sk")
    start = exporting.advance(1)
    exporting.put(table, "a", sk=1, n=1)
    exporting.put(table, "a", sk=2, n=1)
    exporting.dynamodb.delete_item(TableName=table, Key={"pk": {"S": "a"}, "sk": {"N": "1.0"}})
    end = exporting.advance(HOUR)

    (record,) = exporting.incremental(table, start, end).records

    assert record["Keys"] == {"pk": {"S": "a"}, "sk": {"N": "2"}}


def test_windows_that_meet_share_no_write_and_lose_none(exporting: Exporting) -> None:
    table = exporting.new_table()
    bounds = [exporting.advance(1)]
    for number in range(4):
        exporting.put(table, f"key-{number}")
        bounds.append(exporting.advance(15 * MINUTE))

    windows = [images(exporting.incremental(table, start, end)) for start, end in pairwise(bounds)]

    assert [list(window) for window in windows] == [[f"key-{number}"] for number in range(4)]


def test_window_ends_now_and_has_both_images_by_default(exporting: Exporting) -> None:
    table = exporting.new_table()
    start = exporting.advance(1)
    exporting.put(table, "a")
    now = exporting.advance(HOUR)

    started = exporting.start(
        table, ExportType="INCREMENTAL_EXPORT", IncrementalExportSpecification={"ExportFromTime": start}
    )

    specification = started["IncrementalExportSpecification"]
    assert specification["ExportViewType"] == "NEW_AND_OLD_IMAGES"
    assert seconds(specification["ExportFromTime"]) == start
    assert now <= seconds(specification["ExportToTime"]) <= now + 30
    assert "ExportTime" not in started
    ended = exporting.ended(started["ExportArn"])
    assert ended["IncrementalExportSpecification"] == specification
    assert (ended["ItemCount"], ended["BilledSizeBytes"]) == (1, 10_000_000)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (-HOUR, 0, "outside of the point in time recovery window"),
        (HOUR, HOUR + 14 * MINUTE, "at least 15 minutes"),
        (HOUR, HOUR + DAY + 1, "at most 24 hours"),
        (4 * DAY, 5 * DAY - MINUTE, "in the future"),
        (HOUR, HOUR, "before ExportToTime"),
        (HOUR, 0, "before ExportToTime"),
    ],
)
def test_window_that_cannot_be_is_refused(exporting: Exporting, start: int, end: int, expected: str) -> None:
    table = exporting.new_table()
    created = exporting.now()
    exporting.advance(4 * DAY + HOUR)
    with pytest.raises(exporting.dynamodb.exceptions.InvalidExportTimeException, match=expected):
        exporting.incremental(table, created + start, created + end)


@pytest.mark.parametrize("length", [15 * MINUTE, DAY])
def test_shortest_and_longest_windows_are_taken(exporting: Exporting, length: int) -> None:
    table = exporting.new_table()
    start = exporting.advance(1)
    exporting.advance(length)

    assert exporting.incremental(table, start, start + length).records == []


def test_changes_older_than_the_period_are_lost(exporting: Exporting) -> None:
    table = exporting.new_table(period_days=1)
    start = exporting.advance(1)
    exporting.put(table, "a", n=1)
    later = exporting.advance(23 * HOUR)
    exporting.put(table, "a", n=2)
    exporting.advance(2 * HOUR)

    with pytest.raises(exporting.dynamodb.exceptions.InvalidExportTimeException):
        exporting.incremental(table, start, later)

    found = images(exporting.incremental(table, later, later + HOUR))
    assert found["a"] == ({"pk": {"S": "a"}, "n": {"N": "1"}}, {"pk": {"S": "a"}, "n": {"N": "2"}})


def test_running_export_continues_when_its_table_is_deleted(exporting: Exporting) -> None:
    table = exporting.new_table()
    exporting.put(table, "a")
    with exporting.exports_take(HOUR):
        arn = exporting.start(table)["ExportArn"]
    exporting.dynamodb.delete_table(TableName=table)
    exporting.advance(HOUR)

    assert exporting.ended(arn)["ItemCount"] == 1


def test_rolled_back_statements_leave_no_trace(exporting: Exporting) -> None:
    table = exporting.new_table()
    exporting.put(table, "a", n=1)
    start = exporting.advance(HOUR)
    statements = [
        f"UPDATE \"{table}\" SET n=2 WHERE pk='a'",
        f"UPDATE \"{table}\" SET n=2 WHERE pk='missing'",
    ]
    with pytest.raises(ClientError, match="TransactionCanceled"):
        exporting.dynamodb.execute_transaction(TransactStatements=[{"Statement": each} for each in statements])
    end = exporting.advance(HOUR)

    assert exporting.incremental(table, start, end).records == []


def test_every_write_operation_is_noted(exporting: Exporting) -> None:
    table = exporting.new_table()
    start = exporting.advance(1)
    _write_with_every_operation(exporting.dynamodb, table)
    end = exporting.advance(HOUR)

    found = images(exporting.incremental(table, start, end))

    assert {key: new for key, (_, new) in found.items()} == {item["pk"]["S"]: item for item in exporting.items(table)}
    assert set(found) == {"put", "batch", "update", "transact-put", "transact-update", "partiql"}


def _write_with_every_operation(dynamodb: Any, table: str) -> None:
    def item(key: str) -> dict[str, Any]:
        return {"pk": {"S": key}, "n": {"N": "1"}}

    count = {
        "UpdateExpression": "SET n = if_not_exists(n, :zero) + :one",
        "ExpressionAttributeValues": {":zero": {"N": "0"}, ":one": {"N": "1"}},
    }
    dynamodb.put_item(TableName=table, Item=item("put"))
    dynamodb.batch_write_item(RequestItems={table: [{"PutRequest": {"Item": item(key)}} for key in ("batch", "x")]})
    dynamodb.batch_write_item(RequestItems={table: [{"DeleteRequest": {"Key": {"pk": {"S": "x"}}}}]})
    for _ in range(2):
        dynamodb.update_item(TableName=table, Key={"pk": {"S": "update"}}, **count)
    update = {"TableName": table, "Key": {"pk": {"S": "transact-update"}}, **count}
    dynamodb.transact_write_items(
        TransactItems=[{"Put": {"TableName": table, "Item": item("transact-put")}}, {"Update": update}]
    )
    dynamodb.execute_statement(Statement=f"INSERT INTO \"{table}\" VALUE {{'pk': 'partiql', 'n': 1}}")
    dynamodb.execute_statement(Statement=f"UPDATE \"{table}\" SET n=2 WHERE pk='partiql'")

"""A full export and the incremental ones after it, applied in order, are the table: at each window's end."""

from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.local_aws.exporting import MINUTE, Exporting, Item, Manifest

Key = tuple[str, str]
Write = tuple[str, Key, int]

HOW = ("put", "update", "delete", "batch put", "batch delete", "transact", "rolled back")
writes: st.SearchStrategy[Write] = st.tuples(
    st.sampled_from(HOW), st.tuples(st.sampled_from("abc"), st.sampled_from(("1", "2.5"))), st.integers(0, 3)
)
windows = st.lists(st.tuples(st.lists(writes, max_size=8), st.sampled_from((15, 60, 24 * 60))), min_size=1, max_size=4)


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(before=st.lists(writes, max_size=8), windows=windows)
def test_exports_in_order_are_the_table(
    exporting: Exporting, before: list[Write], windows: list[tuple[list[Write], int]]
) -> None:
    table = exporting.new_table(sort="sk")
    for write in before:
        _apply(exporting.dynamodb, table, write)
    start = exporting.advance(1)
    copies = [_copied(exporting.full(table, ExportTime=start))]
    bounds = [start]
    for changes, minutes in windows:
        for write in changes:
            _apply(exporting.dynamodb, table, write)
        bounds.append(bounds[-1] + minutes * MINUTE)
        exporting.advance(bounds[-1] - exporting.now())
        exported = exporting.incremental(table, bounds[-2], bounds[-1])
        copies.append(_replayed(copies[-1], exported))
        assert copies[-1] == _keyed(exporting.items(table))

    for moment, copy in zip(bounds, copies, strict=True):
        assert _copied(exporting.full(table, ExportTime=moment)) == copy


def _replayed(copy: dict[Key, Item], exported: Manifest) -> dict[Key, Item]:
    """The copy after the window. Each old image is what stood there, and no record does nothing at all."""
    copy = dict(copy)
    for record in exported.records:
        key = _key(record["Keys"])
        assert record.get("OldImage") == copy.pop(key, None)
        assert "OldImage" in record or "NewImage" in record
        if "NewImage" in record:
            copy[key] = record["NewImage"]
    return copy


def _copied(exported: Manifest) -> dict[Key, Item]:
    return _keyed([record["Item"] for record in exported.records])


def _keyed(items: list[Item]) -> dict[Key, Item]:
    found = {_key(item): item for item in items}
    assert len(found) == len(items)
    return found


def _key(attributes: Item) -> Key:
    return attributes["pk"]["S"], attributes["sk"]["N"]


def _apply(dynamodb: Any, table: str, write: Write) -> None:
    how, (partition, sort), value = write
    key = {"pk": {"S": partition}, "sk": {"N": sort}}
    item = {**key, "n": {"N": str(value)}, "nested": {"M": {"list": {"L": [{"N": str(value)}]}}}}
    update: dict[str, Any] = {
        "UpdateExpression": "SET nested = :nested",
        "ExpressionAttributeValues": {":nested": {"L": [{"N": str(value)}]}},
    }
    if how == "put":
        dynamodb.put_item(TableName=table, Item=item)
    elif how == "update":
        dynamodb.update_item(TableName=table, Key=key, **update)
    elif how == "delete":
        dynamodb.delete_item(TableName=table, Key=key)
    elif how == "batch put":
        dynamodb.batch_write_item(RequestItems={table: [{"PutRequest": {"Item": item}}]})
    elif how == "batch delete":
        dynamodb.batch_write_item(RequestItems={table: [{"DeleteRequest": {"Key": key}}]})
    elif how == "transact":
        dynamodb.transact_write_items(TransactItems=[{"Update": {"TableName": table, "Key": key, **update}}])
    else:
        _roll_back(dynamodb, table, partition, sort)


def _roll_back(dynamodb: Any, table: str, partition: str, sort: str) -> None:
    """Statements of which the last one never can be done."""
    statements = (
        f"INSERT INTO \"{table}\" VALUE {{'pk': '{partition}', 'sk': {sort}}}",
        f"DELETE FROM \"{table}\" WHERE pk='{partition}' AND sk=2.5",
        f"UPDATE \"{table}\" SET n=1 WHERE pk='nowhere' AND sk=1",
    )
    with pytest.raises(ClientError, match="TransactionCanceledException"):
        dynamodb.execute_transaction(TransactStatements=[{"Statement": each} for each in statements])

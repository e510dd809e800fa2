"""Scan of tables that are written to: every way to write keeps the order right."""

import random
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws import LocalAws
from local_aws.dynamodb.key_order import key_bytes, key_hash
from tests.local_aws.sessions import session_of

Client = Callable[[str], Any]
Item = dict[str, dict[str, Any]]


@pytest.fixture
def dynamodb(client: Client) -> Any:
    return client("dynamodb")


@pytest.fixture
def collections(dynamodb: Any, name: str) -> str:
    """A table of 4 partitions of 100 items that was scanned once."""
    create(dynamodb, name)
    write(dynamodb, name, [key(f"p{partition}", 2 * sort) for partition in range(4) for sort in range(100)])
    scanned(dynamodb, name)
    return name


def create(dynamodb: Any, name: str) -> None:
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "N"},
        ],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    )


def key(partition: str, sort: int) -> Item:
    return {"pk": {"S": partition}, "sk": {"N": str(sort)}}


def position(item: Item) -> tuple[int, str, int]:
    partition = item["pk"]["S"]
    return key_hash(key_bytes("S", partition)), partition, int(item["sk"]["N"])


def write(dynamodb: Any, table: str, items: list[Item], kind: str = "Put") -> None:
    member = "Item" if kind == "Put" else "Key"
    for start in range(0, len(items), 25):
        requests = [{f"{kind}Request": {member: item}} for item in items[start : start + 25]]
        dynamodb.batch_write_item(RequestItems={table: requests})


def scanned(dynamodb: Any, table: str, limit: int = 97) -> list[Item]:
    paginator = dynamodb.get_paginator("scan")
    pages = paginator.paginate(TableName=table, PaginationConfig={"PageSize": limit})
    return [item for page in pages for item in page["Items"]]


def put(dynamodb: Any, table: str, item: Item) -> None:
    dynamodb.put_item(TableName=table, Item=item)


def update(dynamodb: Any, table: str, item: Item) -> None:
    dynamodb.update_item(
        TableName=table,
        Key=item,
        UpdateExpression="SET a = :a",
        ExpressionAttributeValues={":a": {"S": "x"}},
    )


def transact_put(dynamodb: Any, table: str, item: Item) -> None:
    dynamodb.transact_write_items(TransactItems=[{"Put": {"TableName": table, "Item": item}}])


def insert(dynamodb: Any, table: str, item: Item) -> None:
    dynamodb.execute_statement(
        Statement=f"INSERT INTO \"{table}\" VALUE {{'pk': ?, 'sk': ?}}",
        Parameters=[item["pk"], item["sk"]],
    )


def batch_put(dynamodb: Any, table: str, item: Item) -> None:
    write(dynamodb, table, [item])


def delete(dynamodb: Any, table: str, item: Item) -> None:
    dynamodb.delete_item(TableName=table, Key=item)


def batch_delete(dynamodb: Any, table: str, item: Item) -> None:
    write(dynamodb, table, [item], "Delete")


def transact_delete(dynamodb: Any, table: str, item: Item) -> None:
    dynamodb.transact_write_items(TransactItems=[{"Delete": {"TableName": table, "Key": item}}])


def delete_statement(dynamodb: Any, table: str, item: Item) -> None:
    dynamodb.execute_statement(
        Statement=f'DELETE FROM "{table}" WHERE pk = ? AND sk = ?', Parameters=[item["pk"], item["sk"]]
    )


@pytest.mark.parametrize("write_one", [put, update, transact_put, insert, batch_put])
@pytest.mark.parametrize("new", [key("p3", 7), key("p3", -1), key("p3", 999), key("new", 1)])
def test_item_that_is_written_takes_its_position(
    dynamodb: Any, collections: str, write_one: Callable[..., None], new: Item
) -> None:
    before = scanned(dynamodb, collections)
    write_one(dynamodb, collections, new)
    after = scanned(dynamodb, collections)
    assert [position(item) for item in after] == sorted(position(item) for item in [*before, new])


@pytest.mark.parametrize("delete_one", [delete, batch_delete, transact_delete, delete_statement])
def test_items_that_are_deleted_leave_the_order(
    dynamodb: Any, collections: str, delete_one: Callable[..., None]
) -> None:
    before = scanned(dynamodb, collections)
    deleted = [item for item in before if item["pk"]["S"] == "p1"] + [key("p2", 50)]
    for item in deleted:
        delete_one(dynamodb, collections, item)
    assert scanned(dynamodb, collections) == [item for item in before if item not in deleted]
    put(dynamodb, collections, deleted[0])
    assert scanned(dynamodb, collections).count(deleted[0]) == 1


def test_statements_that_are_rolled_back_leave_the_order_as_it_was(dynamodb: Any, collections: str) -> None:
    before = scanned(dynamodb, collections)
    values = [("new", "1"), ("p1", "0")]
    statements = [
        {"Statement": f"INSERT INTO \"{collections}\" VALUE {{'pk': '{partition}', 'sk': {sort}}}"}
        for partition, sort in values
    ]
    with pytest.raises(ClientError, match="TransactionCanceled"):
        dynamodb.execute_transaction(TransactStatements=statements)
    assert scanned(dynamodb, collections) == before


def test_table_of_the_same_name_starts_empty(dynamodb: Any, collections: str) -> None:
    dynamodb.delete_table(TableName=collections)
    create(dynamodb, collections)
    assert scanned(dynamodb, collections) == []
    put(dynamodb, collections, key("p1", 1))
    assert scanned(dynamodb, collections) == [key("p1", 1)]


def test_restored_table_has_an_order_of_its_own(dynamodb: Any, collections: str) -> None:
    before = scanned(dynamodb, collections)
    backup = dynamodb.create_backup(TableName=collections, BackupName="backup")["BackupDetails"]["BackupArn"]
    restored = f"{collections}-restored"
    dynamodb.restore_table_from_backup(TargetTableName=restored, BackupArn=backup)
    put(dynamodb, collections, key("new", 1))
    assert scanned(dynamodb, restored) == before


def test_keys_that_stay_are_found_once_while_others_come_and_go(dynamodb: Any, collections: str) -> None:
    chance = random.Random(1)
    staying = scanned(dynamodb, collections)
    coming = [key(f"p{chance.randrange(20)}", 2 * chance.randrange(100) + 1) for _ in range(400)]
    found: list[Item] = []
    start: dict[str, Any] = {}
    while True:
        page = dynamodb.scan(TableName=collections, Limit=5, **start)
        found += page["Items"]
        if "LastEvaluatedKey" not in page:
            break
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
        put(dynamodb, collections, chance.choice(coming))
        delete(dynamodb, collections, chance.choice(coming))
    assert [item for item in found if item in staying] == staying
    assert [position(item) for item in found] == sorted({position(item) for item in found})


def test_tables_of_one_name_in_two_regions_have_an_order_each(local_aws: LocalAws, collections: str) -> None:
    elsewhere = session_of(local_aws, "eu-west-1").client("dynamodb", endpoint_url=local_aws.endpoint_url)
    create(elsewhere, collections)
    put(elsewhere, collections, key(uuid.uuid4().hex, 1))
    assert len(scanned(elsewhere, collections)) == 1

"""Scan on a started local AWS: order, segments, start keys and what writes do to them."""

import hashlib
import itertools
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

Client = Callable[[str], Any]
Item = dict[str, dict[str, Any]]
CreateTable = Callable[..., str]

INVALID = "The provided starting key is invalid"
MISMATCH = "The provided key element does not match the schema"
TEXTS = ["a", "aa", "b", "z", "~", "é", "\uffff", "\U0001f600", "\U0010ffff"]
NUMBERS = ["-9.9E125", "-100", "-12", "-1.5", "0", "1E-130", "0.5", "2", "10", "12345678901234567890.5", "1E125"]
BINARIES = [b"\x00", b"\x00\xff", b"\x01", b"a", b"\x80", b"\xff", b"\xff\x00"]
SORT_KEYS: dict[str, list[Any]] = {"S": TEXTS, "N": NUMBERS, "B": BINARIES}


@pytest.fixture
def dynamodb(client: Client) -> Any:
    return client("dynamodb")


@pytest.fixture
def create_table(dynamodb: Any) -> CreateTable:
    """Creates a table with a partition key `pk` and, if a type is given, a sort key `sk`."""

    def create(partition_kind: str = "S", sort_kind: str | None = None) -> str:
        kinds = {"pk": partition_kind} | ({"sk": sort_kind} if sort_kind else {})
        name = f"t-{uuid.uuid4().hex[:12]}"
        dynamodb.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": kind} for key, kind in kinds.items()],
            KeySchema=[
                {"AttributeName": key, "KeyType": role} for key, role in zip(kinds, ("HASH", "RANGE"), strict=False)
            ],
        )
        return name

    return create


@pytest.fixture
def collections(dynamodb: Any, create_table: CreateTable) -> str:
    """A table of 40 partition keys, `p0` to `p39`, with sort keys `0` to `4` each."""
    table = create_table("S", "N")
    write(dynamodb, table, [key(f"p{number}", sort) for number in range(40) for sort in range(5)])
    return table


def key(partition: str, sort: int | str) -> Item:
    return {"pk": {"S": partition}, "sk": {"N": str(sort)}}


def write(dynamodb: Any, table: str, items: list[Item]) -> None:
    for start in range(0, len(items), 25):
        requests = [{"PutRequest": {"Item": item}} for item in items[start : start + 25]]
        dynamodb.batch_write_item(RequestItems={table: requests})


def pages(dynamodb: Any, table: str, **fields: Any) -> Iterator[dict[str, Any]]:
    """The pages of a scan from its beginning, or from the start key that is given."""
    while True:
        page = dynamodb.scan(TableName=table, **fields)
        yield page
        if "LastEvaluatedKey" not in page:
            return
        fields["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def scanned(dynamodb: Any, table: str, **fields: Any) -> list[Item]:
    return [item for page in pages(dynamodb, table, **fields) for item in page["Items"]]


def partitions(items: list[Item]) -> list[str]:
    """The partition keys in the order in which they are met; a key that comes back is there twice."""
    return [partition for partition, _ in itertools.groupby(item["pk"]["S"] for item in items)]


def documented_hash(partition: str) -> bytes:
    return hashlib.md5(b"Outliers" + partition.encode()).digest()[:3]


def refusal(call: Callable[[], Any]) -> str:
    with pytest.raises(ClientError) as caught:
        call()
    assert caught.value.response["Error"]["Code"] == "ValidationException"
    return caught.value.response["Error"]["Message"]


def test_partition_keys_come_in_the_order_of_their_hash(dynamodb: Any, create_table: CreateTable) -> None:
    table, names = create_table(), [f"key {number} é" for number in range(200)]
    write(dynamodb, table, [{"pk": {"S": name}} for name in names])
    found = [item["pk"]["S"] for item in scanned(dynamodb, table, Limit=7)]
    assert found == sorted(names, key=documented_hash)


@pytest.mark.parametrize("kind", ["S", "N", "B"])
def test_items_of_a_partition_come_in_ascending_order_of_the_sort_key(
    dynamodb: Any, create_table: CreateTable, kind: str
) -> None:
    table, ordered = create_table("S", kind), SORT_KEYS[kind]
    items = [{"pk": {"S": name}, "sk": {kind: value}} for name in "ab" for value in ordered]
    write(dynamodb, table, items[::-1])
    keys = {(item["pk"]["S"], decoded(item["sk"])) for item in items}
    found = [(item["pk"]["S"], decoded(item["sk"])) for item in scanned(dynamodb, table, Limit=3)]
    expected = [decoded({kind: value}) for value in ordered]
    assert found == [(name, value) for name in sorted("ab", key=documented_hash) for value in expected]
    assert set(found) == keys


def decoded(value: dict[str, Any]) -> Any:
    return float(value["N"]) if "N" in value else next(iter(value.values()))


@pytest.mark.parametrize("kind", ["N", "B"])
def test_order_of_typed_partition_keys_is_the_same_each_time(
    dynamodb: Any, create_table: CreateTable, kind: str
) -> None:
    values = NUMBERS if kind == "N" else BINARIES
    found = []
    for ordered in (values, values[::-1]):
        table = create_table(kind)
        write(dynamodb, table, [{"pk": {kind: value}} for value in ordered])
        found.append([item["pk"][kind] for item in scanned(dynamodb, table, Limit=2)])
    assert found[0] == found[1]
    assert len(found[0]) == len(values)


@pytest.mark.parametrize("total", [1, 2, 3, 7, 100, 4096, 1_000_000])
def test_segments_are_slices_of_the_whole_in_their_order(dynamodb: Any, collections: str, total: int) -> None:
    whole = scanned(dynamodb, collections)
    slots = [int.from_bytes(documented_hash(name)) >> 12 for name in partitions(whole)]
    segments = sorted({slot * total // 4096 for slot in slots} | {0, total - 1})
    slices = [scanned(dynamodb, collections, Segment=segment, TotalSegments=total, Limit=4) for segment in segments]
    assert list(itertools.chain(*slices)) == whole


def test_segment_without_keys_is_one_empty_page(dynamodb: Any, create_table: CreateTable) -> None:
    table = create_table()
    write(dynamodb, table, [{"pk": {"S": "one"}}])
    counts = [dynamodb.scan(TableName=table, Segment=segment, TotalSegments=8) for segment in range(8)]
    assert sorted(page["Count"] for page in counts) == [0] * 7 + [1]
    assert not any("LastEvaluatedKey" in page for page in counts)


def test_start_key_of_another_segment_is_refused_by_name(dynamodb: Any, collections: str) -> None:
    last = scanned(dynamodb, collections, Segment=1, TotalSegments=2)[0]
    expected = refusal(lambda: dynamodb.scan(TableName=collections, Segment=0, TotalSegments=2, ExclusiveStartKey=last))
    assert expected == (
        f"{INVALID}: Invalid ExclusiveStartKey. Please use ExclusiveStartKey with correct Segment. "
        "TotalSegments: 2 Segment: 0"
    )


@pytest.mark.parametrize(
    ("start_key", "expected"),
    [
        ({}, f"{INVALID}: {MISMATCH}"),
        ({"pk": {"S": "p1"}}, f"{INVALID}: {MISMATCH}"),
        (key("p1", 1) | {"other": {"S": "x"}}, f"{INVALID}: {MISMATCH}"),
        ({"pk": {"S": "p1"}, "sk": {"S": "1"}}, f"{INVALID}: {MISMATCH}"),
        ({"pk": {"N": "1"}, "sk": {"N": "1"}}, f"{INVALID}: {MISMATCH}"),
        (key("", 1), "cannot contain an empty string value. Key: pk"),
        (key("x" * 2049, 1), "Aggregated size of all hash keys has exceeded the size limit of 2048 bytes"),
        (key("p1", "one"), "cannot be converted to a numeric value"),
    ],
)
def test_start_key_of_another_schema_is_refused(
    dynamodb: Any, collections: str, start_key: Item, expected: str
) -> None:
    assert expected in refusal(lambda: dynamodb.scan(TableName=collections, ExclusiveStartKey=start_key))


def test_start_key_of_no_item_continues_at_its_position(dynamodb: Any, collections: str) -> None:
    whole = scanned(dynamodb, collections)
    third = whole.index(key("p7", 3))
    assert scanned(dynamodb, collections, ExclusiveStartKey=key("p7", "2.5"))[0] == key("p7", 3)
    assert scanned(dynamodb, collections, ExclusiveStartKey=key("p7", "2.99E0")) == whole[third:]
    beyond = scanned(dynamodb, collections, ExclusiveStartKey=key("p7", "9.9E125"))
    assert beyond == whole[third + 2 :]
    between = scanned(dynamodb, collections, ExclusiveStartKey=key("no such partition", 1))
    hashed = documented_hash("no such partition")
    assert between == [item for item in whole if documented_hash(item["pk"]["S"]) > hashed]


@pytest.mark.parametrize("kind", ["S", "B"])
def test_largest_possible_sort_key_is_a_start_key_even_when_it_is_there(
    dynamodb: Any, create_table: CreateTable, kind: str
) -> None:
    table = create_table("S", kind)
    largest: dict[str, Any] = {"S": "\U0010ffff" * 256} if kind == "S" else {"B": b"\xff" * 1024}
    least: dict[str, Any] = {"S": "a"} if kind == "S" else {"B": b"a"}
    write(dynamodb, table, [{"pk": {"S": name}, "sk": sort} for name in "ab" for sort in (least, largest)])
    first, second = sorted("ab", key=documented_hash)
    found = scanned(dynamodb, table, ExclusiveStartKey={"pk": {"S": first}, "sk": largest})
    assert found == [{"pk": {"S": second}, "sk": least}, {"pk": {"S": second}, "sk": largest}]
    above = {"S": largest["S"] + "a"} if kind == "S" else {"B": largest["B"] + b"a"}
    expected = refusal(lambda: dynamodb.scan(TableName=table, ExclusiveStartKey={"pk": {"S": first}, "sk": above}))
    assert "Aggregated size of all range keys has exceeded the size limit of 1024 bytes" in expected


def test_limit_that_ends_at_the_last_item_leaves_a_key_and_an_empty_page(dynamodb: Any, collections: str) -> None:
    counts = [(page["Count"], "LastEvaluatedKey" in page) for page in pages(dynamodb, collections, Limit=50)]
    assert counts == [(50, True)] * 4 + [(0, False)]


def test_limit_counts_items_before_they_are_filtered(dynamodb: Any, collections: str) -> None:
    found = list(
        pages(
            dynamodb,
            collections,
            Limit=10,
            FilterExpression="sk = :sort",
            ExpressionAttributeValues={":sort": {"N": "4"}},
        )
    )
    assert [page["ScannedCount"] for page in found] == [10] * 20 + [0]
    assert [page["Count"] for page in found] == [2] * 20 + [0]


def test_binary_keys_are_read_by_their_bytes(dynamodb: Any, create_table: CreateTable) -> None:
    table = create_table("B", "B")
    items = [{"pk": {"B": bytes([number])}, "sk": {"B": bytes([255 - number])}} for number in range(256)]
    write(dynamodb, table, items)
    found = scanned(dynamodb, table, Limit=100)
    assert found == sorted(items, key=lambda item: hashlib.md5(b"Outliers" + item["pk"]["B"]).digest()[:3])

"""Where the pages of Scan and Query end, what they cost, and how indexes are read."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

Client = Callable[[str], Any]
Item = dict[str, dict[str, Any]]
Read = Callable[..., dict[str, Any]]

MEGABYTE = 1024 * 1024
KINDS = {"pk": "S", "sk": "N", "city": "S", "year": "N", "state": "S"}
INDEXES: dict[str, tuple[dict[str, str], dict[str, Any]]] = {
    "by_city": ({"city": "HASH", "year": "RANGE"}, {"ProjectionType": "KEYS_ONLY"}),
    "by_year": ({"year": "HASH"}, {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["note"]}),
}


@pytest.fixture
def dynamodb(client: Client) -> Any:
    return client("dynamodb")


@pytest.fixture
def indexed_table(dynamodb: Any, name: str) -> str:
    """A table with the two indexes."""
    create(dynamodb, name, INDEXES)
    return name


@pytest.fixture(params=["scan", "query"])
def read(request: pytest.FixtureRequest, dynamodb: Any, indexed_table: str) -> Read:
    """Reads a page of the one partition `a`, by either operation."""

    def page(**fields: Any) -> dict[str, Any]:
        if request.param == "query":
            fields |= {"KeyConditionExpression": "pk = :pk"}
            fields["ExpressionAttributeValues"] = {":pk": {"S": "a"}, **fields.get("ExpressionAttributeValues", {})}
        return dict(getattr(dynamodb, request.param)(TableName=indexed_table, **fields))

    return page


def create(dynamodb: Any, name: str, indexes: dict[str, tuple[dict[str, str], dict[str, Any]]]) -> None:
    used = {"pk", "sk", *(key for schema, _ in indexes.values() for key in schema)}
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": KINDS[key]} for key in sorted(used)],
        KeySchema=key_schema({"pk": "HASH", "sk": "RANGE"}),
        GlobalSecondaryIndexes=[
            {"IndexName": index, "KeySchema": key_schema(schema), "Projection": projection}
            for index, (schema, projection) in indexes.items()
        ],
    )


def key_schema(roles: dict[str, str]) -> list[dict[str, str]]:
    return [{"AttributeName": key, "KeyType": role} for key, role in roles.items()]


def item(sort: int, size: int = 0, partition: str = "a", **attributes: Any) -> Item:
    """An item of this many bytes, at least 7: the names and values of its keys, and of `v`."""
    made = {"pk": {"S": partition}, "sk": {"N": str(sort)}, **attributes}
    return made | ({"v": {"S": "x" * (size - len("pk") - len("a") - len("sk") - 2 - len("v"))}} if size else {})


def put(dynamodb: Any, table: str, *items: Item) -> None:
    for one in items:
        dynamodb.put_item(TableName=table, Item=one)


def units(page: dict[str, Any]) -> float:
    return float(page["ConsumedCapacity"]["CapacityUnits"])


def sorts(page: dict[str, Any]) -> list[int]:
    return [int(found["sk"]["N"]) for found in page["Items"]]


def refusal(call: Callable[[], Any]) -> str:
    with pytest.raises(ClientError) as caught:
        call()
    return str(caught.value.response["Error"]["Message"])


def test_page_holds_the_item_that_crosses_one_megabyte(dynamodb: Any, indexed_table: str, read: Read) -> None:
    put(dynamodb, indexed_table, *(item(sort, 300 * 1024) for sort in range(1, 9)))
    first = read()
    assert (sorts(first), first["LastEvaluatedKey"]) == ([1, 2, 3, 4], item(4))
    second = read(ExclusiveStartKey=first["LastEvaluatedKey"])
    assert (sorts(second), second["LastEvaluatedKey"]) == ([5, 6, 7, 8], item(8))
    third = read(ExclusiveStartKey=second["LastEvaluatedKey"], ReturnConsumedCapacity="TOTAL")
    assert (third["Items"], "LastEvaluatedKey" in third, units(third)) == ([], False, 0.5)


@pytest.mark.parametrize(("short", "is_whole"), [(0, False), (1, True)])
def test_page_ends_at_one_megabyte_exactly(
    dynamodb: Any, indexed_table: str, read: Read, short: int, is_whole: bool
) -> None:
    put(dynamodb, indexed_table, *(item(sort, 256 * 1024) for sort in (1, 2, 3)), item(4, 256 * 1024 - short))
    put(dynamodb, indexed_table, item(5))
    assert sorts(read()) == ([1, 2, 3, 4, 5] if is_whole else [1, 2, 3, 4])


def test_limit_beyond_the_page_changes_nothing(dynamodb: Any, indexed_table: str, read: Read) -> None:
    put(dynamodb, indexed_table, *(item(sort, 300 * 1024) for sort in range(1, 6)))
    assert sorts(read(Limit=100)) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [([4096], 0.5), ([4097], 1.0), ([2048, 2048], 0.5), ([2048, 2049], 1.0), ([100] * 41, 1.0), ([40960], 5.0)],
)
def test_page_costs_its_bytes_rounded_up_once(
    dynamodb: Any, indexed_table: str, read: Read, sizes: list[int], expected: float
) -> None:
    put(dynamodb, indexed_table, *(item(sort, size) for sort, size in enumerate(sizes, start=1)))
    assert units(read(ReturnConsumedCapacity="TOTAL")) == expected
    assert units(read(ReturnConsumedCapacity="TOTAL", ConsistentRead=True)) == 2 * expected


def test_what_narrows_the_answer_costs_the_same(dynamodb: Any, indexed_table: str, read: Read) -> None:
    put(dynamodb, indexed_table, *(item(sort, 5000, n={"N": str(sort)}) for sort in range(1, 11)))
    whole = read(ReturnConsumedCapacity="TOTAL")
    sort_only = read(ReturnConsumedCapacity="TOTAL", ProjectionExpression="sk")
    few = read(
        ReturnConsumedCapacity="TOTAL",
        FilterExpression="n > :n",
        ExpressionAttributeValues={":n": {"N": "9"}},
    )
    counted = read(ReturnConsumedCapacity="TOTAL", Select="COUNT")
    assert [units(page) for page in (whole, sort_only, few, counted)] == [6.5] * 4
    assert [page["ScannedCount"] for page in (whole, sort_only, few, counted)] == [10] * 4
    assert [page["Count"] for page in (whole, sort_only, few, counted)] == [10, 10, 1, 10]
    assert sort_only["Items"] == [{"sk": {"N": str(sort)}} for sort in range(1, 11)]
    assert "Items" not in counted


def test_limit_lowers_the_cost_to_what_was_read(dynamodb: Any, indexed_table: str, read: Read) -> None:
    put(dynamodb, indexed_table, *(item(sort, 8192) for sort in range(1, 11)))
    assert units(read(ReturnConsumedCapacity="TOTAL", Limit=3)) == 3.0
    after = read(ReturnConsumedCapacity="TOTAL", Limit=3, ExclusiveStartKey=item(3))
    assert (sorts(after), units(after)) == ([4, 5, 6], 3.0)


def test_capacity_of_a_table_by_indexes(dynamodb: Any, indexed_table: str, read: Read) -> None:
    put(dynamodb, indexed_table, item(1, 5000))
    consumed = read(ReturnConsumedCapacity="INDEXES")["ConsumedCapacity"]
    assert consumed == {"TableName": indexed_table, "CapacityUnits": 1.0, "Table": {"CapacityUnits": 1.0}}
    assert "ConsumedCapacity" not in read()


def test_capacity_of_an_index_counts_what_it_holds(dynamodb: Any, indexed_table: str) -> None:
    put(dynamodb, indexed_table, *(item(sort, 9000, city={"S": "Oslo"}, year={"N": "1"}) for sort in (1, 2, 3)))
    page = dynamodb.scan(TableName=indexed_table, IndexName="by_city", ReturnConsumedCapacity="INDEXES")
    assert page["ConsumedCapacity"] == {
        "TableName": indexed_table,
        "CapacityUnits": 0.5,
        "Table": {"CapacityUnits": 0.0},
        "GlobalSecondaryIndexes": {"by_city": {"CapacityUnits": 0.5}},
    }
    assert all(found.keys() == {"pk", "sk", "city", "year"} for found in page["Items"])


def index_pages(dynamodb: Any, table: str, index: str, **fields: Any) -> list[dict[str, Any]]:
    paginator = dynamodb.get_paginator("scan")
    return list(paginator.paginate(TableName=table, IndexName=index, **fields))


def test_index_leaves_out_items_that_lack_its_keys(dynamodb: Any, indexed_table: str) -> None:
    oslo, year = {"S": "Oslo"}, {"N": "2"}
    put(dynamodb, indexed_table, item(1), item(2, city=oslo), item(3, year=year), item(4, city=oslo, year=year))
    by_city, by_year = (index_pages(dynamodb, indexed_table, index) for index in INDEXES)
    assert sorts(by_city[0]) == [4]
    assert sorted(sorts(by_year[0])) == [3, 4]


def test_index_is_paged_by_its_keys_and_the_tables(dynamodb: Any, indexed_table: str) -> None:
    cities = ("Oslo", "Rome", "Bern")
    put(
        dynamodb,
        indexed_table,
        *(item(n, partition=f"p{n % 7}", city={"S": cities[n % 3]}, year={"N": str(n % 5)}) for n in range(60)),
    )
    for index, (schema, _) in INDEXES.items():
        pages = index_pages(dynamodb, indexed_table, index, PaginationConfig={"PageSize": 7})
        assert {key for page in pages[:-1] for key in page["LastEvaluatedKey"]} == {"pk", "sk", *schema}
        found = [found for page in pages for found in page["Items"]]
        assert sorted(int(one["sk"]["N"]) for one in found) == list(range(60))
    by_city = index_pages(dynamodb, indexed_table, "by_city")[0]["Items"]
    pairs = [(one["city"]["S"], int(one["year"]["N"])) for one in by_city]
    met = list(dict.fromkeys(city for city, _ in pairs))
    assert pairs == sorted(pairs, key=lambda pair: (met.index(pair[0]), pair[1]))


def test_items_move_in_an_index_when_its_keys_change(dynamodb: Any, indexed_table: str) -> None:
    def cities() -> dict[int, tuple[str, str]]:
        pages = index_pages(dynamodb, indexed_table, "by_city", PaginationConfig={"PageSize": 9})
        found = [found for page in pages for found in page["Items"]]
        assert len(found) == len({found["sk"]["N"] for found in found})
        return {int(one["sk"]["N"]): (one["city"]["S"], one["year"]["N"]) for one in found}

    put(dynamodb, indexed_table, *(item(n, city={"S": "Oslo"}, year={"N": str(n)}) for n in range(80)))
    assert len(cities()) == 80
    put(dynamodb, indexed_table, item(1, city={"S": "Rome"}, year={"N": "1"}), item(2, city={"S": "Oslo"}))
    dynamodb.delete_item(TableName=indexed_table, Key=item(3))
    put(dynamodb, indexed_table, item(4, city={"S": "Oslo"}, year={"N": "-5"}))
    after = cities()
    assert after.keys() == set(range(80)) - {2, 3}
    assert (after[1], after[4]) == (("Rome", "1"), ("Oslo", "-5"))
    assert next(sort for sort, (city, _) in after.items() if city == "Oslo") == 4


def test_segments_of_an_index_split_its_own_keys(dynamodb: Any, indexed_table: str) -> None:
    put(dynamodb, indexed_table, *(item(n, city={"S": f"city {n % 20}"}, year={"N": "1"}) for n in range(60)))
    whole = index_pages(dynamodb, indexed_table, "by_city")[0]["Items"]
    slices = [
        index_pages(dynamodb, indexed_table, "by_city", Segment=segment, TotalSegments=4)[0]["Items"]
        for segment in range(4)
    ]
    assert [found for part in slices for found in part] == whole
    homes = [{found["city"]["S"] for found in part} for part in slices]
    assert sum(map(len, homes)) == len(set.union(*homes)) == 20


@pytest.mark.parametrize(
    ("start_key", "expected"),
    [
        (item(1), "The provided starting key is invalid"),
        (item(1, city={"S": "Oslo"}, year={"S": "1"}), "The provided key element does not match the schema"),
    ],
)
def test_start_key_of_an_index_has_its_keys_as_well(
    dynamodb: Any, indexed_table: str, start_key: Item, expected: str
) -> None:
    call = {"TableName": indexed_table, "IndexName": "by_city", "ExclusiveStartKey": start_key}
    assert refusal(lambda: dynamodb.scan(**call)) == expected


def test_index_cannot_be_read_consistently(dynamodb: Any, indexed_table: str) -> None:
    expected = refusal(lambda: dynamodb.scan(TableName=indexed_table, IndexName="by_city", ConsistentRead=True))
    assert expected == "Consistent reads are not supported on global secondary indexes"


def test_index_gives_no_more_than_it_holds(dynamodb: Any, indexed_table: str) -> None:
    expected = refusal(lambda: dynamodb.scan(TableName=indexed_table, IndexName="by_city", Select="ALL_ATTRIBUTES"))
    assert "Select type ALL_ATTRIBUTES is not supported for global secondary index by_city" in expected


def test_index_with_several_partition_and_sort_keys_is_paged(dynamodb: Any, name: str) -> None:
    roles = {"city": "HASH", "state": "HASH", "year": "RANGE", "sk": "RANGE"}
    create(dynamodb, name, {"by_place": (roles, {"ProjectionType": "ALL"})})
    put(
        dynamodb,
        name,
        *(item(n, city={"S": f"c{n % 3}"}, state={"S": f"s{n % 2}"}, year={"N": str(-n % 4)}) for n in range(40)),
        item(40, city={"S": "c1"}, year={"N": "1"}),
    )
    pages = index_pages(dynamodb, name, "by_place", PaginationConfig={"PageSize": 3})
    assert all(page["LastEvaluatedKey"].keys() == {"pk", *roles} for page in pages[:-1])
    found = [found for page in pages for found in page["Items"]]
    assert sorted(int(one["sk"]["N"]) for one in found) == list(range(40))


@pytest.mark.parametrize("forward", [True, False])
def test_query_reads_numbers_in_their_order_and_takes_them_however_written(
    dynamodb: Any, indexed_table: str, forward: bool
) -> None:
    put(dynamodb, indexed_table, *(item(sort) for sort in (10, 9, 100, -1, -20)))
    page = dynamodb.query(
        TableName=indexed_table,
        KeyConditionExpression="pk = :pk AND sk > :sk",
        ExpressionAttributeValues={":pk": {"S": "a"}, ":sk": {"N": "-2E1"}},
        ScanIndexForward=forward,
    )
    assert sorts(page) == ([-1, 9, 10, 100] if forward else [100, 10, 9, -1])
    found = dynamodb.get_item(TableName=indexed_table, Key={"pk": {"S": "a"}, "sk": {"N": "1E2"}})
    assert found["Item"] == item(100)

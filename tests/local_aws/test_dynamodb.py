"""DynamoDB's checks and capacities that bulk loads rely on, on a started local AWS."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws import LocalAws, faults

Client = Callable[[str], Any]
Write = Callable[..., dict[str, Any]]


@pytest.fixture
def dynamodb(client: Client) -> Any:
    return client("dynamodb")


@pytest.fixture
def write(dynamodb: Any, table: str) -> Write:
    """Puts the items in one BatchWriteItem."""

    def put(*items: dict[str, Any], **fields: Any) -> dict[str, Any]:
        requests = [{"PutRequest": {"Item": item}} for item in items]
        return dict(dynamodb.batch_write_item(RequestItems={table: requests}, **fields))

    return put


@pytest.fixture
def _no_faults_left(local_aws: LocalAws) -> Iterator[None]:
    yield
    faults.clear(local_aws)


def item(key: str = "k", **attributes: Any) -> dict[str, Any]:
    return {"pk": {"S": key}, **attributes}


def refusal(call: Callable[[], Any]) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call()
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        ({"pk": {"S": ""}}, "empty string value"),
        ({"pk": {"N": "1"}}, "The provided key element does not match the schema"),
        ({"other": {"S": "x"}}, "The provided key element does not match the schema"),
        (item("x" * 2049), "2048"),
        (item(n={"N": "1e126"}), "Number overflow"),
        (item(n={"N": "1" * 39}), "38 significant digits"),
        (item(n={"N": "one"}), "cannot be converted to a numeric value"),
        (item(n={"N": ""}), "cannot be converted to a numeric value"),
        (item(s={"SS": []}), "may not be empty"),
        (item(s={"SS": ["a", "a"]}), "duplicates"),
        (item(s={"S": "x" * (400 * 1024)}), "Item size has exceeded the maximum allowed size"),
    ],
)
def test_batch_with_one_bad_item_is_refused_whole(
    write: Write, dynamodb: Any, table: str, bad: dict[str, Any], expected: str
) -> None:
    code, message = refusal(lambda: write(item("good"), bad))
    assert code == "ValidationException"
    assert expected in message
    assert dynamodb.scan(TableName=table)["Items"] == []


def test_two_operations_on_one_key_are_refused(write: Write) -> None:
    code, message = refusal(lambda: write(item(), item(a={"S": "x"})))
    assert (code, message) == ("ValidationException", "Provided list of item keys contains duplicates")


def test_more_than_25_requests_are_refused(write: Write) -> None:
    assert refusal(lambda: write(*[item(str(number)) for number in range(26)]))[0] == "ValidationException"


def test_missing_table_is_named_as_on_aws(dynamodb: Any) -> None:
    call = {"no-such-table": [{"PutRequest": {"Item": item()}}]}
    assert refusal(lambda: dynamodb.batch_write_item(RequestItems=call))[0] == "ResourceNotFoundException"


def test_item_of_every_type_comes_back_as_it_was(write: Write, dynamodb: Any, table: str) -> None:
    whole = item(
        n={"N": "-12.5"},
        b={"B": b"\x00\xff"},
        t={"BOOL": False},
        z={"NULL": True},
        e={"S": ""},
        ss={"SS": ["a", "b"]},
        ns={"NS": ["1"]},
        m={"M": {"l": {"L": [{"S": "é☃"}]}}},
    )
    write(whole)
    assert dynamodb.get_item(TableName=table, Key=item())["Item"] == whole


def test_numbers_are_kept_in_their_canonical_form(write: Write, dynamodb: Any, table: str) -> None:
    write(item(a={"N": "1.50"}, b={"N": "007"}, c={"N": "1E2"}, d={"N": "-0"}))
    stored = dynamodb.get_item(TableName=table, Key=item())["Item"]
    assert {name: stored[name]["N"] for name in "abcd"} == {"a": "1.5", "b": "7", "c": "100", "d": "0"}


@pytest.mark.parametrize(("size", "units"), [(1024, 1.0), (1025, 2.0), (2049, 3.0)])
def test_put_costs_a_unit_per_started_kilobyte(write: Write, size: int, units: float) -> None:
    filled = item(v={"S": "x" * (size - len("pk") - len("k") - len("v"))})
    answer = write(filled, item("small"), ReturnConsumedCapacity="TOTAL")
    assert answer["ConsumedCapacity"][0]["CapacityUnits"] == units + 1
    assert answer["UnprocessedItems"] == {}


def test_smaller_item_over_a_larger_one_costs_the_larger(write: Write) -> None:
    write(item(v={"S": "x" * 3000}))
    answer = write(item(v={"S": "x"}), ReturnConsumedCapacity="TOTAL")
    assert answer["ConsumedCapacity"][0]["CapacityUnits"] == 3.0


def test_batch_deletes_as_well(write: Write, dynamodb: Any, table: str) -> None:
    write(item("a", v={"S": "x" * 2000}), item("b"))
    requests = [{"DeleteRequest": {"Key": item("a")}}, {"DeleteRequest": {"Key": item("none")}}]
    answer = dynamodb.batch_write_item(RequestItems={table: requests}, ReturnConsumedCapacity="TOTAL")
    assert answer["ConsumedCapacity"][0]["CapacityUnits"] == 3.0
    assert [found["pk"]["S"] for found in dynamodb.scan(TableName=table)["Items"]] == ["b"]


def test_condition_that_fails_costs_units_and_returns_the_old_item(dynamodb: Any, table: str) -> None:
    old = item(v={"S": "old"})
    dynamodb.put_item(TableName=table, Item=old)
    with pytest.raises(ClientError) as caught:
        dynamodb.put_item(
            TableName=table,
            Item=item(v={"S": "new"}),
            ConditionExpression="attribute_not_exists(pk)",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    assert caught.value.response["Error"]["Code"] == "ConditionalCheckFailedException"
    response: Any = caught.value.response
    assert response["Item"] == old


def test_only_one_of_many_conditional_puts_wins(dynamodb: Any, table: str) -> None:
    def put(number: int) -> bool:
        try:
            dynamodb.put_item(
                TableName=table,
                Item=item(n={"N": str(number)}),
                ConditionExpression="attribute_not_exists(pk)",
            )
        except ClientError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(put, range(40))) == 1


def test_put_reports_its_capacity(dynamodb: Any, table: str) -> None:
    answer = dynamodb.put_item(TableName=table, Item=item(v={"S": "x" * 1500}), ReturnConsumedCapacity="TOTAL")
    assert answer["ConsumedCapacity"]["CapacityUnits"] == 2.0


@pytest.mark.usefixtures("_no_faults_left")
def test_planned_throttle_says_why_and_where(local_aws: LocalAws, write: Write, table: str) -> None:
    faults.fail_requests(local_aws, "BatchWriteItem", times=1)
    with pytest.raises(ClientError) as caught:
        write(item())
    assert caught.value.response["Error"]["Code"] == "ThrottlingException"
    response: Any = caught.value.response
    reasons = response["throttlingReasons"]
    assert reasons == [{"reason": "TableWriteKeyRangeThroughputExceeded", "resource": table}]
    assert write(item())["UnprocessedItems"] == {}


@pytest.mark.usefixtures("_no_faults_left")
def test_planned_server_error_has_its_status(local_aws: LocalAws, write: Write) -> None:
    faults.fail_requests(local_aws, "BatchWriteItem", error="InternalServerError")
    with pytest.raises(ClientError) as caught:
        write(item())
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500


@pytest.mark.usefixtures("_no_faults_left")
@pytest.mark.parametrize(("left", "written"), [(1, 2), (25, 0)])
def test_planned_unprocessed_items_are_not_written(
    local_aws: LocalAws, write: Write, dynamodb: Any, table: str, left: int, written: int
) -> None:
    faults.leave_unprocessed(local_aws, items=left)
    answer = write(item("a"), item("b"), item("c"))
    assert len(answer["UnprocessedItems"][table]) == 3 - written
    assert answer["UnprocessedItems"][table][-1] == {"PutRequest": {"Item": item("c")}}
    assert dynamodb.scan(TableName=table)["Count"] == written


NAMELESS: list[dict[str, Any]] = [
    {"": {"S": "x"}},
    {"a": {"M": {"": {"S": "x"}}}},
    {"a": {"L": [{"M": {"b": {"M": {"": {"N": "1"}}}}}]}},
]


@pytest.mark.parametrize("attributes", NAMELESS)
def test_attribute_without_a_name_is_refused(client: Client, table: str, attributes: dict[str, Any]) -> None:
    database = client("dynamodb")
    item = {"pk": {"S": "k"}, **attributes}
    for write in (
        lambda: database.put_item(TableName=table, Item=item),
        lambda: database.batch_write_item(RequestItems={table: [{"PutRequest": {"Item": item}}]}),
        lambda: database.transact_write_items(TransactItems=[{"Put": {"TableName": table, "Item": item}}]),
        lambda: database.update_item(
            TableName=table,
            Key={"pk": {"S": "k"}},
            UpdateExpression="SET a = :a",
            ExpressionAttributeValues={":a": {"M": attributes}},
        ),
    ):
        with pytest.raises(ClientError, match="Empty attribute name") as refused:
            write()  # type: ignore[no-untyped-call]
        assert refused.value.response["Error"]["Code"] == "ValidationException"
    assert database.scan(TableName=table)["Count"] == 0

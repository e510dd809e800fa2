"""PlanQuery: what is wrong with an input is named by its field, before a query costs anything."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from sluice import errors
from sluice.aws.clients import s3_client
from sluice.errors import AccessDeniedError, InvalidInputError, SettingError
from sluice.runs.paths import Run
from sluice.settings import QuerySettings
from sluice.workflows.athena_map.input import QUERY_MAX_BYTES, MapInput, QueryResultFormat, result_format
from tests.fixtures import EVENTS, expected_error, fixture
from tests.unit.lambda_context import Context
from tests.unit.run_items import TABLE, create_run_table

BUCKET = "sluice-data-000000000000-us-east-1"
ALLOWED = QuerySettings(("primary", "reports"), ("my-function",), source_buckets="*", output_buckets="*")
USUAL = fixture("plan_query", "usual")
RUN = Run.from_state(USUAL["run"])
DESTINATION = {"prefix": "output/copies"}
COPY = "action.copyObject"


def copying(**changed: Any) -> dict[str, Any]:
    """An action that copies, with these parts."""
    return {"copyObject": {"source": {"uri": "{u}"}, "destination": DESTINATION} | changed}


def request(**fields: Any) -> MapInput:
    """An input with these fields."""
    return MapInput.from_input({"query": "SELECT 1", "action": copying(), **fields}, BUCKET, ALLOWED)


LIMITED = QuerySettings(("primary",), (), source_buckets="raw-*", output_buckets="copies")
UNLOAD = "UNLOAD (SELECT 1) TO '{}' WITH (format = 'PARQUET')"


@pytest.mark.parametrize(
    ("fields", "field", "bucket"),
    [
        ({"action": copying(destination={"bucket": "others", "prefix": "x"})}, f"{COPY}.destination.bucket", "others"),
        (
            {"action": copying(destination={"bucket": "copies2", "prefix": "x"})},
            f"{COPY}.destination.bucket",
            "copies2",
        ),
        ({"action": copying(source={"bucket": "others", "key": "{k}"})}, f"{COPY}.source.bucket", "others"),
        ({"action": copying(source={"uri": "s3://others/{k}"})}, f"{COPY}.source.uri", "others"),
        ({"query": UNLOAD.format("s3://others/p/")}, "query", "others"),
    ],
)
def test_bucket_that_the_stack_may_not_use_is_refused(fields: dict[str, Any], field: str, bucket: str) -> None:
    """Before the query costs anything, and every row fails."""
    given = {"query": "SELECT 1", "action": copying(), **fields}
    parameter = "SourceBucketPattern: raw-*" if ".source." in field else "OutputBucketPattern: copies"
    with pytest.raises(InvalidInputError) as refused:
        MapInput.from_input(given, BUCKET, LIMITED)
    assert str(refused.value) == f"{field}: {bucket} is not among the buckets of the stack's {parameter}"
    with pytest.raises(InvalidInputError, match=r"there are none$"):
        MapInput.from_input(given, BUCKET, QuerySettings(("primary",), ()))


@pytest.mark.parametrize(
    "fields",
    [
        {"action": copying(destination={"bucket": "copies", "prefix": "x"})},
        {"action": copying(destination={"bucket": BUCKET, "prefix": "output/x"})},
        {"action": copying(source={"bucket": "raw-1", "key": "{k}"})},
        {"action": copying(source={"bucket": "{b}", "key": "{k}"})},
        {"action": copying(source={"uri": "s3://{b}/{k}"})},
        {"query": UNLOAD.format(f"s3://{BUCKET}/output/p/")},
        {"query": "SELECT ') TO ''s3://others/'' WITH (a)'"},
    ],
)
def test_buckets_of_the_stack_and_of_columns_are_taken(fields: dict[str, Any]) -> None:
    assert MapInput.from_input({"query": "SELECT 1", "action": copying(), **fields}, BUCKET, LIMITED)


@pytest.mark.parametrize(
    ("query", "layout"),
    [
        ("SELECT 1", QueryResultFormat.CSV),
        ("  \n-- first\n/* (then) */ with a AS (SELECT 1) SELECT * FROM a;", QueryResultFormat.CSV),
        ("((SELECT 1))", QueryResultFormat.CSV),
        ("VALUES (1)", QueryResultFormat.CSV),
        ("TABLE t", QueryResultFormat.CSV),
        ("UNLOAD (SELECT 1) TO 's3://b/p/' WITH (format = 'PARQUET')", QueryResultFormat.PARQUET),
        (
            "unload (select '--' from t) to 's3://b/p' with (FORMAT='json', compression = 'gzip') ;",
            QueryResultFormat.JSON,
        ),
        (
            "UNLOAD (SELECT ') TO ''x'' WITH (format = ''ORC'')' AS a FROM t) TO 's3://b/it''s' "
            "WITH (partitioned_by = ARRAY['a', 'b'], format /* here */ = 'Parquet')",
            QueryResultFormat.PARQUET,
        ),
    ],
)
def test_statement_decides_the_layout_of_the_rows(query: str, layout: QueryResultFormat) -> None:
    assert result_format(query) is layout


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("INSERT INTO t SELECT 1", "not INSERT"),
        ("-- SELECT 1", "not empty"),
        ("UNLOAD (SELECT 1) TO 's3://b/p/' WITH (format = 'ORC')", "not orc"),
        ("UNLOAD (SELECT 1) TO 's3://b/p/' WITH (compression = 'gzip')", "not none"),
        ("UNLOAD (SELECT 1) TO 's3://b/p/' -- WITH (format = 'JSON')", "not none"),
    ],
)
def test_statement_whose_rows_cannot_be_read_is_refused(query: str, problem: str) -> None:
    with pytest.raises(InvalidInputError, match=problem) as refused:
        request(query=query)
    assert refused.value.field == "query"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"query": None}, "query"),
        ({"query": f"SELECT '{'ü' * (QUERY_MAX_BYTES // 2)}'"}, "query"),
        ({"parameters": "x"}, "parameters"),
        ({"parameters": ["x", ""]}, "parameters[1]"),
        ({"parameters": ["x" * 1025]}, "parameters[0]"),
        ({"workGroup": "other"}, "workGroup"),
        ({"rows": {"bucket": "b", "key": "k.jsonl"}}, "query"),
        ({"query": None, "database": "d", "rows": {"bucket": "b", "key": "k.jsonl"}}, "database"),
        ({"query": None, "rows": {"bucket": "b"}}, "rows.key"),
        ({"query": None, "rows": {"bucket": "b", "key": "k.jsonl.gz"}}, "rows.key"),
        ({"query": None, "rows": {"bucket": "bucket", "key": "\0k.jsonl"}}, "rows.key"),
        ({"action": copying(destination={"prefix": "output/\0"})}, "action.copyObject.destination.prefix"),
        ({"action": None}, "action"),
        ({"action": {}}, "action"),
        ({"action": {"function": "my-function"} | copying()}, "action"),
        ({"action": {"function": "other"}}, "action.function"),
        ({"action": copying(source={})}, "action.copyObject.source"),
        ({"action": copying(source={"uri": "{u}", "key": "{k}"})}, "action.copyObject.source"),
        ({"action": copying(source={"bucket": "b"})}, "action.copyObject.source.key"),
        ({"action": copying(source={"uri": "s3://b/k"})}, "action.copyObject.source.uri"),
        ({"action": copying(source={"bucket": "{b}", "key": "k"})}, "action.copyObject.source.key"),
        ({"action": copying(source={"bucket": "b", "key": "{k"})}, "action.copyObject.source.key"),
        ({"action": copying(destination={})}, "action.copyObject.destination.prefix"),
        ({"action": copying(destination={"prefix": "input/x"})}, "action.copyObject.destination.prefix"),
        ({"action": copying(destination={"bucket": "b", "prefix": "x" * 512})}, "action.copyObject.destination.prefix"),
        ({"action": copying(destination=DESTINATION | {"keys": "half"})}, "action.copyObject.destination.keys"),
        (
            {"action": copying(destination=DESTINATION | {"keys": {"without": ""}})},
            "action.copyObject.destination.keys.without",
        ),
        ({"action": copying(source={"uri": "{u}" * 3000})}, "action"),
        ({"batchSize": 501}, "batchSize"),
        ({"maxConcurrency": 0}, "maxConcurrency"),
        ({"toleratedFailurePercentage": 101}, "toleratedFailurePercentage"),
        ({"rejectsTolerated": "half"}, "rejectsTolerated"),
        ({"parameter": []}, "parameter"),
    ],
)
def test_bad_input_is_named(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        request(**fields)
    assert refused.value.field == field


def test_action_is_compiled_for_the_children() -> None:
    source = {"bucket": "raw-{region}", "key": "{{x}}/{day}/{region}.csv"}
    destination = {"bucket": "archive", "prefix": "2026/", "keys": {"without": "a/"}}
    action = request(action=copying(source=source, destination=destination)).action
    assert action.to_state() == {
        "type": "copyObject",
        "function": None,
        "columns": ["region", "day"],
        "source": {
            "bucket": [{"text": "raw-"}, {"column": "region"}],
            "key": [{"text": "{x}/"}, {"column": "day"}, {"text": "/"}, {"column": "region"}, {"text": ".csv"}],
        },
        "destination": {"bucket": "archive", "prefix": "2026/", "keys": "without", "without": "a/", "isEmpty": False},
    }
    assert action.columns == {
        "region": "action.copyObject.source.bucket",
        "day": "action.copyObject.source.key",
    }


def test_query_is_requested_as_athena_accepts_it() -> None:
    query = request(parameters=["'x'"], workGroup="reports", database="d", catalog="c").query
    assert query is not None
    arguments = query.to_arguments(RUN, BUCKET)
    assert 32 <= len(arguments.pop("ClientRequestToken")) <= 128
    assert arguments == {
        "QueryString": "SELECT 1",
        "WorkGroup": "reports",
        "ResultConfiguration": {"OutputLocation": f"s3://{BUCKET}/athena_map/fixture/query"},
        "QueryExecutionContext": {"Database": "d", "Catalog": "c"},
        "ExecutionParameters": ["'x'"],
    }


def test_runs_have_tokens_of_their_own_and_nothing_unrequested() -> None:
    query = request().query
    assert query is not None
    one, again = query.to_arguments(RUN, BUCKET), query.to_arguments(RUN, BUCKET)
    other = query.to_arguments(Run("athena_map", "fixture", RUN.execution_arn + "2"), BUCKET)
    assert one == again != other
    assert set(one) == {"QueryString", "ClientRequestToken", "WorkGroup", "ResultConfiguration"}
    assert one["WorkGroup"] == "primary"


def test_setting_that_is_missing_is_named() -> None:
    with pytest.raises(SettingError, match="ATHENA_WORK_GROUPS"):
        QuerySettings.from_env({"PROCESSOR_FUNCTIONS": ""})
    with pytest.raises(SettingError, match="contains no workgroup"):
        QuerySettings.from_env({"ATHENA_WORK_GROUPS": " ,", "PROCESSOR_FUNCTIONS": ""})
    variables = {"ATHENA_WORK_GROUPS": "a, b", "PROCESSOR_FUNCTIONS": "", "SOURCE_BUCKET_PATTERN": "raw-*"}
    with pytest.raises(SettingError, match="OUTPUT_BUCKET_PATTERN"):
        QuerySettings.from_env(variables)
    found = QuerySettings.from_env({**variables, "OUTPUT_BUCKET_PATTERN": ""})
    assert found == QuerySettings(("a", "b"), (), "raw-*", "")


# The handler.


@pytest.fixture
def handler() -> Iterator[Any]:
    with mock_aws():
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        create_run_table()
        yield import_module("plan_query.handler").lambda_handler


def test_run_has_an_item_for_its_batches_to_count_rows_in(handler: Any) -> None:
    handler(USUAL, Context())
    key: Any = {"run": {"S": RUN.item_key}}
    assert boto3.client("dynamodb").get_item(TableName=TABLE, Key=key)["Item"]["workflow"] == {"S": "athena_map"}


def test_rows_replace_a_query(handler: Any) -> None:
    boto3.client("s3").put_object(Bucket=BUCKET, Key="input/rows.jsonl", Body=b"{}")
    rows = {"bucket": BUCKET, "key": "input/rows.jsonl"}
    planned = handler(USUAL | {"input": {"rows": rows, "action": {"function": "my-function"}}}, Context())
    assert (planned["query"], planned["format"], planned["rows"]) == (None, None, rows)
    assert (planned["needed"], planned["action"]["function"]) == ({}, "my-function")


def test_destination_is_looked_at_once_for_all_rows(handler: Any) -> None:
    for key, is_empty in (("output/copies-of-others", True), ("output/copies/a", False)):
        boto3.client("s3").put_object(Bucket=BUCKET, Key=key, Body=b"")
        planned = handler(USUAL, Context())
        assert planned["action"]["destination"]["isEmpty"] is is_empty


def test_destination_that_is_not_there_is_named(handler: Any) -> None:
    action = copying(destination={"bucket": "no-such-bucket", "prefix": "x"})
    with pytest.raises(InvalidInputError, match="there is no bucket no-such-bucket") as refused:
        handler(USUAL | {"input": {"query": "SELECT 1", "action": action}}, Context())
    assert refused.value.field == "action.copyObject.destination.bucket"


def test_destination_that_is_not_allowed_is_denied(handler: Any) -> None:
    with Stubber(s3_client()) as stubber:
        stubber.add_client_error("list_objects_v2", "AccessDenied", http_status_code=403)
        with pytest.raises(AccessDeniedError, match=BUCKET):
            handler(USUAL, Context())


@pytest.mark.parametrize("path", sorted((EVENTS / "plan_query").glob("*.json")), ids=lambda path: path.stem)
def test_fixture_ends_as_it_is_named(handler: Any, path: Path) -> None:
    event, error = fixture("plan_query", path.stem), expected_error(path)
    if error is None:
        assert handler(event, Context())["query"]["ExecutionParameters"] == ["'2026-11-27'"]
        return
    with pytest.raises(getattr(errors, error)):
        handler(event, Context())

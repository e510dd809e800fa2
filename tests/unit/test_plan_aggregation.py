"""PlanAggregation: bad input is named before anything is read, and the request travels in state as it was meant."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from sluice import errors
from sluice.errors import InvalidInputError, SourceNotFoundError
from sluice.runs.input import ToleratedFailures
from sluice.runs.paths import Run
from sluice.workflows.object_aggregate.aggregation import (
    Aggregation,
    ColumnPart,
    Comparator,
    Condition,
    DatePart,
    MissingTexts,
    Order,
    Statistic,
    Top,
)
from sluice.workflows.object_aggregate.input import AggregationInput
from tests.fixtures import EVENTS, expected_error, fixture
from tests.unit.lambda_context import Context
from tests.unit.run_items import create_run_table

BUCKET = "sluice-data-000000000000-us-east-1"
USUAL = fixture("plan_aggregation", "usual")
RUN = Run.from_state(USUAL["run"])
MEASURES = {"TEMP": ["count", "mean"], "WIND": ["max"]}
GSOD = {"prefix": "gsod/", "groupBy": ["DATE:month", "STATION"], "measures": MEASURES}


def request(**fields: Any) -> AggregationInput:
    """An input with these fields, besides those of a usual one."""
    return AggregationInput.from_input(GSOD | fields, RUN, BUCKET)


def aggregation(**fields: Any) -> Aggregation:
    """The request of such an input; it survives state."""
    found = request(**fields).aggregation
    assert Aggregation.from_state(json.loads(json.dumps(found.to_state()))) == found
    return found


def test_what_is_left_out_has_its_default() -> None:
    plan = AggregationInput.from_input({"prefix": "gsod/"}, RUN, BUCKET).to_state()
    assert plan == {
        "formatVersion": 3,
        "aggregation": {
            "formatVersion": 3,
            "bucket": BUCKET,
            "prefix": "gsod/",
            "suffix": "",
            "layout": {
                "format": None,
                "delimiter": ",",
                "quote": '"',
                "headers": None,
                "encoding": "utf-8",
                "escape": None,
                "skipRows": 0,
                "comment": None,
                "trim": False,
                "replacesHeader": False,
                "compression": None,
            },
            "groupBy": [],
            "measures": [],
            "missing": [],
            "where": [],
            "top": None,
            "escapeFormulas": False,
        },
        "batchSize": 250,
        "maxConcurrency": 100,
        "onIncomplete": "fail",
        "toleratedFailurePercentage": 0,
        "toleratedFailureCount": 0,
        "rejectsTolerated": {"count": 0},
    }


def test_partial_result_tolerates_any_failure_by_default() -> None:
    assert request(onIncomplete="report").tolerated_failures == ToleratedFailures(100)
    given = {"onIncomplete": "report", "toleratedFailurePercentage": 2.5, "toleratedFailureCount": 7}
    assert request(**given).tolerated_failures == ToleratedFailures(2.5, 7)


def test_date_parts_and_columns_with_a_colon_are_distinguished() -> None:
    groups = aggregation(groupBy=["DATE:hour", "a:b", ":month", "x:y:day"]).groups
    assert groups == (
        ColumnPart("DATE", DatePart.HOUR),
        ColumnPart("a:b"),
        ColumnPart(":month"),
        ColumnPart("x:y", DatePart.DAY),
    )


def test_where_is_read_in_all_its_forms() -> None:
    where = {
        "NAME": "O'HARE, IL",
        "TEMP": {"atLeast": -40, "lessThan": 99.9},
        "STATION": {"in": ["1", "2"]},
        "DATE:year": {"moreThan": 1999},
        "DATE:month": {"notEquals": "2026-02"},
        "WIND": 0.1,
    }
    assert aggregation(where=where).where == (
        Condition(ColumnPart("NAME"), Comparator.EQUALS, "O'HARE, IL"),
        Condition(ColumnPart("TEMP"), Comparator.AT_LEAST, Decimal(-40)),
        Condition(ColumnPart("TEMP"), Comparator.LESS_THAN, Decimal("99.9")),
        Condition(ColumnPart("STATION"), Comparator.IN, ("1", "2")),
        Condition(ColumnPart("DATE", DatePart.YEAR), Comparator.MORE_THAN, "1999"),
        Condition(ColumnPart("DATE", DatePart.MONTH), Comparator.NOT_EQUALS, "2026-02"),
        Condition(ColumnPart("WIND"), Comparator.EQUALS, Decimal("0.1")),
    )


def test_what_competes_for_the_top_stands_together_in_keys() -> None:
    found = aggregation(top={"by": "WIND.max", "per": ["STATION"], "count": 3, "order": "lowest"})
    assert found.top == Top(1, Statistic.MAX, (ColumnPart("STATION"),), 3, Order.LOWEST)
    assert [each.name for each in found.key_columns] == ["STATION", "DATE:month"]
    assert aggregation(top={"by": "TEMP.mean"}).top == Top(0, Statistic.MEAN, (), 1, Order.HIGHEST)


def test_missing_values_are_compared_without_blanks() -> None:
    assert aggregation(missing=[" 9999.9", "NA "]).missing == MissingTexts(frozenset({"9999.9", "NA"}))


def test_missing_values_of_a_column_replace_those_of_all_columns() -> None:
    found = aggregation(missing={"WIND": [" 999.9"], "*": ["NA"]}, where={"GUST": {"atMost": 9}}).missing
    assert found == MissingTexts(frozenset({"NA"}), {"WIND": frozenset({"999.9"})})
    assert [sorted(found.of(each)) for each in ("WIND", "TEMP", "GUST")] == [["999.9"], ["NA"], ["NA"]]
    assert MissingTexts.from_state(found.to_state()) == found


def test_columns_of_conditions_on_numbers_can_have_missing_values() -> None:
    where = {"GUST": {"atMost": 9}, "NAME": "x"}
    assert aggregation(missing={"GUST": ["99"]}, where=where).missing.of("GUST") == {"99"}
    with pytest.raises(InvalidInputError, match=r"missing\.NAME: is not a column of measures or of numbers in where"):
        aggregation(missing={"NAME": ["-"]}, where=where)


@pytest.mark.parametrize(("suffix", "delimiter"), [(".tsv", "\t"), (".TSV.GZ", "\t"), (".csv", ","), ("", ",")])
def test_delimiter_follows_the_suffix(suffix: str, delimiter: str) -> None:
    assert aggregation(**{"suffix": suffix} if suffix else {}).layout.delimiter == delimiter


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"prefix": None}, "prefix", "is required"),
        ({"prefix": ""}, "prefix", "must not be empty"),
        ({"prefix": "x" * 1025}, "prefix", "longer than 1024 bytes"),
        ({"prefix": "obj"}, "prefix", "this run itself writes below object_aggregate/fixture/"),
        ({"prefix": "object_aggregate/fixture/parts/", "bucket": "not a bucket"}, "bucket", "not a bucket name"),
        ({"format": "rejects"}, "format", "must be one of csv, jsonl"),
        ({"format": "jsonl", "delimiter": ";"}, "delimiter", "does not apply to the format jsonl"),
        ({"escape": "||"}, "escape", "must be one character"),
        ({"delimiter": ",", "quote": ","}, "quote", "must not be in the delimiter"),
        ({"compression": "lz4"}, "compression", "must be one of none, gzip"),
        ({"headerRow": "replace"}, "headerRow", "needs headers"),
        ({"headers": []}, "headers", "must name the columns"),
        ({"headers": ["a", "b", "a"]}, "headers", "the column a appears twice"),
        ({"headers": ["DATE", "TEMP", "WIND"]}, "groupBy", "STATION is not among headers: DATE, TEMP, WIND"),
        ({"headers": ["DATE", "STATION", "TEMP"]}, "measures", "WIND is not among headers"),
        ({"headers": ["DATE", "STATION", "TEMP", "WIND"], "where": {"X:day": "2026-01-01"}}, "where", "X is not"),
        ({"encoding": "utf-99"}, "encoding", ""),
        ({"groupBy": "DATE"}, "groupBy", "must be a list of strings"),
        ({"groupBy": ["DATE", ""]}, "groupBy[1]", "must not be empty"),
        ({"groupBy": ["DATE", "DATE"]}, "groupBy", "DATE appears twice"),
        ({"groupBy": ["rows"]}, "groupBy", "two columns rows"),
        ({"groupBy": ["TEMP.mean"]}, "groupBy", "two columns TEMP.mean"),
        ({"measures": ["TEMP"]}, "measures", "must be an object, not a list"),
        ({"measures": {"TEMP": []}}, "measures.TEMP", "the list is empty"),
        ({"measures": {"TEMP": ["mean", "median"]}}, "measures.TEMP", "median is not one of them"),
        ({"measures": {"TEMP": ["mean", "mean"]}}, "measures.TEMP", "mean appears twice"),
        ({"missing": [9999.9]}, "missing[0]", "must be a string"),
        ({"where": "TEMP"}, "where", "must be an object"),
        ({"where": {"TEMP": {}}}, "where.TEMP", "must compare with one of equals"),
        ({"where": {"TEMP": {"atleast": 3}}}, "where.TEMP.atleast", "did you mean atLeast"),
        ({"where": {"TEMP": {"atLeast": True}}}, "where.TEMP.atLeast", "must be a string or a number"),
        ({"where": {"TEMP": {"atLeast": float("inf")}}}, "where.TEMP.atLeast", "must be a string or a number"),
        ({"where": {"TEMP": ["3"]}}, "where.TEMP", "must be a string or a number, not a list"),
        ({"where": {"TEMP": {"in": []}}}, "where.TEMP.in", "at least one"),
        ({"where": {"DATE:month": {"atLeast": 2}}}, "where.DATE:month.atLeast", "a text such as 2026-01"),
        ({"where": {"DATE:year": 2026.5}}, "where.DATE:year", "a text such as 2026"),
        ({"where": {"N": {"in": ["x" * 9] * 9_000}}}, "where", "more than 64 KiB"),
        ({"top": {}}, "top.by", "is required"),
        ({"top": {"by": "TEMP.max"}}, "top.by", "not one of the measures: TEMP.count, TEMP.mean, WIND.max"),
        ({"top": {"by": "TEMP.mean", "per": ["YEAR"]}}, "top.per", "YEAR is not among groupBy"),
        ({"top": {"by": "TEMP.mean", "per": ["STATION", "STATION"]}}, "top.per", "STATION appears twice"),
        ({"top": {"by": "TEMP.mean", "count": 1001}}, "top.count", "must be from 1 to 1,000"),
        ({"top": {"by": "TEMP.mean", "order": "hottest"}}, "top.order", "highest, lowest"),
        ({"batchSize": 0}, "batchSize", "must be from 1 to 1,000"),
        ({"onIncomplete": "ignore"}, "onIncomplete", "fail, report"),
        ({"prefix": "in/\0"}, "prefix", "must not contain a NUL character"),
        ({"rejectsTolerated": "many"}, "rejectsTolerated", "must be a count"),
        ({"missing": {"TMEP": ["9"]}}, "missing.TMEP", 'these are "TEMP", "WIND"'),
        ({"missing": {"TEMP": "9"}}, "missing.TEMP", "must be a list of strings"),
        ({"escapeFormulas": "yes"}, "escapeFormulas", "must be true or false"),
        ({"groupby": []}, "groupby", "did you mean groupBy"),
    ],
)
def test_bad_input_is_named(fields: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        request(**fields)
    assert refused.value.field == field
    assert words in str(refused.value)


def test_prefix_of_the_runs_own_keys_is_fine_in_another_bucket() -> None:
    assert aggregation(prefix="object_aggregate/", bucket="another").prefix == "object_aggregate/"
    assert aggregation(prefix="object_aggregate/earlier/").prefix == "object_aggregate/earlier/"


# The handler.


@pytest.fixture
def handler() -> Iterator[Any]:
    with mock_aws():
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        create_run_table()
        s3.put_object(Bucket=BUCKET, Key="input/airports.csv", Body=b"country,elevation\n")
        yield import_module("plan_aggregation.handler").lambda_handler


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"prefix": "input/airport/"}, f"no object in s3://{BUCKET} whose key begins with input/airport/"),
        ({"bucket": "not-there"}, "there is no bucket not-there"),
    ],
)
def test_prefix_without_objects_is_an_error(handler: Any, fields: dict[str, str], words: str) -> None:
    with pytest.raises(SourceNotFoundError, match=words):
        handler(USUAL | {"input": USUAL["input"] | fields}, Context())


@pytest.mark.parametrize("path", sorted((EVENTS / "plan_aggregation").glob("*.json")), ids=lambda path: path.stem)
def test_fixture_ends_as_it_is_named(handler: Any, path: Path) -> None:
    event, error = fixture("plan_aggregation", path.stem), expected_error(path)
    if error is None:
        assert handler(event, Context())["aggregation"]["groupBy"] == ["country"]
        return
    with pytest.raises(getattr(errors, error)):
        handler(event, Context())

"""The input of table_export: every field, and what is wrong with it."""

from __future__ import annotations

from typing import Any

import pytest

from sluice.errors import InvalidInputError
from sluice.workflows.table_export.input import ExportInput

BUCKET = "sluice-data-000000000000-us-east-1"
COPY = {"sink": {"table": "{table}-copy", "guard": "newerOnly"}}


def request(**fields: Any) -> ExportInput:
    """An input with these fields."""
    return ExportInput.from_input({"table": "airports", **fields}, BUCKET)


def test_table_alone_has_defaults_for_everything_else() -> None:
    assert request() == ExportInput("airports", BUCKET, "exports/airports", "NEW_AND_OLD_IMAGES", None, 60)


def test_fields_are_taken_as_they_are() -> None:
    given = request(bucket="other", prefix="any/where/", viewType="NEW_IMAGE", process=None, pollSeconds=600.0)
    assert given == ExportInput("airports", "other", "any/where", "NEW_IMAGE", None, 600)


@pytest.mark.parametrize("prefix", ["exports", "exports/", "exports/a/b"])
def test_prefix_in_the_data_bucket_is_that_of_exports(prefix: str) -> None:
    assert request(prefix=prefix).prefix == prefix.rstrip("/")


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"table": None}, "table: is required"),
        ({"table": 5}, "table: must be a string, not a number"),
        ({"table": ""}, "table: must not be empty"),
        ({"table": "ab"}, "table: must be a table name, not ab"),
        ({"table": "arn:aws:dynamodb:us-east-1:1:table/airports"}, "table: must be a table name"),
        ({"bucket": ""}, "bucket: must not be empty"),
        ({"bucket": ["b"]}, "bucket: must be a string, not a list"),
        ({"prefix": "output/airports"}, "prefix: must begin with exports/ in the data bucket, not output/airports"),
        ({"prefix": "exportsofall"}, "prefix: must begin with exports/ in the data bucket"),
        ({"prefix": "/"}, "prefix: must begin with exports/ in the data bucket"),
        ({"prefix": "exports/" + "x" * 505}, "prefix: must have at most 512 characters"),
        ({"viewType": "NEW_IMAGES"}, "viewType: must be one of NEW_AND_OLD_IMAGES, NEW_IMAGE, not NEW_IMAGES"),
        ({"pollSeconds": 0}, "pollSeconds: must be from 1 to 600, not 0"),
        ({"pollSeconds": 601}, "pollSeconds: must be from 1 to 600, not 601"),
        ({"pollSeconds": 1.5}, "pollSeconds: must be a whole number, not 1.5"),
        ({"pollSeconds": "60"}, "pollSeconds: must be a number, not a string"),
        ({"poolSeconds": 60}, "poolSeconds: unknown field; did you mean pollSeconds?"),
        ({"process": "copy"}, "process: must be an object: the input of export_process without export"),
        ({"process": {}}, "process.sink: is required"),
        ({"process": {"sink": "copy"}}, "process.sink: must be an object"),
        ({"process": {**COPY, "export": "arn"}}, "process.export: must be omitted"),
        ({"process": {**COPY, "records": {}}}, "process.records: must be omitted"),
        ({"process": {"sink": {"table": "copy"}}}, "process.sink.guard: must be newerOnly: the runs of two windows"),
        ({"process": {**COPY, "transform": "t"}, "viewType": "NEW_IMAGE"}, "viewType: must be NEW_AND_OLD_IMAGES"),
    ],
)
def test_bad_input_is_named(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        request(**fields)
    assert str(refused.value).startswith(problem)
    assert refused.value.field == problem.partition(":")[0]


def test_table_stands_in_for_its_name_in_the_sink() -> None:
    sink = {"prefix": "output/{table}/of/{table}/", "values": "plain", "bucket": None}
    process = request(process={"sink": sink, "maxConcurrency": 5}).process
    assert process == {
        "sink": {"prefix": "output/airports/of/airports/", "values": "plain", "bucket": None},
        "maxConcurrency": 5,
    }
    copy = {"sink": {"table": "airports-copy", "guard": "newerOnly"}, "mirror": True}
    assert request(process=COPY).process == copy


def test_transform_has_the_old_images() -> None:
    assert request(process={**COPY, "transform": "airport_city"}).view_type == "NEW_AND_OLD_IMAGES"

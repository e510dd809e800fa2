"""AggregateObjects: batches of objects, readable and not, and their slices."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from demo.airports import SOURCE_KEY, airports_csv
from sluice import errors
from sluice.aggregating.group_tally import GroupTally, MeasureTally
from sluice.run import Run
from tests.fixtures import EVENTS, expected_error, fixture
from tests.unit.aggregated import BOTOCORE_ALONE, BUCKET, Batches, aggregation, batches, counts
from tests.unit.lambda_context import Context


@pytest.fixture
def aws() -> Iterator[Batches]:
    with batches() as started:
        yield started


def tally(rows: int, *values: str) -> GroupTally:
    numbers = sorted(map(Decimal, values))
    measure = (
        MeasureTally(len(numbers), sum(numbers, Decimal(0)), numbers[0], numbers[-1]) if numbers else MeasureTally()
    )
    return GroupTally(rows, [measure])


def test_rows_of_all_objects_are_grouped(aws: Batches) -> None:
    aws.put("in/", b"")
    aws.put("in/a.csv", b"g,x\na,1\nb,-2.5\na, 3 \n")
    aws.put("in/b.csv.gz", gzip.compress(b"x,y,g\r\n0.1,,a\r\n,,a\r\n9999.9,,c\r\n"))
    aws.put("in/c.jsonl", b'{"g":"b","x":1.50}\n{"g":true,"x":null}\n{"x":"7"}\n')
    aws.put("in/empty.csv", b"")
    progress = aws.whole(aggregation(missing=["9999.9"]))
    assert counts(progress) == ((5, 4, 1, 0), (9, 9, 0, 0))
    assert aws.groups(progress) == {
        ("a",): tally(4, "1", "3", "0.1"),
        ("b",): tally(2, "-2.5", "1.50"),
        ("c",): tally(1),
        ("true",): tally(1),
        ("",): tally(1, "7"),
    }


# The handler.


def test_airports_go_through_the_handler(monkeypatch: pytest.MonkeyPatch) -> None:
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket=BUCKET)
        s3.put_object(Bucket=BUCKET, Key=SOURCE_KEY, Body=airports_csv())
        event = fixture("aggregate_objects", "usual")
        handler = import_module("aggregate_objects.handler")
        monkeypatch.setattr(handler, "gets", BOTOCORE_ALONE)
        progress = handler.lambda_handler(event, Context())
        assert counts(progress) == ((3, 1, 1, 1), (28298, 28298, 0, 0))
        aws = Batches(s3, Run.from_state(event["run"]))
        assert aws.groups(progress)[("IS",)].rows == airports_csv().count(b',"IS",')
        (gone,) = aws.unreadable(progress)
        assert (gone["key"], gone["error"]) == ("input/gone.csv", "SourceChangedError")


@pytest.mark.parametrize(
    "path",
    [each for each in sorted((EVENTS / "aggregate_objects").glob("*.json")) if expected_error(each)],
    ids=lambda each: each.stem,
)
def test_fixture_fails_as_it_is_named(path: Path) -> None:
    with mock_aws():
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket=BUCKET)
        handler: Any = import_module("aggregate_objects.handler")
        with pytest.raises(getattr(errors, str(expected_error(path)))):
            handler.lambda_handler(fixture("aggregate_objects", path.stem), Context())

"""The input of export_process, field by field."""

from __future__ import annotations

from typing import Any

import pytest

from sluice.errors import InvalidInputError
from sluice.run_item.shares import UnitKind
from sluice.runs.input import ToleratedFailures
from sluice.workflows.export_process.input import ObjectLocation, ObjectsTarget, ProcessInput, TableTarget

ARN = "arn:aws:dynamodb:us-east-1:123456789012:table/birds/export/01768386096366-0123abcd"


def read(**changed: Any) -> ProcessInput:
    usual: dict[str, Any] = {"export": ARN, "sink": {"table": "copy"}}
    return ProcessInput.from_input(usual | changed, "data")


def test_defaults() -> None:
    assert read() == ProcessInput(
        export=ARN,
        sink=TableTarget("copy", None),
        transform=None,
        records=None,
        max_concurrency=50,
        limits={UnitKind.READ: None, UnitKind.WRITE: None},
        tolerated_failures=ToleratedFailures(),
        rejects_tolerated={"count": 0},
        verify=True,
    )


def test_every_field_is_taken() -> None:
    given = read(
        export={"bucket": "b", "key": "p/manifest-summary.json"},
        sink={"table": "copy", "guard": "newerOnly"},
        transform="t",
        records={"bucket": "b", "key": "rejects.jsonl"},
        maxConcurrency=7,
        maxWriteUnitsPerSecond=1.5,
        toleratedFailurePercentage=10,
        toleratedFailureCount=3,
        rejectsTolerated="2%",
        verify=False,
    )
    assert given == ProcessInput(
        export=ObjectLocation("b", "p/manifest-summary.json"),
        sink=TableTarget("copy", "newerOnly"),
        transform="t",
        records=ObjectLocation("b", "rejects.jsonl"),
        max_concurrency=7,
        limits={UnitKind.READ: None, UnitKind.WRITE: 1.5},
        tolerated_failures=ToleratedFailures(10, 3),
        rejects_tolerated={"percentage": 2.0},
        verify=False,
    )


def test_mirror_and_what_it_adopts() -> None:
    guarded = {"table": "copy", "guard": "newerOnly"}
    given = [read(sink=guarded), read(sink=guarded, mirror=True), read(sink=guarded, mirror=True, adopt=True)]
    assert [(each.mirrors, each.adopts) for each in given] == [(False, False), (True, False), (True, True)]


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"sink": {"prefix": "output/x"}, "mirror": True}, "mirror: requires a table as the sink"),
        ({"mirror": True}, 'mirror: requires "guard": "newerOnly" in the sink'),
        ({"adopt": True}, 'adopt: applies only with "mirror": true'),
        ({"mirror": "yes"}, "mirror: must be true or false"),
    ],
)
def test_mirror_needs_a_guarded_table(changed: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidInputError, match=problem):
        read(**changed)


@pytest.mark.parametrize(
    ("sink", "expected"),
    [
        ({"prefix": "output/x"}, ObjectsTarget("data", "output/x/", "plain")),
        ({"prefix": "output/x//", "values": "dynamodbJson"}, ObjectsTarget("data", "output/x/", "dynamodbJson")),
        ({"prefix": "x", "bucket": "other"}, ObjectsTarget("other", "x/", "plain")),
    ],
)
def test_prefix_ends_with_a_slash(sink: Any, expected: ObjectsTarget) -> None:
    assert read(sink=sink).sink == expected


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"export": None}, "export: is required"),
        (
            {"export": "birds"},
            "export: birds is not the ARN of an export; give that, or the bucket and key of its manifest-summary",
        ),
        ({"export": ARN + "/x"}, "export: .* is not the ARN of an export"),
        ({"export": 5}, "export: must be an object"),
        ({"export": {"bucket": "b"}}, r"export\.key: is required"),
        ({"export": {"bucket": "b", "key": "p/manifest-files.json"}}, r"export\.key: must be the key of a manifest-s"),
        ({"export": {"bucket": "b", "key": "p", "x": 1}}, r"export\.x: unknown field"),
        ({"sink": None}, "sink: is required"),
        ({"sink": {}}, "sink: give either a table, or the prefix of objects"),
        ({"sink": {"table": "copy", "prefix": "output/"}}, "sink: give either"),
        ({"sink": {"table": "no table"}}, r"sink\.table: no table is not a table name"),
        ({"sink": {"table": "copy", "guard": "olderOnly"}}, r"sink\.guard: must be one of newerOnly"),
        ({"sink": {"table": "copy", "values": "plain"}}, r"sink\.values: does not apply to a sink with a table"),
        ({"sink": {"prefix": "output/", "guard": "newerOnly"}}, r"sink\.guard: does not apply to a sink with a prefix"),
        ({"sink": {"prefix": "csv_load/"}}, r"sink\.prefix: must begin with output/ in the data bucket, not csv_load/"),
        ({"sink": {"prefix": "outputs"}}, r"sink\.prefix: must begin with output/"),
        ({"sink": {"prefix": "output/" + "x" * 512}}, r"sink\.prefix: must have at most 512 characters"),
        ({"sink": {"prefix": "output/", "values": "csv"}}, r"sink\.values: must be one of plain, dynamodbJson"),
        ({"records": {"bucket": "b", "key": "rejects.jsonl.gz"}}, r"records\.key: must be the key of a rejects.jsonl"),
        ({"maxConcurrency": 0}, "maxConcurrency: must be from 1"),
        ({"maxWriteUnitsPerSecond": 0.5}, "maxWriteUnitsPerSecond: must be from 1"),
        (
            {"maxWriteUnitsPerSecond": 5, "sink": {"prefix": "output/"}},
            "maxWriteUnitsPerSecond: does not apply to a sink of objects",
        ),
        ({"toleratedFailurePercentage": 101}, "toleratedFailurePercentage: must be from 0"),
        ({"rejectsTolerated": "many"}, "rejectsTolerated: must be a count"),
        ({"verify": "no"}, "verify: must be true or false, not a string"),
        ({"transform": ""}, "transform: must not be empty"),
        ({"sinks": {}}, "sinks: unknown field; did you mean sink"),
    ],
)
def test_wrong_field_is_named(changed: Any, problem: str) -> None:
    with pytest.raises(InvalidInputError, match=f"^{problem}"):
        read(**changed)

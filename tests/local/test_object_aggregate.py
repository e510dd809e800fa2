"""object_aggregate as its users run it: the deployed state machine and functions on local AWS, against DuckDB."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from local_aws import faults
from tests.local.deployed import Deployed, Ended
from tests.local.map_runs import impatient, map_runs
from tests.local.weather_objects import as_csv, by_duckdb, daily_rows, mixed_objects, put_objects, result_rows

STATISTICS = ["count", "min", "max", "sum", "mean"]
MONTHLY = {
    "groupBy": ["DATE:month", "NAME"],
    "measures": {"TEMP": STATISTICS},
    "missing": ["9999.9"],
}
NAMES = tuple(f"TEMP.{each}" for each in STATISTICS)
# AggregateObjects and ReduceAggregates are tried six times.
ATTEMPTS = 6
# So many parts are merged at a time.
FAN_IN = 32


def put(stack: Deployed, objects: dict[str, bytes]) -> str:
    """Put objects below a prefix of their own."""
    return put_objects(stack, f"weather-{uuid4().hex[:12]}", objects)


def run(stack: Deployed, prefix: str, **fields: Any) -> Ended:
    """Run object_aggregate over the prefix, by month and name by default."""
    return stack.run("object_aggregate", MONTHLY | {"prefix": prefix} | fields)


def statistics(row: dict[str, str]) -> tuple[Decimal | float | None, ...]:
    """A row's numbers, exact but for the mean."""
    exact = [Decimal(row[name]) if row[name] else None for name in NAMES[:-1]]
    return (*exact, float(row["TEMP.mean"]) if row["TEMP.mean"] else None)


GROUPED = """
    SELECT substr(DATE, 1, 7) AS month, NAME, count(*), count(TEMP), min(TEMP), max(TEMP), sum(TEMP),
           CAST(sum(TEMP) AS DOUBLE) / count(TEMP)
    FROM rows {where} GROUP BY ALL ORDER BY month, NAME
"""


def test_result_is_that_of_duckdb_on_the_same_objects(stack: Deployed, tmp_path: Path) -> None:
    objects = mixed_objects(80, 60)
    ended = run(stack, put(stack, objects), batchSize=2)
    assert (ended.status, ended.summary["status"], ended.counts) == ("SUCCEEDED", "COMPLETE", (80, 80, 0, 0, 0)), ended
    expected = by_duckdb(objects, tmp_path, GROUPED.format(where=""))
    rows = result_rows(stack, ended.summary)
    assert [(row["DATE:month"], row["NAME"], int(row["rows"])) for row in rows] == [each[:3] for each in expected]
    for row, (*_, count, low, high, total, mean) in zip(rows, expected, strict=True):
        assert statistics(row)[:-1] == (count, low, high, total if count else None)
        assert statistics(row)[-1] == pytest.approx(mean, rel=1e-15)
    document = json.loads(stack.object(ended.summary["result"]["json"]), parse_float=str, parse_int=str)
    assert [{name: value or "" for name, value in group.items()} for group in document["groups"]] == rows
    assert document["complete"] is True
    assert ended.summary["rows"] == {"read": 4800, "aggregated": 4800, "filtered": 0, "rejected": 0}
    assert ended.summary["bytes"] == sum(map(len, objects.values()))


def test_where_takes_some_rows(stack: Deployed, tmp_path: Path) -> None:
    objects = mixed_objects(12, 60)
    where = {"TEMP": {"atLeast": -10.5, "lessThan": 20}, "DATE:month": {"in": ["2025-01", "2025-03"]}}
    ended = run(stack, put(stack, objects), where=where)
    condition = "WHERE TEMP >= -10.5 AND TEMP < 20 AND substr(DATE, 1, 7) IN ('2025-01', '2025-03')"
    expected = by_duckdb(objects, tmp_path, GROUPED.format(where=condition))
    rows = result_rows(stack, ended.summary)
    assert [(row["DATE:month"], row["NAME"], int(row["rows"])) for row in rows] == [each[:3] for each in expected]
    taken = sum(each[2] for each in expected)
    assert ended.summary["rows"] == {"read": 720, "aggregated": taken, "filtered": 720 - taken, "rejected": 0}


def test_top_is_the_warmest_station_of_each_month(stack: Deployed, tmp_path: Path) -> None:
    objects = mixed_objects(40, 60)
    top = {"by": "TEMP.mean", "per": ["DATE:month"], "count": 2}
    ended = run(stack, put(stack, objects), groupBy=["STATION", "DATE:month"], top=top, batchSize=3)
    select = """
        SELECT STATION, month FROM (
            SELECT STATION, month, row_number() OVER (PARTITION BY month ORDER BY mean DESC, STATION) AS place
            FROM (SELECT STATION, substr(DATE, 1, 7) AS month, sum(TEMP) / count(TEMP) AS mean FROM rows GROUP BY ALL)
        ) WHERE place <= 2 ORDER BY month, place
    """
    rows = result_rows(stack, ended.summary)
    assert [(row["STATION"], row["DATE:month"]) for row in rows] == by_duckdb(objects, tmp_path, select)
    assert (ended.summary["groups"], ended.summary["result"]["groups"]) == (40 * 3, 6)


def test_two_runs_are_equal_to_the_last_byte(stack: Deployed) -> None:
    prefix = put(stack, mixed_objects(50, 40))
    faults.kill_worker(stack.aws, stack.outputs["ReduceAggregatesFunctionName"])
    faults.kill_worker(stack.aws, stack.outputs["AggregateObjectsFunctionName"], times=2)
    try:
        one = run(stack, prefix, batchSize=1)
    finally:
        faults.clear(stack.aws)
    other = run(stack, prefix, batchSize=17, maxConcurrency=1)
    for ending in ("csv", "json"):
        first, second = (stack.object(each.summary["result"][ending]) for each in (one, other))
        assert first == second


def test_folder_keys_and_other_suffixes_are_left_out_and_counted(stack: Deployed) -> None:
    objects = mixed_objects(8, 30) | {"": b"", "sub/": b"", "sub/notes.md": b"# Notes", "empty.csv": b""}
    ended = run(stack, put(stack, objects), suffix=".csv")
    # Two stations in plain CSV, and an object without a byte.
    assert (ended.summary["status"], ended.counts) == ("COMPLETE", (12, 3, 9, 0, 0)), ended
    assert ended.summary["rows"]["read"] == 60


def test_only_folders_are_an_empty_result(stack: Deployed) -> None:
    ended = run(stack, put(stack, {"": b"", "sub/": b""}))
    assert (ended.summary["status"], ended.counts) == ("COMPLETE", (2, 0, 2, 0, 0)), ended
    assert result_rows(stack, ended.summary) == []


def test_rows_that_are_no_data_are_rejects(stack: Deployed) -> None:
    rows = [*daily_rows(1, 5), {**daily_rows(1, 1)[0], "TEMP": "warm"}, {**daily_rows(1, 1)[0], "DATE": "yesterday"}]
    prefix = put(stack, {"1.csv": as_csv(rows)})
    ended = run(stack, prefix, rejectsTolerated="any")
    assert (ended.status, ended.summary["rows"]["rejected"]) == ("SUCCEEDED", 2), ended
    assert ended.summary["rejects"]["reasons"] == {"NumberInvalid": 1, "DateInvalid": 1}
    assert ended.summary["rejects"]["examples"]["NumberInvalid"].startswith('column TEMP: "warm" is not')
    assert next(each["record"]["TEMP"] for each in stack.rejects(ended)) == "warm"
    for tolerated in ({"rejectsTolerated": 1}, {}):
        refused = run(stack, prefix, **tolerated)
        assert (refused.status, refused.error) == ("FAILED", "TooManyRejectsError")
        assert 'NumberInvalid 1 (column TEMP: "warm" is not' in (refused.cause or "")
        assert result_rows(stack, refused.summary) == result_rows(stack, ended.summary)


# Columns that are not there, and cells that mean no value.


def jsonl(*rows: dict[str, Any]) -> bytes:
    return "".join(json.dumps(each) + "\n" for each in rows).encode()


TYPED = {"a.jsonl": jsonl({"g": "a", "SLP": 999.9, "WDSP": 999.9}), "b.jsonl": jsonl({"g": "a", "WDSP": 3}, {"g": "b"})}
COLUMN_CASES: list[Any] = [
    pytest.param(
        TYPED,
        {"measures": {"WDPS": ["count"]}},
        ("ColumnNotFoundError", 'none of the 3 rows has the column "WDPS"; their columns are "g", "SLP", "WDSP"'),
        id="json measure",
    ),
    pytest.param(TYPED, {"groupBy": ["G"]}, ("ColumnNotFoundError", 'has the column "G"; their'), id="json group"),
    pytest.param(
        TYPED, {"where": {"year": {"atLeast": 1}}}, ("ColumnNotFoundError", 'has the column "year"'), id="json where"
    ),
    pytest.param(
        {f"{each}.csv": b"g,WDSP\na,1\n" for each in range(5)},
        {"measures": {"WDPS": ["count"]}},
        ("IncompleteResultError", '5 of 5 objects are missing.*has no column "WDPS"; its columns are "g", "WDSP"'),
        id="csv header",
    ),
    pytest.param(
        {"a.csv": b"g,WDSP\na,1\n"},
        {"measures": {"WDPS": ["count"]}, "onIncomplete": "report"},
        ("IncompleteResultError", 'has no column "WDPS"; its columns are "g", "WDSP".*nothing is left'),
        id="csv report",
    ),
    pytest.param(TYPED, {}, [("a", "2", "1"), ("b", "1", "0")], id="column of one object"),
    pytest.param(
        TYPED,
        {"measures": {"SLP": ["max"], "WDSP": ["max"]}, "missing": {"WDSP": ["999.9"], "*": [""]}},
        [("a", "2", "999.9", "3"), ("b", "1", "", "")],
        id="missing by column",
    ),
    pytest.param(
        {"a.csv": b"g,SLP,WDSP\n=cmd(),999.9,999.9\n@SUM(1),1,1\n"},
        {
            "measures": {"SLP": ["max"], "WDSP": ["max"]},
            "missing": {"WDSP": ["999.9"], "SLP": ["1"]},
            "escapeFormulas": True,
        },
        [("'=cmd()", "1", "999.9", ""), ("'@SUM(1)", "1", "", "1")],
        id="formulas escaped",
    ),
    pytest.param({"a.csv": b"g\n=cmd()\n"}, {"measures": {}}, [("=cmd()", "1")], id="formulas as they are"),
]


@pytest.mark.parametrize(("objects", "fields", "expected"), COLUMN_CASES)
def test_column_cases(stack: Deployed, objects: dict[str, bytes], fields: dict[str, Any], expected: Any) -> None:
    document = {"prefix": put(stack, objects), "groupBy": ["g"], "measures": {"SLP": ["count"]}} | fields
    ended = stack.run("object_aggregate", document)
    if isinstance(expected, list):
        assert (ended.status, ended.error) == ("SUCCEEDED", None), ended
        assert [tuple(row.values()) for row in result_rows(stack, ended.summary)] == expected
    else:
        assert (ended.status, ended.error, ended.summary["result"]) == ("FAILED", expected[0], None), ended
        assert re.search(expected[1], ended.cause or "", re.DOTALL), ended.cause


# Objects that are missing from the answer.


def test_one_unreadable_object_among_a_thousand_fails_the_run(stack: Deployed) -> None:
    objects = {f"{number:04d}.csv": as_csv(daily_rows(number, 2)) for number in range(1000)}
    objects["0500.csv"] = b"not what the others are\n1\n"
    objects["0600.csv.gz"] = b"no gzip"
    prefix = put(stack, objects)
    ended = run(stack, prefix, batchSize=100)
    assert (ended.status, ended.error) == ("FAILED", "IncompleteResultError"), ended
    assert "2 of 1001 objects are missing from the result: 2 could not be read" in (ended.cause or "")
    assert (ended.counts, ended.summary["result"]) == ((1001, 999, 0, 2, 0), None)
    unreadable = [json.loads(line) for line in stack.object(ended.summary["unreadable"]["key"]).splitlines()]
    assert [each["key"] for each in unreadable] == [f"{prefix}0500.csv", f"{prefix}0600.csv.gz"]
    assert not any("result." in key for key in keys_of(stack, ended))


def test_partial_answer_looks_like_none(stack: Deployed) -> None:
    objects = mixed_objects(8, 30) | {"bad.csv": b"nothing\n"}
    ended = run(stack, put(stack, objects), onIncomplete="report")
    assert (ended.status, ended.summary["status"], ended.counts) == ("SUCCEEDED", "PARTIAL", (9, 8, 0, 1, 0)), ended
    result = ended.summary["result"]
    assert (result["complete"], result["missing"]) == (False, {"objects": 1, "unreadable": 1, "failed": 0})
    document = json.loads(stack.object(result["json"]))
    assert (document["complete"], document["missing"]) == (False, result["missing"])
    assert all("partial_result." in result[each] for each in ("csv", "json"))
    assert sum(int(row["rows"]) for row in result_rows(stack, ended.summary)) == 240
    refused = run(stack, put(stack, objects), onIncomplete="report", toleratedFailurePercentage=5)
    assert (refused.error, refused.summary["result"]) == ("IncompleteResultError", None)


@pytest.mark.usefixtures("no_faults_left")
@pytest.mark.parametrize(
    ("fields", "error", "counts"),
    [
        ({}, "Lambda.Unknown", (8, 0, 0, 0, 8)),
        ({"toleratedFailurePercentage": 100}, "IncompleteResultError", (8, 6, 0, 0, 2)),
        ({"onIncomplete": "report", "toleratedFailureCount": 2}, None, (8, 6, 0, 0, 2)),
        ({"onIncomplete": "report", "toleratedFailureCount": 1}, "Lambda.Unknown", (8, 0, 0, 0, 8)),
        ({"onIncomplete": "report"}, None, (8, 6, 0, 0, 2)),
    ],
)
def test_lost_batch_is_named(
    stack: Deployed, fields: dict[str, Any], error: str | None, counts: tuple[int, ...]
) -> None:
    prefix = put(stack, mixed_objects(8, 10))
    faults.kill_worker(stack.aws, stack.outputs["AggregateObjectsFunctionName"], times=ATTEMPTS)
    ended = run(stack, prefix, batchSize=2, maxConcurrency=1, **fields)
    assert (ended.error, ended.counts) == (error, counts), ended
    failed = [json.loads(line) for line in stack.object(ended.summary["failures"]["key"]).splitlines()]
    assert len(failed) == counts[-1]
    assert [each["key"] for each in failed[:2]] == [f"{prefix}000000.csv", f"{prefix}000001.csv.gz"]
    assert {each["error"] for each in failed} <= {"Lambda.Unknown", "PENDING"}
    assert (ended.summary["result"] or {"complete": None})["complete"] == (None if error else False)


@pytest.mark.usefixtures("no_faults_left")
def test_merge_that_fails_names_its_error(stack: Deployed) -> None:
    objects = {f"{number:02d}.csv": as_csv(daily_rows(number, 2)) for number in range(FAN_IN + 1)}
    prefix = put(stack, objects)
    faults.kill_worker(stack.aws, stack.outputs["ReduceAggregatesFunctionName"], times=2 * ATTEMPTS)
    ended = run(stack, prefix, batchSize=1)
    assert (ended.status, ended.error, ended.summary["result"]) == ("FAILED", "Lambda.Unknown", None), ended
    assert "MergeLevel" in map_runs(stack, "object_aggregate", ended)


def keys_of(stack: Deployed, ended: Ended) -> list[str]:
    """All keys that the run has left."""
    pages = stack.s3.get_paginator("list_objects_v2").paginate(
        Bucket=stack.bucket, Prefix=f"object_aggregate/{ended.name}/"
    )
    return [each["Key"] for page in pages for each in page.get("Contents", [])]


# What is too much for one child, or one slice.


@pytest.mark.long
def test_batch_longer_than_a_slice_is_finished_by_another_child(stack: Deployed) -> None:
    """So many groups end a slice of AggregateObjects before its time."""
    groups = 450_000
    big = b"DATE,STATION,NAME,TEMP,WDSP\n" + b"".join(b"2026-01-01,%06d,n,1,1\n" % each for each in range(groups))
    prefix = put(stack, {"a.csv": as_csv(daily_rows(1, 3)), "big.csv": big, "z.csv": as_csv(daily_rows(2, 3))})
    ended = run(stack, prefix, groupBy=["STATION"], measures={})
    assert (ended.status, ended.counts) == ("SUCCEEDED", (3, 3, 0, 0, 0)), ended
    assert any("/remainder/" in key for key in keys_of(stack, ended))
    assert ended.summary["rows"]["aggregated"] == groups + 6
    lines = stack.object(ended.summary["result"]["csv"]).splitlines()
    # Two of the stations of the small objects are among those of the large one.
    assert (len(lines), lines[1], lines[2], lines[-1]) == (groups + 1, b"000000,1", b"000001,4", b"449999,1")


def test_without_group_by_there_is_one_group(stack: Deployed) -> None:
    ended = run(stack, put(stack, mixed_objects(4, 10)), groupBy=[], measures={})
    assert stack.object(ended.summary["result"]["csv"]) == b"rows\n40\n"


# Bad input.


@pytest.mark.parametrize(
    ("fields", "error", "words"),
    [
        ({"prefix": "input/wether/"}, "SourceNotFoundError", "whose key begins with input/wether/"),
        (
            {"prefix": "object_aggregate/"},
            "InvalidInputError",
            "prefix: this run itself writes below object_aggregate/",
        ),
        ({"measures": {"TEMP": ["median"]}}, "InvalidInputError", "measures.TEMP: must list some of count"),
        ({"top": {"by": "TEMP.mean", "per": ["YEAR"]}}, "InvalidInputError", "top.per: YEAR is not among groupBy"),
        pytest.param(
            {"bucket": "no-such-bucket-here"},
            "AccessDeniedError",
            "no-such-bucket-here",
            marks=pytest.mark.plans_denials,
        ),
    ],
)
def test_bad_input_ends_the_run_before_anything_is_read(
    stack: Deployed, fields: dict[str, Any], error: str, words: str
) -> None:
    ended = run(stack, **{"prefix": "input/"} | fields)
    assert (ended.status, ended.error) == ("FAILED", error)
    assert words in (ended.cause or "")
    assert (ended.counts, ended.summary["result"]) == ((0, 0, 0, 0, 0), None)
    assert keys_of(stack, ended) == [
        f"object_aggregate/{ended.name}/{name}" for name in ("report.html", "summary.json")
    ]


def test_batch_that_finds_no_free_function_continues_in_a_standard_child(stack: Deployed) -> None:
    prefix = put(stack, mixed_objects(4, 10))
    with impatient(stack, "object_aggregate") as attempts:
        faults.throttle_function(stack.aws, stack.outputs["AggregateObjectsFunctionName"], times=attempts + 1)
        ended = run(stack, prefix, batchSize=2, maxConcurrency=1)
    assert (ended.status, ended.summary["status"], ended.counts) == ("SUCCEEDED", "COMPLETE", (4, 4, 0, 0, 0)), ended
    assert ended.summary["rows"]["aggregated"] == 40
    assert sorted(map_runs(stack, "object_aggregate", ended)) == ["AggregateBatches", "FinishBatches"]

"""athena_map with a function of the user's: each row once, whatever it holds, and failed batches by their rows."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from local_aws import faults
from tests.local.deployed import ROW_FUNCTION, Deployed
from tests.local.map_runs import impatient, map_runs
from tests.local.queried_rows import Queried, processed_rows

pytestmark = pytest.mark.usefixtures("row_function", "no_faults_left")
ACTION = {"function": ROW_FUNCTION}
NASTY = (
    "plain",
    "comma, quote \" and 'single'",
    "line\nbreak",
    "crlf\r\nbreak",
    "back\\slash \\n \\",
    "ünï ☃ 🗻",
    " spaces ",
    "\t",
    "",
    "nul\x00byte",
)


def as_seen(rows: list[dict[str, Any]]) -> Counter[str]:
    return Counter(json.dumps(row, sort_keys=True) for row in rows)


def rows_of(values: tuple[str, ...]) -> list[dict[str, Any]]:
    return [{"id": str(number), "place": value, "name": value} for number, value in enumerate(values)]


@pytest.mark.parametrize("layout", [None, "JSON", "PARQUET"])
def test_function_sees_each_row_as_it_is(stack: Deployed, queried: Queried, layout: str | None) -> None:
    rows = rows_of(NASTY)
    queried.table(rows)
    query = queried.unload("SELECT * FROM t", layout) if layout else "SELECT * FROM t"
    ended = stack.run("athena_map", queried.input(query, ACTION, batchSize=3))
    assert (ended.status, ended.counts) == ("SUCCEEDED", (len(rows), len(rows), 0, 0, 0)), ended
    assert processed_rows(stack, ended.name) == as_seen(rows)


def test_lone_column_keeps_its_nulls(stack: Deployed, queried: Queried) -> None:
    """NULL is a blank line there, which a CSV reader may leave out."""
    queried.table([{"id": value} for value in ("a", None, "", "b", None)], columns=["id"])
    ended = stack.run("athena_map", queried.input("SELECT * FROM t", ACTION))
    assert (ended.status, ended.counts) == ("SUCCEEDED", (5, 5, 0, 0, 0)), ended
    assert processed_rows(stack, ended.name) == as_seen([{"id": value} for value in ("a", "", "", "b", "")])


def test_row_that_is_too_large_is_a_reject(stack: Deployed, queried: Queried) -> None:
    rows = rows_of(("small", "x" * 300_000, "y" * 100_000))
    rows = [row | {"name": ""} for row in rows]
    queried.table(rows)
    ended = stack.run("athena_map", queried.input("SELECT * FROM t", ACTION, rejectsTolerated="50%"))
    assert (ended.status, ended.counts) == ("SUCCEEDED", (3, 2, 0, 1, 0)), ended
    assert processed_rows(stack, ended.name) == as_seen([rows[0], rows[2]])
    (reject,) = stack.rejects(ended)
    assert (reject["error"], reject["record"]) == ("RowTooLarge", rows[1])
    assert ended.summary["rejects"]["reasons"] == {"RowTooLarge": 1}
    assert ended.summary["rejects"]["examples"] == {"RowTooLarge": "the row has more than 150,000 bytes as JSON"}


def test_failed_batch_fails_its_rows_which_can_be_fed_back(stack: Deployed, queried: Queried) -> None:
    rows = [
        {"id": f"{'bad' if number in (3, 11) else 'good'}-{number}", "place": "\\", "name": ""} for number in range(20)
    ]
    queried.table(rows)
    document = queried.input("SELECT * FROM t", ACTION, batchSize=2, toleratedFailurePercentage=100)
    ended = stack.run("athena_map", document)
    assert (ended.status, ended.summary["status"], ended.counts) == ("SUCCEEDED", "PARTIAL", (20, 16, 0, 0, 4)), ended
    failures = [json.loads(line) for line in stack.object(ended.summary["failures"]["key"]).splitlines()]
    assert {(each["error"], each["message"]) for each in failures} == {("ValueError", "a bad row")}
    fed_back = {"bucket": stack.bucket, "key": ended.summary["failures"]["rows"]}
    again = stack.run(
        "athena_map", {"rows": fed_back, "action": ACTION, "batchSize": 1, "toleratedFailurePercentage": 50}
    )
    assert (again.status, again.counts) == ("SUCCEEDED", (4, 2, 0, 0, 2)), again
    seen = processed_rows(stack, ended.name) + processed_rows(stack, again.name)
    assert seen == as_seen([row for row in rows if row["id"].startswith("good")])


def test_run_that_stops_early_names_its_error_and_keeps_the_other_rows(stack: Deployed, queried: Queried) -> None:
    rows = [{"id": f"bad-{number}", "place": "", "name": ""} for number in range(400)]
    queried.table(rows)
    ended = stack.run("athena_map", queried.input("SELECT * FROM t", ACTION, batchSize=10, maxConcurrency=2))
    assert (ended.status, ended.error, ended.counts) == ("FAILED", "ValueError", (400, 0, 0, 0, 400)), ended
    failed = [json.loads(line) for line in stack.object(ended.summary["failures"]["rows"]).splitlines()]
    assert as_seen(failed) == as_seen(rows)


def test_function_that_is_killed_is_called_again(stack: Deployed, queried: Queried) -> None:
    queried.table(rows_of(NASTY[:4]))
    faults.kill_worker(stack.aws, ROW_FUNCTION)
    faults.kill_worker(stack.aws, stack.outputs["InspectResultFunctionName"])
    faults.kill_worker(stack.aws, stack.outputs["SummarizeRowsFunctionName"])
    ended = stack.run("athena_map", queried.input("SELECT * FROM t", ACTION))
    assert (ended.status, ended.counts) == ("SUCCEEDED", (4, 4, 0, 0, 0)), ended


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'{"id": "1"}\n[1]\n', "SourceMalformedError"),
        (b'{"id": "1"}\n{', "SourceMalformedError"),
        (None, "SourceNotFoundError"),
    ],
)
def test_rows_that_are_none_are_refused(stack: Deployed, body: bytes | None, error: str) -> None:
    given = stack.put(body or b"", ".jsonl") if body else {"bucket": stack.bucket, "key": "input/no-such.jsonl"}
    ended = stack.run("athena_map", {"rows": given, "action": ACTION})
    assert (ended.status, ended.error) == ("FAILED", error), ended


def test_no_given_rows_are_a_success(stack: Deployed) -> None:
    ended = stack.run("athena_map", {"rows": stack.put(b"\n", ".jsonl"), "action": ACTION})
    assert (ended.status, ended.counts) == ("SUCCEEDED", (0, 0, 0, 0, 0)), ended


def test_batch_that_finds_no_free_function_is_given_up_and_can_be_fed_back(stack: Deployed, queried: Queried) -> None:
    """The machine tries its retries twice; a batch that is throttled less often is done."""
    rows = rows_of(NASTY[:4])
    queried.table(rows)
    document = queried.input("SELECT * FROM t", ACTION, batchSize=2, maxConcurrency=1)
    with impatient(stack, "athena_map") as attempts:
        faults.throttle_function(stack.aws, ROW_FUNCTION, times=2 * attempts + attempts)
        ended = stack.run("athena_map", document | {"toleratedFailurePercentage": 50})
    assert (ended.status, ended.summary["status"], ended.counts) == ("SUCCEEDED", "PARTIAL", (4, 2, 0, 0, 2)), ended
    assert ended.summary["failures"]["errors"] == {"Lambda.TooManyRequestsException": 2}
    fed_back = {"bucket": stack.bucket, "key": ended.summary["failures"]["rows"]}
    again = stack.run("athena_map", {"rows": fed_back, "action": ACTION})
    assert again.counts == (2, 2, 0, 0, 0)
    assert processed_rows(stack, ended.name) + processed_rows(stack, again.name) == as_seen(rows)


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_unloaded_rows_are_counted_when_the_counts_are_final(stack: Deployed, queried: Queried, share: float) -> None:
    queried.table(rows_of(NASTY[:4]))
    faults.let_map_run_lists_lag(stack.aws, times=1)
    faults.let_map_run_counts_lag(stack.aws, times=2, share=share)
    query = queried.unload("SELECT * FROM t", "JSON")
    ended = stack.run("athena_map", queried.input(query, ACTION))
    assert (ended.status, ended.summary["status"], ended.counts) == ("SUCCEEDED", "COMPLETE", (4, 4, 0, 0, 0)), ended


@pytest.mark.parametrize("layout", [None, "JSON", "PARQUET"])
def test_result_without_rows_starts_no_map_run(stack: Deployed, queried: Queried, layout: str | None) -> None:
    queried.table(rows_of(NASTY[:2]))
    query = "SELECT * FROM t WHERE id = 'none'"
    ended = stack.run("athena_map", queried.input(queried.unload(query, layout) if layout else query, ACTION))
    assert (ended.status, ended.summary["status"], ended.counts) == ("SUCCEEDED", "COMPLETE", (0, 0, 0, 0, 0)), ended
    assert map_runs(stack, "athena_map", ended) == []


def test_no_given_rows_start_no_map_run(stack: Deployed) -> None:
    ended = stack.run("athena_map", {"rows": stack.put(b"", ".jsonl"), "action": ACTION})
    assert (ended.status, ended.counts) == ("SUCCEEDED", (0, 0, 0, 0, 0)), ended
    assert map_runs(stack, "athena_map", ended) == []

"""The Athena integration of Step Functions: results, waiting, errors, and cancelling."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from local_aws import LocalAws, faults
from tests.local_aws.conftest import Client, Run
from tests.local_aws.querying import DEADLINE_SECONDS, Querying

START = "arn:aws:states:::athena:startQueryExecution"


@pytest.fixture
def planning(local_aws: LocalAws) -> Iterator[LocalAws]:
    """A server whose faults are cleared at the end."""
    yield local_aws
    faults.clear(local_aws)


def task(resource: str, arguments: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"Type": "Task", "Resource": resource, "Arguments": arguments, **fields}


def query(querying: Querying, sql: str, **fields: Any) -> dict[str, Any]:
    """The arguments of a start."""
    context = {"QueryExecutionContext": {"Database": querying.database}, "ResultConfiguration": querying.output}
    return {"QueryString": sql, **context, **fields}


def test_sync_waits_and_gives_the_execution_with_times_in_milliseconds(querying: Querying, run_state: Run) -> None:
    before = time.time() * 1_000
    arguments = query(querying, "SELECT ? AS a", ExecutionParameters=["x"])
    output = run_state(task(f"{START}.sync", arguments))["output"]
    assert list(output) == ["QueryExecution"]
    execution = output["QueryExecution"]
    location = execution["ResultConfiguration"]["OutputLocation"]
    assert location == f"s3://{querying.bucket}/results/{execution['QueryExecutionId']}.csv"
    assert querying.body(location) == b'"a"\n"x"\n'
    status = execution["Status"]
    assert status["State"] == "SUCCEEDED"
    assert before - 1 <= status["SubmissionDateTime"] <= status["CompletionDateTime"] <= time.time() * 1_000
    assert isinstance(status["SubmissionDateTime"], int)
    assert execution["Statistics"]["DataScannedInBytes"] == 0
    assert execution["ExecutionParameters"] == ["x"]


def test_failed_query_fails_the_task_with_the_execution_as_cause(querying: Querying, run_state: Run) -> None:
    ended = run_state(task(f"{START}.sync", query(querying, "SELECT * FROM gone")))
    assert ended["error"] == "States.TaskFailed"
    status = json.loads(ended["cause"])["QueryExecution"]["Status"]
    assert status["State"] == "FAILED"
    assert status["StateChangeReason"].startswith("TABLE_NOT_FOUND: line 1:15: Table 'awsdatacatalog.")
    assert status["AthenaError"]["ErrorType"] == 1301


def test_cancelled_query_fails_the_task_as_well(querying: Querying, planning: LocalAws, run_state: Run) -> None:
    faults.fail_queries(planning, state="CANCELLED", reason="Bytes scanned limit was exceeded")
    ended = run_state(task(f"{START}.sync", query(querying, "SELECT 1")))
    assert ended["error"] == "States.TaskFailed"
    status = json.loads(ended["cause"])["QueryExecution"]["Status"]
    assert (status["State"], status["StateChangeReason"]) == ("CANCELLED", "Bytes scanned limit was exceeded")


def test_refused_query_is_an_error_of_athena(querying: Querying, run_state: Run) -> None:
    ended = run_state(task(f"{START}.sync", query(querying, "SELEC 1")))
    assert ended["error"] == "Athena.InvalidRequestException"
    assert ended["cause"].startswith("line 1:1: mismatched input 'SELEC'")
    assert (
        "(Service: AmazonAthena; Status Code: 400; Error Code: InvalidRequestException; Request ID: " in ended["cause"]
    )


@pytest.mark.parametrize("suffix", ["", ".sync"])
def test_throttled_start_is_retried_by_its_name(
    querying: Querying, planning: LocalAws, run_state: Run, suffix: str
) -> None:
    faults.fail_requests(planning, "StartQueryExecution", times=2, error="TooManyRequestsException")
    retry = {"ErrorEquals": ["Athena.TooManyRequestsException"], "IntervalSeconds": 1, "MaxAttempts": 1}
    state = task(f"{START}{suffix}", query(querying, "SELECT 1"), Retry=[retry])
    assert run_state(state)["error"] == "Athena.TooManyRequestsException"
    assert run_state(state)["status"] == "SUCCEEDED"


def test_same_token_starts_one_query(querying: Querying, run_machine: Run) -> None:
    arguments = query(querying, "SELECT 1", ClientRequestToken=f"{querying.database}-{'0' * 32}")
    first = task(f"{START}.sync", arguments, Assign={"first": "{% $states.result.QueryExecution.QueryExecutionId %}"})
    again = task(START, arguments, Output="{% [$first, $states.result.QueryExecutionId] %}", End=True)
    output = run_machine({"StartAt": "A", "States": {"A": first | {"Next": "B"}, "B": again}})["output"]
    assert output[0] == output[1]


def test_plain_calls_start_ask_and_stop(querying: Querying, planning: LocalAws, run_machine: Run) -> None:
    faults.let_queries_take(planning, 60)
    query_id = "{% $id %}"
    states = {
        "Start": task(START, query(querying, "SELECT 1"), Assign={"id": "{% $states.result.QueryExecutionId %}"}),
        "Stop": task("arn:aws:states:::athena:stopQueryExecution", {"QueryExecutionId": query_id}),
        "Get": task("arn:aws:states:::athena:getQueryExecution", {"QueryExecutionId": query_id}),
    }
    states["Start"]["Next"], states["Stop"]["Next"], states["Get"]["End"] = "Stop", "Get", True
    output = run_machine({"StartAt": "Start", "States": states})["output"]
    assert output["QueryExecution"]["Status"]["State"] == "CANCELLED"


def test_results_are_read_by_a_task(querying: Querying, run_state: Run) -> None:
    query_id = querying.run("SELECT 1 AS a, NULL AS b")["QueryExecutionId"]
    output = run_state(task("arn:aws:states:::athena:getQueryResults", {"QueryExecutionId": query_id}))["output"]
    assert output["ResultSet"]["Rows"] == [
        {"Data": [{"VarCharValue": "a"}, {"VarCharValue": "b"}]},
        {"Data": [{"VarCharValue": "1"}, {}]},
    ]


def test_unknown_field_is_reported_before_the_call(querying: Querying, run_state: Run) -> None:
    given = query(querying, "SELECT 1", Query="x")
    # What an expression gives is checked when the task runs.
    ended = run_state({**task(START, {}), "Arguments": "{% $states.input %}"}, given)
    assert ended["error"] == "States.Runtime"
    assert "The field 'Query' is not supported by Step Functions" in ended["cause"]


def test_stopped_execution_cancels_its_query(
    querying: Querying, planning: LocalAws, client: Client, start_machine: Callable[..., str]
) -> None:
    faults.let_queries_take(planning, 60)
    state = task(f"{START}.sync", query(querying, f"SELECT 1 AS {querying.database}"), End=True)
    execution = start_machine({"StartAt": "Only", "States": {"Only": state}})
    query_id = started_query(querying)
    client("stepfunctions").stop_execution(executionArn=execution)
    assert querying.ended(query_id)["Status"]["State"] == "CANCELLED"


def started_query(querying: Querying) -> str:
    """The query that names the database in its text, once it has been started."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        for query_id in querying.athena.list_query_executions()["QueryExecutionIds"]:
            if querying.database in querying.execution(query_id)["Query"]:
                return str(query_id)
        time.sleep(0.02)
    raise AssertionError("no query was started")


def test_sdk_integration_starts_and_describes(querying: Querying, run_machine: Run) -> None:
    start = task("arn:aws:states:::aws-sdk:athena:startQueryExecution", query(querying, "SELECT 1"), Next="Get")
    get = task(
        "arn:aws:states:::aws-sdk:athena:getQueryExecution",
        {"QueryExecutionId": "{% $states.input.QueryExecutionId %}"},
        End=True,
    )
    output = run_machine({"StartAt": "Start", "States": {"Start": start, "Get": get}})["output"]
    assert output["QueryExecution"]["Query"] == "SELECT 1"
    assert output["QueryExecution"]["Status"]["SubmissionDateTime"].endswith("Z")


def test_sdk_errors_are_named_after_the_exception(querying: Querying, run_state: Run) -> None:
    ended = run_state(task("arn:aws:states:::aws-sdk:athena:startQueryExecution", query(querying, "SELEC 1")))
    assert ended["error"] == "Athena.InvalidRequestException"
    assert "(Service: Athena, Status Code: 400, Request ID: " in ended["cause"]


def test_rows_of_the_result_are_items_of_a_map(querying: Querying, run_machine: Run) -> None:
    querying.table("t", {"a": "string"})
    for key in ("t/a b.csv", "t/c+d%.csv", "t/ü/日本.csv"):
        querying.put(key, "1\n")
    sql = 'SELECT DISTINCT "$path" AS path, NULL AS n FROM t'
    location = "{% $states.result.QueryExecution.ResultConfiguration.OutputLocation %}"
    prefix = f"s3://{querying.bucket}/"
    states = {
        "Query": task(f"{START}.sync", query(querying, sql), Output=location, Next="Each"),
        "Each": {
            "Type": "Map",
            "ItemReader": {
                "Resource": "arn:aws:states:::s3:getObject",
                "ReaderConfig": {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"},
                "Arguments": {
                    "Bucket": querying.bucket,
                    "Key": f"{{% $substringAfter($states.input, '{prefix}') %}}",
                },
            },
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"},
                "StartAt": "Copy",
                "States": {
                    "Copy": task(
                        "arn:aws:states:::aws-sdk:s3:copyObject",
                        {
                            "Bucket": querying.bucket,
                            "Key": f"{{% 'copies/' & $substringAfter($states.input.path, '{prefix}') %}}",
                            "CopySource": "{% $encodeUrlComponent($substringAfter($states.input.path, 's3://')) %}",
                        },
                        Output="{% $states.input %}",
                        End=True,
                    )
                },
            },
            "End": True,
        },
    }
    output = run_machine({"StartAt": "Query", "States": states})["output"]
    assert [item["n"] for item in output] == ["", "", ""]
    assert [key.removeprefix("copies/") for key in querying.keys("copies/")] == querying.keys("t/")

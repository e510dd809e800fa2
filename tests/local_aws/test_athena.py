"""Queries of Athena: how they are started, how they go, and what they leave."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws import LocalAws, faults
from tests.local_aws.querying import Querying

TOKEN = "t" * 32


@pytest.fixture
def planning(local_aws: LocalAws) -> Iterator[LocalAws]:
    """A server whose faults are cleared at the end."""
    yield local_aws
    faults.clear(local_aws)


def refused(querying: Querying, sql: str, **fields: Any) -> tuple[str, str]:
    """How StartQueryExecution refuses a query."""
    with pytest.raises(ClientError) as caught:
        querying.start(sql, **fields)
    error = caught.value.response
    return str(error.get("AthenaErrorCode", error["Error"]["Code"])), error["Error"]["Message"]


def test_every_value_is_quoted_and_null_is_nothing(querying: Querying) -> None:
    sql = """SELECT 1 AS i, 'it''s' AS s, 'a"b' AS q, NULL AS n, '' AS empty, 'two
lines' AS l"""
    assert querying.csv(sql) == '"i","s","q","n","empty","l"\n"1","it\'s","a""b",,"","two\nlines"\n'


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("true", "true"),
        ("5 / 2", "2"),
        ("1.5", "1.5"),
        ("0.1 + 0.2", "0.30000000000000004"),
        ("CAST(0.1 AS real)", "0.1"),
        ("1e20", "1.0E20"),
        ("1e-7", "1.0E-7"),
        ("-12345678.9", "-1.23456789E7"),
        ("CAST(100 AS double)", "100.0"),
        ("CAST(1 AS decimal(10, 2))", "1.00"),
        ("DATE '2013-01-02'", "2013-01-02"),
        ("TIMESTAMP '2013-01-02 03:04:05'", "2013-01-02 03:04:05"),
        ("TIMESTAMP '2013-01-02 03:04:05.678'", "2013-01-02 03:04:05.678"),
        ("X'01ff'", "01 ff"),
        ("ARRAY[1, NULL]", "[1, null]"),
        ("ARRAY['a, b']", "[a, b]"),
        ("MAP(ARRAY['k', 'j'], ARRAY[1, 2])", "{j=2, k=1}"),
        ("ROW(1, 'x')", "{1, x}"),
        ("CAST(ROW(1, 'x') AS ROW(id integer, name varchar))", "{id=1, name=x}"),
        ("date_format(TIMESTAMP '2013-01-02 03:04:05', '%Y-%m')", "2013-01"),
        ("element_at(split('a/b/c', '/'), -1)", "c"),
        ("regexp_extract('x-17', '(\\d+)', 1)", "17"),
        ("date_diff('day', DATE '2013-01-01', DATE '2013-02-01')", "31"),
        ("cardinality(ARRAY[1, 2])", "2"),
    ],
)
def test_values_are_written_as_by_athena(querying: Querying, expression: str, text: str) -> None:
    assert querying.csv(f"SELECT {expression} AS v") == f'"v"\n"{text}"\n'


def test_columns_without_a_name_are_numbered(querying: Querying) -> None:
    assert querying.csv("SELECT 1 AS a, count(*), 2 FROM (VALUES 1, 2) AS t(x)").startswith('"a","_col1","_col2"\n')
    assert querying.csv("VALUES (1, 'a'), (2, 'b')") == '"_col0","_col1"\n"1","a"\n"2","b"\n'


def test_result_without_rows_has_a_header(querying: Querying) -> None:
    assert querying.csv("SELECT 1 AS a WHERE false") == '"a"\n'


def test_execution_describes_the_request_and_where_the_result_is(querying: Querying) -> None:
    context = {"Catalog": "AwsDataCatalog", "Database": querying.database}
    execution = querying.run("SELECT 1;", QueryExecutionContext=context)
    query_id = execution["QueryExecutionId"]
    key = f"results/{query_id}.csv"
    assert execution["ResultConfiguration"] == {"OutputLocation": f"s3://{querying.bucket}/{key}"}
    assert querying.keys("results/") == [key, f"{key}.metadata"]
    assert execution["Query"] == "SELECT 1"
    assert (execution["StatementType"], execution["SubstatementType"]) == ("DML", "SELECT")
    assert execution["QueryExecutionContext"] == context | {"Catalog": "awsdatacatalog"}
    assert execution["WorkGroup"] == "primary"
    assert execution["Status"]["CompletionDateTime"] >= execution["Status"]["SubmissionDateTime"]
    assert "StateChangeReason" not in execution["Status"]
    assert execution["Statistics"]["DataScannedInBytes"] == 0
    assert execution["Statistics"]["TotalExecutionTimeInMillis"] >= 0


def test_metadata_of_a_result_are_the_bytes_that_drivers_read(querying: Querying) -> None:
    execution = querying.run("SELECT 1 + 1")
    body = querying.body(execution["ResultConfiguration"]["OutputLocation"] + ".metadata")
    column = b'"\x25\x0a\x04hive"\x05_col0*\x05_col02\x07integer8\x0a@\x00H\x03P\x00'
    assert body == b"\x0a\x24" + execution["QueryExecutionId"].encode() + column


@pytest.mark.parametrize(
    ("sql", "code", "expected"),
    [
        ("SELEC 1", "MALFORMED_QUERY", "line 1:1: mismatched input 'SELEC'. Expecting"),
        ("SELECT 1,\n  FROM WHERE", "MALFORMED_QUERY", "line 2:8: mismatched input 'WHERE'"),
        ("SELECT 'open", "MALFORMED_QUERY", "line 1:"),
        ("-- only a comment", "MALFORMED_QUERY", "<EOF>"),
        ("SELECT 1; SELECT 2", "MALFORMED_QUERY", "Only one sql statement is allowed. Got: SELECT 1; SELECT 2"),
        ("INSERT INTO t SELECT 1", "MALFORMED_QUERY", "Queries of this type are not supported"),
        ("CREATE TABLE t (a int)", "MALFORMED_QUERY", "External keyword required for table type HIVE"),
    ],
)
def test_malformed_statement_is_refused_at_once(querying: Querying, sql: str, code: str, expected: str) -> None:
    found, message = refused(querying, sql)
    assert found == code
    assert message.startswith(expected) or (expected == "<EOF>" and expected in message)


def test_request_is_checked_before_its_statement(querying: Querying) -> None:
    location = {"ResultConfiguration": {"OutputLocation": "nowhere"}}
    assert refused(querying, "SELEC 1", **location) == ("INVALID_INPUT", "outputLocation is not a valid S3 path.")
    assert refused(querying, "SELECT 1", WorkGroup="gone") == ("INVALID_INPUT", "WorkGroup is not found.")
    _, expected = refused(querying, "SELECT 1", ResultConfiguration={})
    assert expected.startswith("No output location provided.")
    missing = {"ResultConfiguration": {"OutputLocation": "s3://no-such-bucket-here/x"}}
    assert refused(querying, "SELECT 1", **missing)[1] == "Unable to verify/create output bucket no-such-bucket-here"


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("SELECT * FROM gone", "TABLE_NOT_FOUND: line 1:15: Table 'awsdatacatalog.{database}.gone' does not exist"),
        ("SELECT 1 FROM no_db.t", "SCHEMA_NOT_FOUND: line 1:15: Schema 'no_db' does not exist"),
        ("SELECT 1 FROM other.d.t", "CATALOG_NOT_FOUND: line 1:15: Catalog 'other' does not exist"),
        (
            "SELECT nope FROM (SELECT 1 AS a)",
            "COLUMN_NOT_FOUND: line 1:8: Column 'nope' cannot be resolved or requester is not authorized to access "
            "requested resources",
        ),
        ("SELECT nofunc(1)", "FUNCTION_NOT_FOUND: line 1:8: Function 'nofunc' not registered"),
        ("SELECT 1 / 0", "DIVISION_BY_ZERO: Division by zero"),
        ("SELECT * FROM read_csv('/etc/passwd')", "FUNCTION_NOT_FOUND: line 1:1: Table function"),
    ],
)
def test_query_that_cannot_be_run_fails_with_athenas_reason(querying: Querying, sql: str, reason: str) -> None:
    assert querying.reason(sql).startswith(reason.format(database=querying.database))


def test_failed_query_leaves_no_result_and_its_number_of_the_error(querying: Querying) -> None:
    execution = querying.run("SELECT * FROM gone")
    assert querying.keys("results/") == []
    error = execution["Status"]["AthenaError"]
    assert (error["ErrorCategory"], error["ErrorType"], error["Retryable"]) == (2, 1301, False)
    with pytest.raises(ClientError, match="Final query state: FAILED"):
        querying.athena.get_query_results(QueryExecutionId=execution["QueryExecutionId"])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("'abc'", "abc"),
        ("abc", "abc"),
        ("abc def", "abc def"),
        ("it's", "it's"),
        ("s3://b/k", "s3://b/k"),
        ("123e4567-e89b-12d3-a456-426614174000", "123e4567-e89b-12d3-a456-426614174000"),
        ("1 + 1", "2"),
        ("DATE '2020-01-01'", "2020-01-01"),
        ("'x' -- y", "x"),
        ("''", ""),
        ("1; DROP TABLE t", "1; DROP TABLE t"),
    ],
)
def test_parameter_is_an_expression_or_else_a_text(querying: Querying, value: str, text: str) -> None:
    assert querying.lines("SELECT ? AS v -- ?", ExecutionParameters=[value]) == [f'"{text}"']


def test_parameters_replace_question_marks_in_order(querying: Querying) -> None:
    sql = "SELECT '?' AS q, x FROM (VALUES 1, 2, 3) AS t(x) WHERE x > ? ORDER BY x LIMIT ?"
    assert querying.lines(sql, ExecutionParameters=["1", "1"]) == ['"?","2"']
    expected = querying.reason(sql, ExecutionParameters=["1"])
    assert expected == "INVALID_PARAMETER_USAGE: line 1:1: Incorrect number of parameters: expected 2 but found 1"
    assert querying.lines("SELECT 1 AS v", ExecutionParameters=["7"]) == ['"1"']


def test_same_token_names_the_same_query(querying: Querying) -> None:
    token = f"{TOKEN}{querying.database}"
    first = querying.start("SELECT 1", ClientRequestToken=token)
    querying.ended(first)
    assert querying.start("SELECT 1", ClientRequestToken=token) == first
    expected = ("IDEMPOTENT_PARAMETER_MISMATCH", "Idempotent parameters do not match")
    assert refused(querying, "SELECT 2", ClientRequestToken=token) == expected


def test_stopped_query_is_cancelled(querying: Querying, planning: LocalAws) -> None:
    faults.let_queries_take(planning, 60)
    query_id = querying.start("SELECT 1")
    assert querying.execution(query_id)["Status"]["State"] in ("QUEUED", "RUNNING")
    with pytest.raises(ClientError, match="Query has not yet finished"):
        querying.athena.get_query_results(QueryExecutionId=query_id)
    querying.athena.stop_query_execution(QueryExecutionId=query_id)
    status = querying.ended(query_id)["Status"]
    assert (status["State"], status["StateChangeReason"]) == ("CANCELLED", "Query cancelled by user")
    with pytest.raises(ClientError, match="Could not find results"):
        querying.athena.get_query_results(QueryExecutionId=query_id)


def test_ended_query_stays_as_it_ended_when_it_is_stopped(querying: Querying) -> None:
    query_id = querying.run("SELECT 1")["QueryExecutionId"]
    querying.athena.stop_query_execution(QueryExecutionId=query_id)
    assert querying.execution(query_id)["Status"]["State"] == "SUCCEEDED"


def test_planned_faults_throttle_starts_and_fail_queries(querying: Querying, planning: LocalAws) -> None:
    faults.fail_requests(planning, "StartQueryExecution", error="TooManyRequestsException")
    assert refused(querying, "SELECT 1")[0] == "TooManyRequestsException"
    faults.fail_queries(planning, reason="GENERIC_INTERNAL_ERROR: planned")
    assert querying.reason("SELECT 1") == "GENERIC_INTERNAL_ERROR: planned"
    faults.fail_queries(planning, state="CANCELLED", reason="Resource limit hit")
    assert querying.run("SELECT 1")["Status"]["StateChangeReason"] == "Resource limit hit"
    assert querying.run("SELECT 1")["Status"]["State"] == "SUCCEEDED"


def test_results_come_in_pages_that_begin_with_the_header(querying: Querying) -> None:
    sql = "SELECT x, CASE WHEN x = 2 THEN NULL ELSE 'a\"\n,' END AS y FROM (VALUES 1, 2, 3) AS t(x) ORDER BY x"
    query_id = querying.run(sql)["QueryExecutionId"]
    pages = [querying.athena.get_query_results(QueryExecutionId=query_id, MaxResults=2)]
    while "NextToken" in pages[-1]:
        token = pages[-1]["NextToken"]
        pages.append(querying.athena.get_query_results(QueryExecutionId=query_id, MaxResults=2, NextToken=token))
    rows = [[each.get("VarCharValue") for each in row["Data"]] for page in pages for row in page["ResultSet"]["Rows"]]
    assert rows == [["x", "y"], ["1", 'a"\n,'], ["2", None], ["3", 'a"\n,']]
    assert [len(page["ResultSet"]["Rows"]) for page in pages] == [2, 2, 0]
    columns = pages[0]["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
    assert [(each["Name"], each["Type"], each["Precision"]) for each in columns] == [
        ("x", "integer", 10),
        ("y", "varchar", 2147483647),
    ]


def test_unknown_query_is_reported(querying: Querying) -> None:
    for operation in ("get_query_execution", "get_query_results", "stop_query_execution"):
        with pytest.raises(ClientError, match="QueryExecution none was not found"):
            getattr(querying.athena, operation)(QueryExecutionId="none")


def test_work_group_chooses_the_location_and_the_cutoff(querying: Querying) -> None:
    querying.table("t", {"a": "string"})
    querying.put("t/a.csv", "x\n" * 100)
    configuration = {
        "ResultConfiguration": {"OutputLocation": f"s3://{querying.bucket}/own/"},
        "BytesScannedCutoffPerQuery": 10_000_000,
    }
    querying.athena.create_work_group(Name=querying.database, Configuration=configuration)
    execution = querying.run("SELECT a FROM t", WorkGroup=querying.database)
    assert execution["ResultConfiguration"]["OutputLocation"].startswith(f"s3://{querying.bucket}/own/")
    assert querying.athena.list_query_executions(WorkGroup=querying.database)["QueryExecutionIds"] == [
        execution["QueryExecutionId"]
    ]
    querying.put("t/b.csv", b"y" * 10_000_000)
    status = querying.run("SELECT a FROM t", WorkGroup=querying.database)["Status"]
    assert (status["State"], status["StateChangeReason"]) == ("CANCELLED", "Bytes scanned limit was exceeded")


def test_queries_are_described_by_the_batch(querying: Querying) -> None:
    query_id = querying.run("SELECT 1")["QueryExecutionId"]
    answer = querying.athena.batch_get_query_execution(QueryExecutionIds=[query_id, "none"])
    assert [each["QueryExecutionId"] for each in answer["QueryExecutions"]] == [query_id]
    assert [each["QueryExecutionId"] for each in answer["UnprocessedQueryExecutionIds"]] == ["none"]

"""UNLOAD: its files, its manifest, and Distributed Maps over them."""

import gzip
import io
import json
from typing import Any

import duckdb
import pytest
from botocore.exceptions import ClientError

from tests.local_aws.conftest import Run
from tests.local_aws.querying import Querying

ROWS = "SELECT x, 'r' || CAST(x AS varchar) AS name, NULLIF(x, 2) AS n FROM (VALUES 1, 2, 3, 4, 5, 6) AS t(x)"
EXPECTED = [{"x": x, "name": f"r{x}", "n": None if x == 2 else x} for x in range(1, 7)]


def unload(querying: Querying, folder: str, data_format: str, rows: str = ROWS) -> dict[str, Any]:
    target = f"s3://{querying.bucket}/{folder}/"
    return querying.run(f"UNLOAD ({rows}) TO '{target}' WITH (format = '{data_format}')")


def files(querying: Querying, execution: dict[str, Any]) -> list[str]:
    """The URIs that the manifest lists."""
    manifest = execution["Statistics"]["DataManifestLocation"]
    assert manifest == execution["ResultConfiguration"]["OutputLocation"] + "-manifest.csv"
    return querying.body(manifest).decode().splitlines()


def test_json_is_packed_lines_in_several_files(querying: Querying) -> None:
    execution = unload(querying, "out", "JSON")
    assert (execution["StatementType"], execution["SubstatementType"]) == ("DML", "UNLOAD")
    uris = files(querying, execution)
    assert sorted(uris) == [f"s3://{querying.bucket}/{key}" for key in querying.keys("out/")]
    assert len(uris) > 1
    assert all(uri.endswith(".gz") for uri in uris)
    lines = [line for uri in uris for line in gzip.decompress(querying.body(uri)).splitlines()]
    assert sorted((json.loads(line) for line in lines), key=lambda row: row["x"]) == EXPECTED


def test_parquet_is_read_back(querying: Querying, tmp_path: Any) -> None:
    execution = unload(querying, "out", "PARQUET")
    found = []
    for number, uri in enumerate(files(querying, execution)):
        (tmp_path / f"{number}").write_bytes(querying.body(uri))
        found += duckdb.execute(f"SELECT x, name, n FROM read_parquet('{tmp_path}/{number}')").fetchall()
    assert sorted(found) == [tuple(row.values()) for row in EXPECTED]


def test_location_of_the_result_has_no_extension(querying: Querying) -> None:
    execution = unload(querying, "out", "JSON")
    assert execution["ResultConfiguration"]["OutputLocation"].endswith(f"/results/{execution['QueryExecutionId']}")
    answer = querying.athena.get_query_results(QueryExecutionId=execution["QueryExecutionId"])
    assert (answer["UpdateCount"], answer["ResultSet"]["Rows"]) == (6, [])


def test_no_rows_leave_no_files_and_no_manifest(querying: Querying) -> None:
    execution = unload(querying, "out", "JSON", f"{ROWS} WHERE false")
    assert execution["Status"]["State"] == "SUCCEEDED"
    assert "DataManifestLocation" not in execution["Statistics"]
    assert querying.keys("out/") == []


def test_target_has_to_be_empty(querying: Querying) -> None:
    querying.put("out/there", "x")
    reason = unload(querying, "out", "JSON")["Status"]["StateChangeReason"]
    assert reason.startswith("HIVE_PATH_ALREADY_EXISTS: ")
    assert querying.keys("out/") == ["out/there"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("format = 'ORC'", "local AWS unloads as JSON or PARQUET"),
        ("format = 'JSON', partitioned_by = ARRAY['x']", "local AWS unloads as JSON or PARQUET"),
        ("compression = 'gzip'", "mismatched input 'UNLOAD'"),
    ],
)
def test_other_forms_are_refused(querying: Querying, options: str, expected: str) -> None:
    with pytest.raises(ClientError, match=expected):
        querying.start(f"UNLOAD (SELECT 1 AS x) TO 's3://{querying.bucket}/out/' WITH ({options})")


@pytest.mark.parametrize(("data_format", "input_type"), [("JSON", "JSONL"), ("PARQUET", "PARQUET")])
def test_map_reads_the_files_of_the_manifest(
    querying: Querying, run_machine: Run, data_format: str, input_type: str
) -> None:
    query = f"UNLOAD ({ROWS}) TO 's3://{querying.bucket}/an {data_format}/' WITH (format = '{data_format}')"
    start = {
        "Type": "Task",
        "Resource": "arn:aws:states:::athena:startQueryExecution.sync",
        "Arguments": {"QueryString": query, "ResultConfiguration": querying.output},
        "Output": "{% $states.result.QueryExecution.Statistics.DataManifestLocation %}",
        "Next": "Each",
    }
    key = f"{{% $substringAfter($states.input, 's3://{querying.bucket}/') %}}"
    each = {
        "Type": "Map",
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": {"ManifestType": "ATHENA_DATA", "InputType": input_type},
            "Arguments": {"Bucket": querying.bucket, "Key": key},
        },
        "ItemSelector": {
            "row": "{% $states.context.Map.Item.Value %}",
            "source": "{% $states.context.Map.Item.Source %}",
        },
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"},
            "StartAt": "P",
            "States": {"P": {"Type": "Pass", "End": True}},
        },
        "End": True,
    }
    output = run_machine({"StartAt": "Start", "States": {"Start": start, "Each": each}})["output"]
    assert sorted((item["row"] for item in output), key=lambda row: row["x"]) == EXPECTED
    assert {item["source"] for item in output} == {
        f"s3://{querying.bucket}/{key}" for key in querying.keys(f"an {data_format}/")
    }


def test_map_reads_csv_files_of_a_manifest_that_was_put_there(querying: Querying, run_state: Run) -> None:
    querying.put("data/with space.csv", "1,a\n2,b\n")
    querying.put("data/two.csv", "3,c\n")
    querying.put("m.csv", f"s3://{querying.bucket}/data/with space.csv\ns3://{querying.bucket}/data/two.csv\n")
    config = {
        "ManifestType": "ATHENA_DATA",
        "InputType": "CSV",
        "CSVHeaderLocation": "GIVEN",
        "CSVHeaders": ["n", "s"],
    }
    ended = run_state({
        "Type": "Map",
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": config,
            "Arguments": {"Bucket": querying.bucket, "Key": "m.csv"},
        },
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"},
            "StartAt": "P",
            "States": {"P": {"Type": "Pass", "End": True}},
        },
    })  # fmt: skip
    assert ended["output"] == [{"n": "1", "s": "a"}, {"n": "2", "s": "b"}, {"n": "3", "s": "c"}]


def test_parquet_object_is_read_as_items(querying: Querying, run_state: Run, tmp_path: Any) -> None:
    duckdb.execute(f"COPY (SELECT 1 AS n, 'x' AS s, DATE '2013-01-02' AS d) TO '{tmp_path}/p' (FORMAT parquet)")
    querying.put("p.gz", io.BytesIO((tmp_path / "p").read_bytes()).read())
    ended = run_state({
        "Type": "Map",
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": {"InputType": "PARQUET"},
            "Arguments": {"Bucket": querying.bucket, "Key": "p.gz"},
        },
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"},
            "StartAt": "P",
            "States": {"P": {"Type": "Pass", "End": True}},
        },
    })  # fmt: skip
    assert ended["output"] == [{"n": 1, "s": "x", "d": "2013-01-02"}]

"""Tables of Glue in queries: how objects become rows, what is hidden, partitions, and what defines tables."""

import gzip
import io
from typing import Any

import duckdb
import pytest

from tests.local_aws.querying import JSON, LAZY_SIMPLE, OPEN_CSV, PARQUET, Querying

KEYS = ("t/plain.csv", "t/a b+c%d&e=f?.csv", "t/sub/ü/日本.csv", "t/dot.d/x'y\".csv")


def test_open_csv_reads_quotes_escapes_and_ragged_lines_one_by_one(querying: Querying) -> None:
    querying.table("t", {"a": "string", "b": "string"}, header_lines=1)
    querying.put("t/x.csv", 'a,b\r\n"x, ""y""",1\r\n,\nonly\n1,2,3\n"back\\\\slash \\"q\\"",2\n\n"cut\nhere",3')
    assert querying.lines("SELECT * FROM t") == [
        '"x, ""y""","1"',
        '"",""',
        '"only",',
        '"1","2"',
        '"back\\slash ""q""","2"',
        '"",',
        '"cut",',
        '"here""","3"',
    ]


@pytest.mark.parametrize(
    ("parameters", "body"),
    [
        ({"separatorChar": ";"}, '"a;b";c\n'),
        ({"separatorChar": "\t"}, '"a;b"\tc\n'),
        ({"quoteChar": "'"}, "'a;b',c\n"),
        ({"escapeChar": "^"}, '"a^;b",c\n'),
    ],
)
def test_open_csv_takes_its_signs_from_the_table(querying: Querying, parameters: dict[str, str], body: str) -> None:
    querying.table("t", {"a": "string", "b": "string"}, serde_parameters=parameters)
    querying.put("t/x.csv", body)
    assert querying.lines("SELECT * FROM t") == ['"a;b","c"']


def test_open_csv_types_are_numbers_since_1970_and_wrong_ones_fail(querying: Querying) -> None:
    querying.table("t", {"i": "int", "d": "double", "day": "date", "at": "timestamp", "b": "boolean"})
    querying.put("t/x.csv", "1,2.5,366,1000,true\n,,,,\n")
    assert querying.lines("SELECT * FROM t") == ['"1","2.5","1971-01-02","1970-01-01 00:00:01.000","true"', ",,,,"]
    querying.put("t/y.csv", "x,,,,\n")
    assert "'x'" in querying.reason("SELECT i FROM t")


def test_lazy_simple_knows_no_quotes_and_makes_null_of_what_is_wrong(querying: Querying) -> None:
    columns = {"s": "string", "i": "int", "d": "double", "day": "date", "at": "timestamp", "n": "decimal(5,2)"}
    querying.table("t", columns, LAZY_SIMPLE, serde_parameters={"field.delim": ","})
    querying.put("t/x", '"a",1,1e3,2013-01-02,2013-01-02 03:04:05.5,1.5\n\\N,1.5,x,x,x,x\n,,,,,\nlast\n')
    assert querying.lines("SELECT * FROM t") == [
        '"""a""","1","1000.0","2013-01-02","2013-01-02 03:04:05.500","1.50"',
        ",,,,,",
        '"",,,,,',
        '"last",,,,,',
    ]


def test_lazy_simple_splits_at_control_a_by_default(querying: Querying) -> None:
    querying.table("t", {"a": "string", "b": "string"}, LAZY_SIMPLE, serde_parameters={"serialization.format": "1"})
    querying.put("t/x", "a,b\x01c\n")
    assert querying.lines("SELECT * FROM t") == ['"a,b","c"']


def test_lazy_simple_escapes_where_the_table_says_so(querying: Querying) -> None:
    parameters = {"field.delim": ",", "escape.delim": "\\"}
    querying.table("t", {"a": "string", "b": "string"}, LAZY_SIMPLE, serde_parameters=parameters)
    querying.put("t/x", 'a\\,b,"c\n')
    assert querying.lines("SELECT * FROM t") == ['"a,b","""c"']


def test_objects_are_unpacked_and_wrong_bytes_replaced(querying: Querying) -> None:
    querying.table("t", {"a": "string"}, header_lines=1)
    querying.put("t/x.csv.gz", gzip.compress(b"a\npacked\n"))
    querying.put("t/y.csv", b"a\nw\xffrong\n")
    assert querying.lines("SELECT * FROM t") == ['"packed"', '"w\ufffdrong"']


def test_hidden_and_empty_objects_and_folders_are_no_data(querying: Querying) -> None:
    querying.table("t", {"a": "string"})
    for key in ("t/_hidden", "t/.hidden", "t/_folder/x", "t2/x"):
        querying.put(key, "no\n")
    for key in ("t/folder/", "t/empty"):
        querying.put(key, b"")
    assert querying.csv("SELECT * FROM t") == '"a"\n'
    querying.put("t/deep/er/x", "yes\n")
    assert querying.lines("SELECT * FROM t") == ['"yes"']


def test_path_tells_the_object_of_each_row(querying: Querying) -> None:
    querying.table("t", {"a": "string"})
    for number, key in enumerate(KEYS):
        querying.put(key, f"{number}\n")
    sql = 'SELECT "$path" AS path, a FROM t ORDER BY a'
    found = [line.replace('""', '"') for line in querying.lines(sql)]
    assert found == [f'"s3://{querying.bucket}/{key}","{number}"' for number, key in enumerate(KEYS)]
    wanted = f"s3://{querying.bucket}/{KEYS[1]}"
    assert querying.lines('SELECT a FROM t WHERE "$path" = ?', ExecutionParameters=[wanted]) == ['"1"']


def test_hidden_columns_are_left_out_of_a_star(querying: Querying) -> None:
    querying.table("t", {"a": "string", "b": "string"})
    querying.put("t/x", "1,2\n")
    path = f'"s3://{querying.bucket}/t/x"'
    assert querying.csv('SELECT *, "$file_size" FROM t') == '"a","b","$file_size"\n"1","2","4"\n'
    assert querying.csv('SELECT t.*, t."$path" FROM t') == f'"a","b","$path"\n"1","2",{path}\n'
    nested = 'SELECT * FROM (SELECT "$path", a FROM t) AS s JOIN t AS u ON s.a = u.a'
    assert querying.csv(nested) == f'"$path","a","a","b"\n{path},"1","1","2"\n'
    assert querying.csv('WITH w AS (SELECT "$path" AS p, * FROM t) SELECT * FROM w').splitlines()[0] == '"p","a","b"'
    assert "'$path' cannot be resolved" in querying.reason('SELECT "$path" FROM (SELECT a FROM t)')


def test_scanned_bytes_are_those_of_the_objects_each_time_a_table_is_read(querying: Querying) -> None:
    querying.table("t", {"a": "string"})
    querying.put("t/x", "12345\n")
    querying.put("t/y", "1\n")
    assert querying.run("SELECT count(*) FROM t")["Statistics"]["DataScannedInBytes"] == 8
    joined = "SELECT 1 FROM t JOIN t AS u ON t.a = u.a"
    assert querying.run(joined)["Statistics"]["DataScannedInBytes"] == 16


def test_names_are_found_in_any_case_and_qualified(querying: Querying) -> None:
    querying.table("t", {"a": "string"})
    querying.put("t/x", "1\n")
    name = f"awsdatacatalog.{querying.database}.T"
    assert querying.csv(f"SELECT A FROM {name}") == '"A"\n"1"\n'
    assert querying.csv(f"SELECT {querying.database}.t.a FROM {querying.database}.t") == '"a"\n"1"\n'
    assert querying.csv("WITH t AS (SELECT 'own' AS a) SELECT a FROM t") == '"a"\n"own"\n'


def test_partitions_are_those_that_are_registered(querying: Querying) -> None:
    querying.table("t", {"a": "string"}, partition_keys={"year": "int", "station": "string"})
    for year, station in ((2013, "JFK"), (2013, "LGA"), (2014, "EWR")):
        querying.put(f"t/year={year}/station={station}/x", f"{year}{station}\n")
    querying.put("elsewhere/x", "other\n")
    assert querying.lines("SELECT * FROM t") == []
    querying.run("ALTER TABLE t ADD PARTITION (year = 2013, station = 'JFK')")
    assert querying.lines("SELECT * FROM t") == ['"2013JFK","2013","JFK"']
    querying.run("MSCK REPAIR TABLE t")
    location = f"LOCATION 's3://{querying.bucket}/elsewhere/'"
    querying.run(f"ALTER TABLE t ADD IF NOT EXISTS PARTITION (year = 2015, station = 'X') {location}")
    assert querying.lines("SELECT station, a, year FROM t WHERE year > 2013 ORDER BY year") == [
        '"EWR","2014EWR","2014"',
        '"X","other","2015"',
    ]
    assert querying.lines("SELECT count(*) FROM t") == ['"4"']


def test_json_lines_are_read_by_the_names_of_columns(querying: Querying) -> None:
    columns = {"a": "string", "n": "bigint", "l": "array<string>", "s": "struct<x:int,y:string>"}
    querying.table("t", columns, JSON)
    querying.put("t/x.json", '{"a": "1", "n": 2, "l": ["p", null], "s": {"x": 1, "y": "z"}, "more": 1}\n{"n": null}\n')
    querying.put("t/y.gz", gzip.compress(b'{"a": "packed"}\n'))
    assert querying.lines("SELECT * FROM t") == ['"1","2","[p, null]","{x=1, y=z}"', ",,,", '"packed",,,']


def test_parquet_is_read_with_paths(querying: Querying, tmp_path: Any) -> None:
    duckdb.execute(f"COPY (SELECT 'x' AS a, 1 AS n) TO '{tmp_path}/p' (FORMAT parquet)")
    querying.table("t", {"a": "string", "n": "int"}, PARQUET)
    querying.put("t/one", (tmp_path / "p").read_bytes())
    assert querying.lines('SELECT *, "$path" FROM t') == [f'"x","1","s3://{querying.bucket}/t/one"']


@pytest.mark.parametrize(
    ("serde", "columns", "reason"),
    [
        ("org.apache.hadoop.hive.ql.io.orc.OrcSerde", {"a": "int"}, "HIVE_UNSUPPORTED_FORMAT: local AWS does not read"),
        (OPEN_CSV, {"a": "array<int>"}, "NOT_SUPPORTED: Column 'a': local AWS reads array<int> from JSON and Parquet"),
        (JSON, {"a": "geometry"}, "NOT_SUPPORTED: Unsupported Hive type: geometry"),
    ],
)
def test_what_is_not_read_here_is_reported(
    querying: Querying, serde: str, columns: dict[str, str], reason: str
) -> None:
    querying.table("t", columns, serde)
    querying.put("t/x", "1\n")
    assert querying.reason("SELECT * FROM t").startswith(reason)


def test_statements_define_databases_and_tables(querying: Querying) -> None:
    querying.put("in/x.csv", "a,b\n1,2\n")
    database = f"{querying.database}_own"
    created = querying.run(f"CREATE DATABASE IF NOT EXISTS {database}")
    assert created["StatementType"] == "DDL"
    assert querying.body(created["ResultConfiguration"]["OutputLocation"]) == b""
    querying.run(f"""
        CREATE EXTERNAL TABLE IF NOT EXISTS `{database}`.`t` (a string, `b` int)
        ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde'
        WITH SERDEPROPERTIES ('separatorChar' = ',')
        STORED AS TEXTFILE LOCATION 's3://{querying.bucket}/in/'
        TBLPROPERTIES ('skip.header.line.count' = '1')
    """)
    assert querying.csv(f"SELECT * FROM {database}.t") == '"a","b"\n"1","2"\n'
    assert "is not empty" in querying.reason(f"DROP DATABASE {database}")
    querying.run(f"DROP TABLE {database}.t")
    querying.run(f"DROP DATABASE {database}")
    assert querying.reason(f"SELECT * FROM {database}.t").startswith("SCHEMA_NOT_FOUND")


def test_delimited_rows_are_lazy_simple(querying: Querying) -> None:
    querying.put("in/x.csv", "1,2\n")
    location = f"LOCATION 's3://{querying.bucket}/in'"
    querying.run(f"CREATE EXTERNAL TABLE t (a int, b int) ROW FORMAT DELIMITED FIELDS TERMINATED BY ',' {location}")
    assert querying.csv("SELECT b, a FROM t") == '"b","a"\n"2","1"\n'


def test_result_of_a_query_is_a_table_for_the_next(querying: Querying) -> None:
    execution = querying.run("SELECT 'x' AS a, NULL AS b")
    uri = execution["ResultConfiguration"]["OutputLocation"]
    querying.put("t/copy.csv", io.BytesIO(querying.body(uri)).read())
    querying.table("t", {"a": "string", "b": "string"}, header_lines=1)
    assert querying.lines("SELECT * FROM t") == ['"x",""']

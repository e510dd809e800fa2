"""From Athena's SQL to DuckDB's, and from Hive's lines to rows."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_aws.athena.hive_types import duckdb_type
from local_aws.athena.text_files import Dialect, plain_csv
from local_aws.athena.texts import athena_type, text_of
from local_aws.athena.translation import translate

OPEN_CSV = Dialect.of("open csv", {})
FIELDS = st.text(st.characters(exclude_characters="\n\r\x00", exclude_categories=["Cs"]), max_size=8)
ROWS = st.lists(st.lists(FIELDS, min_size=1, max_size=4), min_size=1, max_size=4)


@pytest.mark.parametrize(
    ("sql", "tables"),
    [
        ("SELECT 1", []),
        ("SELECT * FROM t", ["d.t"]),
        ("SELECT * FROM T, Other.U AS t", ["d.t", "other.u"]),
        ("WITH t AS (SELECT * FROM u) SELECT * FROM t", ["d.u"]),
        (
            "SELECT (SELECT max(x) FROM a) FROM b WHERE EXISTS (SELECT 1 FROM c) UNION SELECT 1 FROM e",
            ["a", "b", "c", "e"],
        ),
        ("SELECT n FROM t CROSS JOIN UNNEST(split(a, ',')) AS x(n)", ["d.t"]),
    ],
)
def test_tables_of_a_query_are_found_wherever_it_reads_them(sql: str, tables: list[str]) -> None:
    found = sorted(f"{each.database}.{each.name}" for each in translate(sql, "d", None).tables)
    assert found == sorted(each if "." in each else f"d.{each}" for each in tables)


def test_hidden_column_of_a_join_is_that_of_its_own_table() -> None:
    sql = 'SELECT a."$path", b."$path" AS other FROM t AS a JOIN u AS b ON a."$path" = b."$path"'
    translation = translate(sql, "d", None)
    assert translation.hidden == {"$path"}
    assert 'a."$path of d.t" AS "$path"' in translation.sql
    assert 'b."$path of d.u" AS other' in translation.sql


@pytest.mark.parametrize(
    ("hive_type", "duckdb"),
    [
        ("string", "VARCHAR"),
        ("varchar(10)", "VARCHAR"),
        ("decimal(10,2)", "DECIMAL(10,2)"),
        ("array<map<string,int>>", "MAP(VARCHAR, INTEGER)[]"),
        ("struct<a:int,b:struct<c:array<double>>>", 'STRUCT("a" INTEGER, "b" STRUCT("c" DOUBLE[]))'),
    ],
)
def test_types_of_columns_are_duckdbs(hive_type: str, duckdb: str) -> None:
    assert duckdb_type(hive_type) == duckdb


@pytest.mark.parametrize(
    ("kind", "name"),
    [("HUGEINT", "bigint"), ("INTEGER[]", "array"), ("STRUCT(a INTEGER)", "row"), ("TIMESTAMP_S", "timestamp")],
)
def test_types_of_results_are_athenas(kind: str, name: str) -> None:
    assert athena_type(kind).name == name


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.0"),
        (1e7, "1.0E7"),
        (9999999.0, "9999999.0"),
        (0.001, "0.001"),
        (1e-4, "1.0E-4"),
        (-1.5e300, "-1.5E300"),
    ],
)
def test_doubles_are_written_as_by_java(value: float, text: str) -> None:
    assert text_of("DOUBLE")(value) == text


@pytest.mark.parametrize(("value", "text"), [("nan", "NaN"), ("inf", "Infinity"), ("-inf", "-Infinity")])
def test_doubles_that_are_no_numbers_have_javas_names(value: str, text: str) -> None:
    assert text_of("DOUBLE")(float(value)) == text


def test_json_text_in_query_keeps_its_points() -> None:
    assert translate("SELECT '1.5' AS a, 1.5 AS b", None, None).sql == "SELECT '1.5' AS a, 1.5e0 AS b"


@given(ROWS)
def test_lines_with_escapes_are_rewritten_to_the_same_fields(rows: list[list[str]]) -> None:
    """What a writer has escaped by backslashes comes out with quotes doubled, or as it was where it has neither."""
    lines = [",".join(f'"{escaped(field)}"' for field in row) for row in rows]
    rewritten = plain_csv("\n".join(lines).encode(), OPEN_CSV).decode()
    read = list(csv.reader(io.StringIO(rewritten, newline="")))
    assert read == rows


def escaped(field: str) -> str:
    return field.replace("\\", "\\\\").replace('"', '\\"')

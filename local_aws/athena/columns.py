"""Fields of files as values of a table's columns, as each SerDe makes them."""

from local_aws.athena.catalog import Column, Table
from local_aws.athena.errors import user_error
from local_aws.athena.hive_types import INTEGERS, duckdb_type, is_nested, literal, quoted


def value_columns(table: Table) -> list[str]:
    """The table's columns from the rows of its files, which are called r, and their fields c0, c1, ..."""
    if table.data_format in ("json", "parquet"):
        return [f"r.{quoted(column.name)} AS {quoted(column.name)}" for column in table.columns]
    convert = _open_csv_value if table.data_format == "open csv" else _text_value
    return [
        f"{convert(f'r.c{number}', _flat_type(column))} AS {quoted(column.name)}"
        for number, column in enumerate(table.columns)
    ]


def typed_columns(table: Table) -> str:
    """The columns with their types, as DuckDB's reader of JSON takes them."""
    kinds = (f"{literal(each.name)}: {literal(duckdb_type(each.hive_type))}" for each in table.columns)
    return f"{{{', '.join(kinds)}}}"


def _text_value(field: str, kind: str) -> str:
    """LazySimpleSerDe makes NULL of what is no value of the column's type."""
    if kind == "VARCHAR":
        return field
    if kind == "BOOLEAN":
        return f"CASE lower({field}) WHEN 'true' THEN true WHEN 'false' THEN false END"
    if kind in INTEGERS:
        return f"CASE WHEN regexp_full_match({field}, '[+-]?[0-9]+') THEN TRY_CAST({field} AS {kind}) END"
    return f"TRY_CAST({field} AS {kind})"


def _open_csv_value(field: str, kind: str) -> str:
    """OpenCSVSerde fails at what is no value; dates are days and times are milliseconds since 1970."""
    given = f"nullif({field}, '')"
    if kind == "VARCHAR":
        return field
    if kind == "DATE":
        return f"DATE '1970-01-01' + CAST({given} AS INTEGER)"
    if kind == "TIMESTAMP":
        return f"make_timestamp_ms(CAST({given} AS BIGINT))"
    return f"CAST({given} AS {kind})"


def _flat_type(column: Column) -> str:
    if is_nested(column.hive_type):
        message = f"local AWS reads {column.hive_type} from JSON and Parquet only"
        raise user_error("NOT_SUPPORTED", f"Column '{column.name}': {message}")
    return duckdb_type(column.hive_type)

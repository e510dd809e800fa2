"""DuckDB views that stand for Glue's tables."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_aws.athena.catalog import DataFile, Table
from local_aws.athena.columns import typed_columns, value_columns
from local_aws.athena.hive_types import duckdb_type, literal, quoted
from local_aws.athena.text_files import Dialect, store_lines

TEXT_FORMATS = ("text", "open csv")
OBJECT = "object of the row"
# What no field is: an empty one is an empty text.
NO_FIELD = "\x02\x02"
HIDDEN_SQL = {
    "$path": ("f.path", "VARCHAR"),
    "$file_size": ("f.size", "BIGINT"),
    "$file_modified_time": ("to_timestamp(f.modified)", "TIMESTAMPTZ"),
}


@dataclass(frozen=True)
class Stored:
    """A table's objects as local files. `names`: what the rows of each object are marked with."""

    objects: Sequence[DataFile]
    names: Sequence[str]
    paths: Sequence[Path]


def store(table: Table, objects: Sequence[DataFile], directory: Path, read: Callable[[DataFile], bytes]) -> Stored:
    """Put the table's objects into the directory as files that DuckDB reads."""
    directory.mkdir()
    if table.data_format in TEXT_FORMATS:
        dialect = Dialect.of(table.data_format, table.serde)
        header = table.parameters.get("skip.header.line.count", "0")
        bodies = (read(each) for each in objects)
        paths = store_lines(bodies, directory, dialect, int(header) if header.isdigit() else 0)
        return Stored(objects, [str(number) for number in range(len(objects))], paths)
    filled = [each for each in objects if each.size]
    paths = [directory / f"{number}{_suffix(table, each)}" for number, each in enumerate(filled)]
    for each, path in zip(filled, paths, strict=True):
        path.write_bytes(read(each))
    return Stored(filled, [str(path) for path in paths], paths)


def _suffix(table: Table, file: DataFile) -> str:
    """DuckDB unpacks what the name says is packed."""
    return ".gz" if table.data_format == "json" and file.key.endswith(".gz") else ""


def create_view(connection: Any, table: Table, stored: Stored, hidden: set[str]) -> None:
    """Create the view of the table's name, with these hidden columns."""
    schema, name = quoted(table.name.database), quoted(table.name.name)
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
    if not stored.paths:
        empty = ", ".join(_without_rows(table, hidden))
        connection.execute(f"CREATE VIEW {schema}.{name} AS SELECT {empty} WHERE false")
        return
    source = f"{_reader(table, stored.paths)} AS r"
    if table.partition_keys or hidden:
        files = quoted(f"files of {table.name.database}.{table.name.name}")
        _create_files(connection, files, stored)
        source += f" JOIN {files} AS f ON r.{quoted(OBJECT)} = f.name"
    hidden_columns = [f"{HIDDEN_SQL[each][0]} AS {quoted(table.name.hidden(each))}" for each in sorted(hidden)]
    columns = ", ".join([*value_columns(table), *_partition_columns(table), *hidden_columns])
    connection.execute(f"CREATE VIEW {schema}.{name} AS SELECT {columns} FROM {source}")  # noqa: S608  (all quoted)


def _create_files(connection: Any, name: str, stored: Stored) -> None:
    """A table of the objects with what is known of each, made by one statement."""
    columns = {
        "name": list(stored.names),
        "path": [each.path for each in stored.objects],
        "size": [each.size for each in stored.objects],
        "modified": [each.modified for each in stored.objects],
        "parts": [list(each.values) for each in stored.objects],
    }
    listed = ", ".join(f"unnest(${column}) AS {column}" for column in columns)
    connection.execute(f"CREATE TEMP TABLE {name} AS SELECT {listed}", columns)


def _without_rows(table: Table, hidden: set[str]) -> list[str]:
    types = {column.name: duckdb_type(column.hive_type) for column in [*table.columns, *table.partition_keys]}
    types |= {table.name.hidden(each): HIDDEN_SQL[each][1] for each in sorted(hidden)}
    return [f"CAST(NULL AS {kind}) AS {quoted(name)}" for name, kind in types.items()]


def _partition_columns(table: Table) -> list[str]:
    """A partition's values are texts in Glue."""
    columns = []
    for number, key in enumerate(table.partition_keys):
        value = f"nullif(f.parts[{number + 1}], '__HIVE_DEFAULT_PARTITION__')"
        columns.append(f"CAST({value} AS {duckdb_type(key.hive_type)}) AS {quoted(key.name)}")
    return columns


def _reader(table: Table, paths: Sequence[Path]) -> str:
    files = f"[{', '.join(literal(str(path)) for path in paths)}]"
    marked = f"filename = {literal(OBJECT)}, hive_partitioning = false"
    if table.data_format == "parquet":
        return f"read_parquet({files}, union_by_name = true, {marked})"
    if table.data_format == "json":
        return f"read_json({files}, columns = {typed_columns(table)}, format = 'newline_delimited', {marked})"
    return _csv_reader(table, files)


def _csv_reader(table: Table, files: str) -> str:
    dialect = Dialect.of(table.data_format, table.serde)
    quote = '"' if dialect.quote or dialect.is_rewritten else ""
    columns = ", ".join(f"'c{number}': 'VARCHAR'" for number in range(len(table.columns)))
    options = {
        "columns": f"{{{literal(OBJECT)}: 'VARCHAR', {columns}}}",
        "delim": literal(dialect.delimiter),
        "quote": literal(quote),
        "escape": literal(quote),
        "nullstr": literal(NO_FIELD if dialect.null is None else dialect.null),
        "header": "false",
        "auto_detect": "false",
        "null_padding": "true",
        "strict_mode": "false",
        "parallel": "false",
        "hive_partitioning": "false",
    }
    return f"read_csv({files}, {', '.join(f'{key} = {value}' for key, value in options.items())})"

"""DuckDB as the engine of one query: its settings, its tables, and its errors in Athena's words."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_aws.athena.errors import CancelledError, QueryError, user_error
from local_aws.athena.hive_types import literal
from local_aws.athena.names import position_of

# The translation calls a column so that has no name.
ANONYMOUS = "_col?"
THREADS = 2
FETCHED_ROWS = 1_000
SETTINGS = (
    "SET integer_division = true",
    # It would let CSV's reader do a TRY_CAST, which then fails where it should give NULL.
    "SET disabled_optimizers = 'type_pushdown'",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET TimeZone = 'UTC'",
    f"SET threads = {THREADS}",
)
MISSING_COLUMN = re.compile(
    r'Referenced column "(?P<a>.*?)" not found|does not have a column named "(?P<b>.*?)"'
    r'|Column "(?P<c>.*?)" referenced that exists in the SELECT clause'
)
MISSING_FUNCTION = re.compile(r"Function with name (.*?) does not exist")
CANCELLED = "Query cancelled by user"


@dataclass(frozen=True)
class ResultColumn:
    """A column of a result: its name and DuckDB's type of it."""

    name: str
    kind: str


@contextmanager
def engine(directory: Path) -> Iterator[Any]:
    """A database of its own that can read and write files in this directory, and nothing else."""
    try:
        import duckdb
    except ImportError as error:
        message = "local AWS runs queries with the Python package duckdb, which is not installed: make setup"
        raise QueryError(message) from error
    connection = duckdb.connect(":memory:")
    try:
        for setting in SETTINGS:
            connection.execute(setting)
        connection.execute(f"SET temp_directory = {literal(str(directory / 'temporary'))}")
        connection.execute(f"SET allowed_directories = [{literal(str(directory))}]")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        yield connection
    finally:
        connection.close()


@contextmanager
def errors_of(text: str) -> Iterator[None]:
    """DuckDB's errors become those of the query with this text. Raises QueryError, CancelledError."""
    import duckdb

    try:
        yield
    except duckdb.InterruptException as error:
        raise CancelledError(CANCELLED) from error
    except duckdb.Error as error:
        raise _query_error(error, text) from error


def _query_error(error: Any, text: str) -> QueryError:
    message = str(error)
    first = message.partition("\n")[0].partition(": ")[2] or message
    column, function = MISSING_COLUMN.search(message), MISSING_FUNCTION.search(message)
    if column is not None:
        name = next(each for each in column.groups() if each)
        message_text = (
            f"Column '{name}' cannot be resolved or requester is not authorized to access requested resources"
        )
        return user_error("COLUMN_NOT_FOUND", message_text, _position_of_name(text, name))
    if function is not None:
        name = function[1]
        return user_error("FUNCTION_NOT_FOUND", f"Function '{name}' not registered", _position_of_name(text, name))
    names = {
        "ConversionException": "INVALID_CAST_ARGUMENT",
        "BinderException": "TYPE_MISMATCH",
        "ParserException": "SYNTAX_ERROR",
        "OutOfRangeException": "NUMERIC_VALUE_OUT_OF_RANGE",
    }
    if "Division by zero" in message:
        return user_error("DIVISION_BY_ZERO", "Division by zero")
    if "CSV Error" in message or "Malformed JSON" in message or "Parquet" in message:
        return user_error("HIVE_BAD_DATA", first)
    return user_error(names.get(type(error).__name__, "GENERIC_USER_ERROR"), first)


def _position_of_name(text: str, name: str) -> str:
    found = re.search(rf"(?i)(?<!\w){re.escape(name)}(?!\w)", text)
    return position_of(text, found.start()) if found else "line 1:1"


def result_columns(connection: Any) -> list[ResultColumn]:
    """The columns of what was executed last; those without a name are numbered."""
    return [
        ResultColumn(f"_col{number}" if name == ANONYMOUS else name, str(kind))
        for number, (name, kind, *_) in enumerate(connection.description or [])
    ]


def fetched(connection: Any) -> Iterator[Sequence[Any]]:
    """The rows of what was executed last, a few at a time."""
    while rows := connection.fetchmany(FETCHED_ROWS):
        yield from rows

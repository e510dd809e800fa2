"""Statements that define databases, tables and partitions in Glue."""

import json
from collections.abc import Callable
from typing import Any

from ministack.services import athena as service
from ministack.services import glue

from local_aws.athena.catalog import Table, find_table
from local_aws.athena.errors import QueryError
from local_aws.athena.names import TableName
from local_aws.athena.permissions import QueryRights
from local_aws.athena.requests import DEFAULT_DATABASE
from local_aws.athena.statements import Statement
from local_aws.s3_objects import MissingObjectError, list_objects

GLUE_ERROR = "FAILED: Execution Error, return code 1 from org.apache.hadoop.hive.ql.exec.DDLTask. "


def run_definition(statement: Statement, database: str | None, rights: QueryRights) -> None:
    """Run the statement. Raises QueryError."""
    runs: dict[str, Callable[[Any, str, QueryRights], None]] = {
        "CREATE_DATABASE": _create_database,
        "DROP_DATABASE": _drop_database,
        "ALTER_TABLE_ADD_PARTITION": _add_partitions,
        "MSCK_REPAIR": _repair,
    }
    own = (database or DEFAULT_DATABASE).lower()
    run = runs.get(statement.kind)
    if run is None:
        _run_table_definition(statement.text, own, rights)
    else:
        run(service._Cursor(statement.text), own, rights)


def _run_table_definition(text: str, database: str, rights: QueryRights) -> None:
    """CREATE EXTERNAL TABLE and DROP TABLE are ministack's."""
    definition = service._parse_ddl(text)
    if definition is None:
        raise QueryError("FAILED: ParseException: local AWS does not know this form of the statement")
    action = "DeleteTable" if isinstance(definition, service._DropTable) else "CreateTable"
    rights.check_glue(action, (definition.database or database).lower(), definition.table.lower())
    try:
        service._run_ddl(definition, database)
    except ValueError as error:
        raise QueryError(f"{GLUE_ERROR}{error}") from error


def _create_database(cursor: Any, database: str, rights: QueryRights) -> None:
    _skip(cursor, 2)
    may_exist = cursor.keywords("if", "not", "exists")
    name = _name(cursor)
    rights.check_glue("CreateDatabase", name)
    if may_exist and name in glue._databases:
        return
    _call_glue(glue._create_database, {"DatabaseInput": {"Name": name}})


def _drop_database(cursor: Any, database: str, rights: QueryRights) -> None:
    _skip(cursor, 2)
    may_miss = cursor.keywords("if", "exists")
    name = _name(cursor)
    rights.check_glue("DeleteDatabase", name)
    if may_miss and name not in glue._databases:
        return
    if not cursor.keywords("cascade") and any(key.startswith(f"{name}/") for key in glue._tables):
        raise QueryError(f"{GLUE_ERROR}InvalidOperationException(message:Database {name} is not empty.)")
    _call_glue(glue._delete_database, {"Name": name})


def _add_partitions(cursor: Any, database: str, rights: QueryRights) -> None:
    """ALTER TABLE t ADD [IF NOT EXISTS] PARTITION (a = '1') [LOCATION 's3://...'] ..."""
    _skip(cursor, 2)
    table = _table(cursor, database, rights)
    _skip(cursor, 1)
    may_exist = cursor.keywords("if", "not", "exists")
    while cursor.keywords("partition"):
        given = _partition(cursor)
        location = cursor.string() if cursor.keywords("location") else None
        values = [given[key.name] for key in table.partition_keys if key.name in given]
        if len(values) != len(table.partition_keys):
            raise QueryError("FAILED: SemanticException partition spec doesn't contain all partition columns")
        _register(table, values, location, may_exist=may_exist, rights=rights)


def _partition(cursor: Any) -> dict[str, str]:
    given = {}
    while not cursor.at_end() and not cursor.punct(")"):
        name = cursor.identifier()
        if name is None or not cursor.punct("="):
            cursor.advance()
            continue
        text = cursor.string()
        given[name.lower()] = text if text is not None else str(cursor.number())
    return given


def _repair(cursor: Any, database: str, rights: QueryRights) -> None:
    """MSCK REPAIR TABLE t: folders such as year=2013/month=1 become partitions."""
    _skip(cursor, 3)
    table = _table(cursor, database, rights)
    bucket, _, prefix = table.location.removeprefix("s3://").rstrip("/").partition("/")
    folder = f"{prefix}/" if prefix else ""
    rights.check_listing(bucket, folder)
    try:
        keys = [str(entry["Key"]).removeprefix(folder) for entry in list_objects(bucket, folder)]
    except MissingObjectError as error:
        raise QueryError(f"{GLUE_ERROR}{error}") from error
    depth = len(table.partition_keys)
    for folders in dict.fromkeys(tuple(key.split("/")[:depth]) for key in keys if key.count("/") >= depth):
        parts = [folder.partition("=") for folder in folders]
        if [name.lower() for name, _, _ in parts] == [key.name for key in table.partition_keys]:
            _register(table, [value for _, _, value in parts], None, may_exist=True, rights=rights)


def _register(table: Table, values: list[str], location: str | None, *, may_exist: bool, rights: QueryRights) -> None:
    rights.check_glue("BatchCreatePartition", table.name.database, table.name.name)
    known = glue._partitions.get(f"{table.name.database}/{table.name.name}", [])
    if may_exist and any(each.get("Values") == values for each in known):
        return
    storage = {"StorageDescriptor": {"Location": location.rstrip("/")}} if location else {}
    request = {
        "DatabaseName": table.name.database,
        "TableName": table.name.name,
        "PartitionInput": {"Values": values, **storage},
    }
    _call_glue(glue._create_partition, request)


def _table(cursor: Any, database: str, rights: QueryRights) -> Table:
    parts = cursor.dotted_name(3)
    if parts is None:
        raise QueryError("FAILED: ParseException: a table's name is missing")
    return find_table(TableName((parts[1] or database).lower(), parts[2].lower()), rights)


def _name(cursor: Any) -> str:
    name = cursor.identifier()
    if name is None:
        raise QueryError("FAILED: ParseException: a database's name is missing")
    return str(name).lower()


def _skip(cursor: Any, count: int) -> None:
    for _ in range(count):
        cursor.advance()


def _call_glue(operation: Callable[[dict[str, Any]], Any], request: dict[str, Any]) -> None:
    status, _, body = operation(request)
    if status >= 300:
        answer = json.loads(body)
        kind = answer.get("__type", "").rsplit("#", 1)[-1]
        raise QueryError(f"{GLUE_ERROR}{kind}(message:{answer.get('message', '')})")

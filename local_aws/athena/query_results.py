"""GetQueryResults: a query's result, read back from its object page by page."""

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from local_aws.athena.engine import ResultColumn
from local_aws.athena.permissions import QueryRights
from local_aws.athena.queries import CANCELLED, FAILED, SUCCEEDED, Query
from local_aws.athena.requests import RefusedError
from local_aws.athena.statements import SELECT
from local_aws.athena.texts import athena_type
from local_aws.exports.permissions import caller_role
from local_aws.s3_objects import MissingObjectError, open_object

MOST_ROWS = 1_000
FIELD = re.compile(r'(?:"((?:[^"]|"")*)")?(,|\n)')

Row = list[str | None]


def query_results(query: Query, data: dict[str, Any]) -> dict[str, Any]:
    """A page of the result: of a SELECT the names of the columns are its first row. Raises RefusedError."""
    size = _page_size(data)
    _check_state(query)
    answer: dict[str, Any] = {"ResultSet": {"Rows": [], "ResultSetMetadata": {"ColumnInfo": _column_infos(query)}}}
    answer["UpdateCount"] = query.update_count or 0
    if query.statement.kind != SELECT:
        return answer
    rows, end = _page(query, _offset(data.get("NextToken")), size)
    answer["ResultSet"]["Rows"] = [{"Data": [_datum(value) for value in row]} for row in rows]
    # A full page has a token, also when nothing is left.
    if len(rows) == size:
        answer["NextToken"] = base64.b64encode(str(end).encode()).decode()
    return answer


def _page_size(data: dict[str, Any]) -> int:
    size = int(data.get("MaxResults") or MOST_ROWS)
    if size > MOST_ROWS:
        raise RefusedError(f"MaxResults is more than maximum allowed length {MOST_ROWS}")
    return size


def _check_state(query: Query) -> None:
    if query.state == SUCCEEDED:
        return
    if query.state == CANCELLED:
        raise RefusedError("Could not find results", "RESULT_NOT_FOUND")
    message = f"Query has not yet finished. Current state: {query.state}"
    if query.state == FAILED:
        message = "Query did not finish successfully. Final query state: FAILED"
    raise RefusedError(message, "INVALID_QUERY_EXECUTION_STATE")


def _offset(token: str | None) -> int:
    if token is None:
        return 0
    try:
        return int(base64.b64decode(token, validate=True))
    except (binascii.Error, ValueError) as error:
        raise RefusedError(f"Malformed nextPageToken {token}") from error


def _page(query: Query, offset: int, size: int) -> tuple[list[Row], int]:
    """So many rows from an offset of the object on, and the offset behind them."""
    bucket, key = query.output_location_parts
    QueryRights(caller_role()).check_result(bucket, key)
    try:
        with open_object(bucket, key) as file:
            file.seek(offset)
            rows: list[Row] = []
            for row, length in _rows(file):
                rows.append(row)
                offset += length
                if len(rows) == size:
                    break
            return rows, offset
    except MissingObjectError as error:
        raise RefusedError("Could not find results", "RESULT_NOT_FOUND") from error


def _rows(file: BinaryIO) -> Iterator[tuple[Row, int]]:
    """Rows with their length in bytes. What has no quotes is NULL."""
    text = b""
    for line in file:
        text += line
        if text.count(b'"') % 2 == 0:
            fields = FIELD.findall(text.decode())
            quoted = [found.group(0).startswith('"') for found in FIELD.finditer(text.decode())]
            values = [value.replace('""', '"') for value, _ in fields]
            yield [value if is_text else None for value, is_text in zip(values, quoted, strict=True)], len(text)
            text = b""


def _datum(value: str | None) -> dict[str, str]:
    return {} if value is None else {"VarCharValue": value}


def _column_infos(query: Query) -> list[dict[str, Any]]:
    return [_column_info(column) for column in query.columns]


def _column_info(column: ResultColumn) -> dict[str, Any]:
    kind = athena_type(column.kind)
    return {
        "CatalogName": "hive",
        "SchemaName": "",
        "TableName": "",
        "Name": column.name,
        "Label": column.name,
        "Type": kind.name,
        "Precision": kind.precision,
        "Scale": kind.scale,
        "Nullable": "UNKNOWN",
        "CaseSensitive": kind.is_case_sensitive,
    }

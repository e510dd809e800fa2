"""Why a query fails, named and numbered as by Athena."""

USER = 2
SYSTEM = 1


class QueryError(Exception):
    """The query ends as FAILED. `name` is Trino's, such as TABLE_NOT_FOUND; without one the reason is the message."""

    def __init__(self, message: str, name: str | None = None, *, kind: int = 1000, category: int = USER) -> None:
        super().__init__(message)
        self.reason = message if name is None else f"{name}: {message}"
        self.kind = kind
        self.category = category


class CancelledError(Exception):
    """The query ends as CANCELLED, for this reason."""


# The ErrorType of errors that Athena was seen to give.
KINDS = {
    "TABLE_NOT_FOUND": 1301,
    "SCHEMA_NOT_FOUND": 1301,
    "COLUMN_NOT_FOUND": 1006,
    "CATALOG_NOT_FOUND": 1006,
    "TYPE_MISMATCH": 1002,
    "FUNCTION_NOT_FOUND": 1303,
    "DIVISION_BY_ZERO": 1001,
    "INVALID_CAST_ARGUMENT": 1100,
    "NOT_SUPPORTED": 1200,
}


def user_error(name: str, message: str, position: str = "") -> QueryError:
    """An error of Trino's at this place (`line 1:8`) of the query, if it has one."""
    return QueryError(f"{position}: {message}" if position else message, name, kind=KINDS.get(name, 1000))


def denied(message: str) -> QueryError:
    """The caller's role lacks a right in Glue."""
    return QueryError(f"Insufficient permissions to execute the query. {message}", kind=1009)

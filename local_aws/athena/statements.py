"""Which kind of statement a query is, with its parameters in place."""

from dataclasses import dataclass
from typing import Any

from ministack.services import athena as service

from local_aws.athena.errors import user_error
from local_aws.athena.requests import RefusedError

SELECT = "SELECT"
UNLOAD = "UNLOAD"
QUERY_WORDS = ("select", "with", "values", "table")
STATEMENT_WORDS = (*QUERY_WORDS, "unload", "create", "drop", "alter", "msck", "show", "describe", "desc")
OTHER_WORDS = ("insert", "delete", "update", "merge", "explain", "execute", "prepare", "optimize", "vacuum", "use")
MALFORMED = "MALFORMED_QUERY"


@dataclass(frozen=True)
class Statement:
    """A statement as text, its kind, and what GetQueryExecution calls it."""

    text: str
    kind: str
    statement_type: str
    has_parameters: bool = False

    @property
    def suffix(self) -> str:
        """How the name of its result file ends."""
        return {SELECT: ".csv", UNLOAD: ""}.get(self.kind, ".txt")


def classify(text: str) -> Statement:
    """The statement of a query. Raises RefusedError for what Athena, or local AWS, does not run."""
    tokens = list(service._sql_tokens(text))
    if any(token[:2] == ("punct", ";") for token in tokens):
        raise RefusedError(f"Only one sql statement is allowed. Got: {text}", MALFORMED)
    words = [word for kind, word, _, _ in tokens if (kind, word) != ("punct", "(")]
    if not words or words[0] not in STATEMENT_WORDS + OTHER_WORDS:
        found = text[tokens[0][2] : tokens[0][3]] if tokens else "<EOF>"
        raise RefusedError(
            f"line 1:1: mismatched input '{found}'. Expecting: 'ALTER', 'CREATE', ... <query>", MALFORMED
        )
    has_parameters = any(token[:2] == ("punct", "?") for token in tokens)
    if words[0] in QUERY_WORDS:
        return Statement(text, SELECT, "DML", has_parameters)
    if words[0] == "unload":
        return Statement(text, UNLOAD, "DML", has_parameters)
    kind = _definition(words)
    if kind is None:
        raise RefusedError("Queries of this type are not supported", MALFORMED)
    return Statement(text, kind, "DDL")


def _definition(words: list[str]) -> str | None:
    """The kind of a statement that defines something, where local AWS runs it."""
    verb, thing = words[0], words[1] if len(words) > 1 else ""
    if thing in ("database", "schema") and verb in ("create", "drop"):
        return f"{verb.upper()}_DATABASE"
    if verb == "drop" and thing == "table":
        return "DROP_TABLE"
    if verb == "create" and thing == "table" and "select" not in words:
        raise RefusedError("External keyword required for table type HIVE", MALFORMED)
    if verb == "create" and thing == "external":
        return "CREATE_TABLE"
    if verb == "msck":
        return "MSCK_REPAIR"
    if verb == "alter" and "partition" in words and "add" in words:
        return "ALTER_TABLE_ADD_PARTITION"
    return None


def with_parameters(statement: Statement, values: list[str]) -> str:
    """The statement with its question marks replaced. Raises QueryError when the numbers differ."""
    marks = [token for token in service._sql_tokens(statement.text) if token[:2] == ("punct", "?")]
    if not marks:
        return statement.text
    if len(marks) != len(values):
        message = f"Incorrect number of parameters: expected {len(marks)} but found {len(values)}"
        raise user_error("INVALID_PARAMETER_USAGE", message, "line 1:1")
    text, end = "", 0
    for (_, _, start, after), value in zip(marks, values, strict=True):
        text += statement.text[end:start] + parameter(value)
        end = after
    return text + statement.text[end:]


def parameter(value: str) -> str:
    """A parameter as SQL: an expression without names, or else a text."""
    from sqlglot import exp, parse
    from sqlglot.errors import SqlglotError

    literal = "'" + value.replace("'", "''") + "'"
    try:
        parsed: list[Any] = parse(f"SELECT {value}", read="athena")
    except SqlglotError:
        return literal
    projections = parsed[0].selects if len(parsed) == 1 and isinstance(parsed[0], exp.Select) else []
    if len(projections) != 1 or projections[0].find(exp.Column, exp.Star) is not None:
        return literal
    text = projections[0].sql("athena", comments=False)
    return str(text) if isinstance(projections[0], exp.Literal) else f"({text})"

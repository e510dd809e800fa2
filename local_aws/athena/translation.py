"""From Athena's SQL to DuckDB's: names of tables, hidden columns, names of the result's columns."""

import logging
from dataclasses import dataclass, field
from typing import Any

from sqlglot import exp, parse
from sqlglot.errors import ParseError, SqlglotError
from sqlglot.optimizer.scope import Scope, traverse_scope

from local_aws.athena.engine import ANONYMOUS
from local_aws.athena.errors import user_error
from local_aws.athena.names import TableName, position_of
from local_aws.athena.requests import CATALOG, DEFAULT_DATABASE, RefusedError
from local_aws.athena.statements import MALFORMED

HIDDEN_COLUMNS = ("$path", "$file_size", "$file_modified_time")

# It warns of each construct that it passes on as it is.
logging.getLogger("sqlglot").setLevel(logging.CRITICAL)


@dataclass
class Translation:
    """A query for DuckDB, the tables it reads (as often as it does) and the hidden columns it uses."""

    sql: str
    tables: list[TableName] = field(default_factory=list)
    hidden: set[str] = field(default_factory=set)


def parse_query(text: str) -> Any:
    """The query's syntax tree. Raises RefusedError."""
    try:
        trees = parse(text, read="athena")
    except ParseError as error:
        raise RefusedError(_syntax_error(error), MALFORMED) from error
    except SqlglotError as error:
        raise RefusedError(f"line 1:1: {error}", MALFORMED) from error
    if len(trees) != 1 or not isinstance(trees[0], (exp.Query, exp.Values)):
        raise RefusedError("Queries of this type are not supported", MALFORMED)
    return trees[0]


def _syntax_error(error: ParseError) -> str:
    first = error.errors[0]
    found = first.get("highlight") or "<EOF>"
    column = max(1, (first.get("col") or 1) - len(found) + 1)
    return f"line {first.get('line') or 1}:{column}: mismatched input '{found}'"


def translate(text: str, database: str | None, catalog: str | None) -> Translation:
    """The query for DuckDB. Raises QueryError for a table outside of the data catalog."""
    tree = parse_query(text)
    translation = Translation("")
    known: dict[int, TableName] = {}
    for scope in traverse_scope(tree):
        for source in _base_tables(scope).values():
            if id(source) not in known:
                known[id(source)] = _table_name(source, database, catalog, text)
                translation.tables.append(known[id(source)])
    for scope in traverse_scope(tree):
        _rename_hidden(scope, known, translation.hidden)
    if translation.hidden:
        for scope in traverse_scope(tree):
            _leave_out_hidden(scope, known, translation.hidden)
    for node in tree.find_all(exp.Table):
        if id(node) in known:
            node.set("catalog", None)
            node.set("db", exp.to_identifier(known[id(node)].database, quoted=True))
    _name_columns(tree)
    _doubles(tree)
    translation.sql = _values(tree) if isinstance(tree, exp.Values) else tree.sql("duckdb")
    return translation


def _values(tree: exp.Values) -> str:
    """VALUES as a query of its own, with Athena's names of its columns."""
    width = len(tree.expressions[0].expressions)
    names = ", ".join(f"_col{number}" for number in range(width))
    return f"SELECT * FROM ({tree.sql('duckdb')}) AS v({names})"  # noqa: S608  (the query is the caller's)


def _base_tables(scope: Scope) -> dict[str, Any]:
    return {name: source for name, source in scope.sources.items() if isinstance(source, exp.Table)}


def _table_name(node: exp.Table, database: str | None, catalog: str | None, text: str) -> TableName:
    position = _position(node, text)
    if not isinstance(node.this, exp.Identifier):
        raise user_error("FUNCTION_NOT_FOUND", f"Table function '{node.sql()}' not registered", position)
    found = (node.catalog or catalog or CATALOG).lower()
    if found != CATALOG:
        raise user_error("CATALOG_NOT_FOUND", f"Catalog '{found}' does not exist", position)
    return TableName((node.db or database or DEFAULT_DATABASE).lower(), node.name.lower(), position)


def _position(node: exp.Expression, text: str) -> str:
    """Where the first of the node's names stands: `line 1:15`."""
    starts = [each.meta["start"] for each in node.find_all(exp.Identifier) if "start" in each.meta]
    return position_of(text, min(starts)) if starts else "line 1:1"


def _rename_hidden(scope: Scope, known: dict[int, TableName], used: set[str]) -> None:
    """Hidden columns of tables get the name that they have in DuckDB, and keep theirs in the result."""
    for column in scope.columns:
        source = _source_of(column, scope)
        if column.name in HIDDEN_COLUMNS and isinstance(source, exp.Table):
            used.add(column.name)
            renamed = column.copy()
            renamed.set("this", exp.to_identifier(known[id(source)].hidden(column.name), quoted=True))
            is_projection = isinstance(column.parent, exp.Select) and column.arg_key == "expressions"
            column.replace(exp.alias_(renamed, column.name, quoted=True) if is_projection else renamed)


def _source_of(column: exp.Column, scope: Scope) -> Any:
    """The table or subquery that a column is of; without a qualifier the only one that it can be of."""
    if column.table:
        return scope.sources.get(column.table)
    sources = [source for _, source in scope.selected_sources.values()]
    inner: list[Any] = [each.expression for each in sources if isinstance(each, Scope)]
    if any(column.name in each.named_selects for each in inner):
        return None
    return next((each for each in sources if isinstance(each, exp.Table)), None)


def _leave_out_hidden(scope: Scope, known: dict[int, TableName], used: set[str]) -> None:
    """A star stands for the columns that are not hidden."""
    if not isinstance(scope.expression, exp.Select):
        return
    tables = {name: known[id(table)] for name, table in _base_tables(scope).items()}
    for projection in scope.expression.selects:
        star = projection.this if isinstance(projection, exp.Column) else projection
        if isinstance(star, exp.Star):
            qualifier = projection.table if isinstance(projection, exp.Column) else None
            meant = [each for name, each in tables.items() if qualifier in (None, name)]
            names = [each.hidden(column) for each in dict.fromkeys(meant) for column in sorted(used)]
            if names:
                star.set("except_", [exp.to_identifier(name, quoted=True) for name in names])


def _name_columns(tree: Any) -> None:
    """Columns are called as in the query; those without a name are numbered when the result is there."""
    query = tree
    while isinstance(query, (exp.SetOperation, exp.Subquery)):
        query = query.this
    if not isinstance(query, exp.Select):
        return
    for projection in query.selects:
        is_star = isinstance(projection, exp.Star) or isinstance(projection.this, exp.Star)
        if isinstance(projection, exp.Alias) or (is_star and not isinstance(projection, exp.Count)):
            continue
        name = projection.name if isinstance(projection, (exp.Column, exp.Dot)) else ANONYMOUS
        projection.replace(exp.alias_(projection.copy(), name, quoted=True))


def _doubles(tree: Any) -> None:
    """A number with a point is a double in Athena, a decimal in DuckDB."""
    for literal in list(tree.find_all(exp.Literal)):
        if not literal.is_string and "." in literal.this and "e" not in literal.this.lower():
            literal.set("this", f"{literal.this}e0")

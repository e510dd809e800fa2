"""The input of an athena_map execution, read and checked: the query or the rows, and the action."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sluice.fields import Fields
from sluice.mapping.templates import CellTemplate
from sluice.reading.source import COMPRESSED_ENDINGS, bucket_name, object_key
from sluice.runs.destination import AllowedBuckets, Destination, read_destination
from sluice.runs.input import COPY_OBJECT, FUNCTION, TOLERANCE_FIELDS, ToleratedFailures, rejects_tolerated
from sluice.runs.paths import Run
from sluice.settings import QuerySettings

# Texts and quoted names stay as they are: a comment in them is not a comment of the query.
_PIECES = re.compile(r"('(?:[^']|'')*'|\"(?:[^\"]|\"\")*\")|--[^\n]*|/\*.*?\*/", re.S)
_FIRST_WORD = re.compile(r"[\s(]*([a-zA-Z]+)")
_UNLOADED = re.compile(
    r"\)\s*TO\s*'(?P<target>(?:[^']|'')*)'"
    r"\s*WITH\s*\((?P<options>[^()]*(?:\([^()]*\)[^()]*)*)\)[\s;]*\Z",
    re.I,
)
_FORMAT = re.compile(r"\bformat\s*=\s*'(\w+)'", re.I)
_S3_URI = re.compile(r"s3://([^/]*)/", re.I)
_ROWS = frozenset({"SELECT", "WITH", "VALUES", "TABLE"})


class QueryResultFormat(StrEnum):
    """The format of a query's rows in S3."""

    CSV = "csv"
    PARQUET = "parquet"
    JSON = "json"


def result_format(query: str) -> QueryResultFormat:
    """The format of the query's rows in S3. Raises ValueError for a statement whose rows cannot be read."""
    text = _without_comments(query)
    first = _FIRST_WORD.match(text)
    word = first[1].upper() if first else ""
    if word in _ROWS:
        return QueryResultFormat.CSV
    if word != "UNLOAD":
        raise ValueError(f"must be a SELECT, or an UNLOAD of one, not {word or 'empty'}")
    options = _UNLOADED.search(text)
    named = _FORMAT.search(options["options"]) if options else None
    reported = named[1].lower() if named else None
    if reported not in (QueryResultFormat.PARQUET, QueryResultFormat.JSON):
        raise ValueError(f"UNLOAD needs WITH (format = 'PARQUET') or 'JSON', not {reported or 'none'}")
    return QueryResultFormat(reported)


def unload_bucket(query: str) -> str | None:
    """The bucket that UNLOAD writes to; None for another statement, and for a target that is no s3:// URI."""
    options = _UNLOADED.search(_without_comments(query))
    target = _S3_URI.match(options["target"].replace("''", "'")) if options else None
    return target[1] if target else None


def _without_comments(query: str) -> str:
    return _PIECES.sub(lambda piece: piece[1] or " ", query)


SOURCE = "action.copyObject.source"

_SOURCE_FIELDS = ("uri", "bucket", "key")
# It travels in each child's input, beside the rows.
_ACTION_MAX_BYTES = 8192


@dataclass(frozen=True, slots=True)
class RowAction:
    """What is done with each row. `source`: the templates that name a row's object, for copyObject only.

    They are called `uri`, or `bucket` and `key`.
    """

    type: str
    function: str | None = None
    source: tuple[tuple[str, CellTemplate], ...] = ()
    destination: Destination | None = None

    @property
    def columns(self) -> dict[str, str]:
        """The columns that every row needs, and the field of the input that names each first."""
        fields: dict[str, str] = {}
        for name, template in self.source:
            for column in template.names:
                fields.setdefault(column, f"{SOURCE}.{name}")
        return fields

    def to_state(self) -> dict[str, Any]:
        """The action as the children get it."""
        return {
            "type": self.type,
            "function": self.function,
            "columns": list(self.columns),
            "source": {name: _pieces(template) for name, template in self.source} or None,
            "destination": self.destination and self.destination.to_state(),
        }


def read_action(fields: Fields, buckets: AllowedBuckets, functions: Sequence[str]) -> RowAction:
    """The input's `action`. Raises InvalidInputError naming the field."""
    given = fields.section("action", (COPY_OBJECT, FUNCTION))
    kinds = [kind for kind in (COPY_OBJECT, FUNCTION) if given.has(kind)]
    if len(kinds) != 1:
        raise fields.wrong("action", f"give one of {COPY_OBJECT} and {FUNCTION}")
    action = _function(given, functions) if kinds[0] == FUNCTION else _copy(given, buckets)
    if len(json.dumps(action.to_state(), ensure_ascii=False).encode()) > _ACTION_MAX_BYTES:
        raise fields.wrong("action", f"is too long: {_ACTION_MAX_BYTES:,} bytes travel with each batch at the most")
    return action


def _function(given: Fields, functions: Sequence[str]) -> RowAction:
    name = given.text(FUNCTION)
    if name not in functions:
        allowed = ", ".join(functions) or "there are none"
        raise given.wrong(FUNCTION, f"{name} is not among the stack's ProcessorFunctions: {allowed}")
    return RowAction(FUNCTION, function=name)


def _copy(given: Fields, buckets: AllowedBuckets) -> RowAction:
    copy = given.section(COPY_OBJECT, ("source", "destination"))
    return RowAction(COPY_OBJECT, source=_source(copy, buckets), destination=read_destination(copy, buckets))


def _source(copy: Fields, buckets: AllowedBuckets) -> tuple[tuple[str, CellTemplate], ...]:
    given = copy.section("source", _SOURCE_FIELDS)
    if given.has("uri") == (given.has("bucket") or given.has("key")):
        raise copy.wrong("source", "give either the uri, or bucket and key")
    names = ("uri",) if given.has("uri") else ("bucket", "key")
    source = tuple((name, _template(given, name)) for name in names)
    name, last = source[-1]
    if not last.names:
        raise given.wrong(name, 'must contain a column, such as "{path}": every row would copy the same object')
    name, first = source[0]
    if (bucket := _bucket_of_all_rows(name, first)) is not None:
        buckets.check_source(given, name, bucket)
    return source


def _bucket_of_all_rows(name: str, template: CellTemplate) -> str | None:
    """The bucket, unless a column is part of its name."""
    text = template.literals[0]
    if name == "uri":
        found = _S3_URI.match(text)
        return found[1] if found else None
    return None if template.names else text


def _template(given: Fields, name: str) -> CellTemplate:
    try:
        return CellTemplate.parse(given.text(name), lambda _: 0)
    except ValueError as error:
        raise given.wrong(name, str(error)) from error


def _pieces(template: CellTemplate) -> list[dict[str, str]]:
    """Literal texts and columns in their order, empty texts left out."""
    pieces: list[dict[str, str]] = []
    for literal, column in zip(template.literals, (*template.names, None), strict=True):
        pieces += [{"text": literal}] if literal else []
        pieces += [] if column is None else [{"column": column}]
    return pieces


# Athena takes 262,144 bytes; the query travels in a state, which has room for as many with all else in it.
QUERY_MAX_BYTES = 200_000
_PARAMETER_MAX_CHARACTERS = 1024

_FIELDS = (
    "query",
    "parameters",
    "workGroup",
    "database",
    "catalog",
    "rows",
    "action",
    "batchSize",
    "maxConcurrency",
    *TOLERANCE_FIELDS,
    "rejectsTolerated",
)
_QUERY_FIELDS = ("query", "parameters", "workGroup", "database", "catalog")


@dataclass(frozen=True, slots=True)
class RowsObject:
    """Rows that an earlier run has left, which replace those of a query."""

    bucket: str
    key: str


@dataclass(frozen=True, slots=True)
class Query:
    """A query, and where and how Athena runs it."""

    text: str
    format: QueryResultFormat
    parameters: tuple[str, ...]
    work_group: str
    database: str | None
    catalog: str | None

    def to_arguments(self, run: Run, data_bucket: str) -> dict[str, Any]:
        """What StartQueryExecution takes. The token is the run's: a repeated start finds the query of the first."""
        context = {"Database": self.database, "Catalog": self.catalog}
        arguments = {
            "QueryString": self.text,
            "ClientRequestToken": hashlib.sha256(run.execution_arn.encode()).hexdigest(),
            "WorkGroup": self.work_group,
            # A workgroup that enforces its own location ignores this one.
            "ResultConfiguration": {"OutputLocation": f"s3://{data_bucket}/{run.query_prefix}"},
            "QueryExecutionContext": {name: value for name, value in context.items() if value},
            "ExecutionParameters": list(self.parameters),
        }
        return {name: value for name, value in arguments.items() if value}


@dataclass(frozen=True, slots=True)
class MapInput:
    """The input, with either `query` or `rows`. `rejects_tolerated`: see `sluice.runs.input.rejects_tolerated`."""

    query: Query | None
    rows: RowsObject | None
    action: RowAction
    batch_size: int
    max_concurrency: int
    tolerated_failures: ToleratedFailures
    rejects_tolerated: dict[str, float] | None

    @classmethod
    def from_input(cls, raw: object, data_bucket: str, allowed: QuerySettings) -> MapInput:
        """Read the execution's input. Raises InvalidInputError naming the field."""
        fields = Fields(raw, _FIELDS)
        rows, buckets = _rows(fields), AllowedBuckets(data_bucket, allowed.source_buckets, allowed.output_buckets)
        return cls(
            query=None if rows else _query(fields, buckets, allowed),
            rows=rows,
            action=read_action(fields, buckets, allowed.functions),
            batch_size=fields.integer("batchSize", 100, low=1, high=500),
            max_concurrency=fields.integer("maxConcurrency", 50, low=1, high=10_000),
            tolerated_failures=ToleratedFailures.from_input(fields),
            rejects_tolerated=rejects_tolerated(fields),
        )


def _rows(fields: Fields) -> RowsObject | None:
    if not fields.has("rows"):
        return None
    for name in _QUERY_FIELDS:
        if fields.has(name):
            raise fields.wrong(name, "does not apply with rows, which replace the query")
    given = fields.section("rows", ("bucket", "key"))
    if object_key(given, "key").endswith(COMPRESSED_ENDINGS):
        raise given.wrong("key", "is compressed; give plain JSON Lines")
    return RowsObject(bucket_name(given, given.text("bucket")), given.text("key"))


def _query(fields: Fields, buckets: AllowedBuckets, allowed: QuerySettings) -> Query:
    text = fields.text("query")
    if len(text.encode()) > QUERY_MAX_BYTES:
        raise fields.wrong("query", f"must have at most {QUERY_MAX_BYTES:,} bytes")
    try:
        layout = result_format(text)
    except ValueError as error:
        raise fields.wrong("query", str(error)) from error
    if (bucket := unload_bucket(text)) is not None:
        buckets.check_output(fields, "query", bucket)
    return Query(
        text,
        layout,
        parameters=_parameters(fields),
        work_group=_work_group(fields, allowed),
        database=fields.text_or("database", None),
        catalog=fields.text_or("catalog", None),
    )


def _parameters(fields: Fields) -> tuple[str, ...]:
    parameters = fields.texts("parameters") if fields.has("parameters") else ()
    for position, each in enumerate(parameters):
        if not 1 <= len(each) <= _PARAMETER_MAX_CHARACTERS:
            limits = f"must have 1 to {_PARAMETER_MAX_CHARACTERS:,} characters"
            raise fields.wrong(f"parameters[{position}]", limits)
    return parameters


def _work_group(fields: Fields, allowed: QuerySettings) -> str:
    name = fields.text_or("workGroup", allowed.work_groups[0])
    if name not in allowed.work_groups:
        known = ", ".join(allowed.work_groups)
        raise fields.wrong("workGroup", f"{name} is not among the stack's AthenaWorkGroups: {known}")
    return name

"""The input of an athena_map execution, checked."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from sluice.fields import Fields
from sluice.querying.row_action import RowAction, read_action
from sluice.querying.statements import ResultFormat, result_format
from sluice.run import Run
from sluice.run_input import rejects_tolerated
from sluice.settings import QuerySettings

COMPRESSED = (".gz", ".zst", ".zstd")
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
    "toleratedFailurePercentage",
    "rejectsTolerated",
)
_QUERY_FIELDS = ("query", "parameters", "workGroup", "database", "catalog")


@dataclass(frozen=True, slots=True)
class RowsObject:
    """Rows that an earlier run has left, to be worked through in place of a query's."""

    bucket: str
    key: str


@dataclass(frozen=True, slots=True)
class Query:
    """A query as Athena is asked for it."""

    text: str
    format: ResultFormat
    parameters: tuple[str, ...]
    work_group: str
    database: str | None
    catalog: str | None

    def to_arguments(self, run: Run, data_bucket: str) -> dict[str, Any]:
        """What StartQueryExecution takes. The token is the run's own: a start that is tried again finds its query."""
        context = {"Database": self.database, "Catalog": self.catalog}
        arguments = {
            "QueryString": self.text,
            "ClientRequestToken": hashlib.sha256(run.execution_arn.encode()).hexdigest(),
            "WorkGroup": self.work_group,
            # A workgroup that enforces a place of its own takes no notice.
            "ResultConfiguration": {"OutputLocation": f"s3://{data_bucket}/{run.query_prefix}"},
            "QueryExecutionContext": {name: value for name, value in context.items() if value},
            "ExecutionParameters": list(self.parameters),
        }
        return {name: value for name, value in arguments.items() if value}


@dataclass(frozen=True, slots=True)
class MapInput:
    """Either `query` or `rows` is there. `rejects_tolerated`: as in `sluice.run_input.rejects_tolerated`."""

    query: Query | None
    rows: RowsObject | None
    action: RowAction
    batch_size: int
    max_concurrency: int
    tolerated_failure_percentage: float
    rejects_tolerated: dict[str, float] | None

    @classmethod
    def from_input(cls, raw: object, data_bucket: str, allowed: QuerySettings) -> MapInput:
        """Read the execution's input. Raises InvalidInputError naming the field."""
        fields = Fields(raw, _FIELDS)
        rows = _rows(fields)
        return cls(
            query=None if rows else _query(fields, allowed),
            rows=rows,
            action=read_action(fields, data_bucket, allowed.functions),
            batch_size=fields.integer("batchSize", 100, low=1, high=500),
            max_concurrency=fields.integer("maxConcurrency", 50, low=1, high=10_000),
            tolerated_failure_percentage=fields.number("toleratedFailurePercentage", 0, low=0, high=100),
            rejects_tolerated=rejects_tolerated(fields),
        )


def _rows(fields: Fields) -> RowsObject | None:
    if not fields.has("rows"):
        return None
    for name in _QUERY_FIELDS:
        if fields.has(name):
            raise fields.wrong(name, "means nothing with rows, which take the place of a query's")
    given = fields.section("rows", ("bucket", "key"))
    if given.text("key").endswith(COMPRESSED):
        raise given.wrong("key", "is compressed; give plain JSON Lines")
    return RowsObject(given.text("bucket"), given.text("key"))


def _query(fields: Fields, allowed: QuerySettings) -> Query:
    text = fields.text("query")
    if len(text.encode()) > QUERY_MAX_BYTES:
        raise fields.wrong("query", f"must have at most {QUERY_MAX_BYTES:,} bytes")
    try:
        layout = result_format(text)
    except ValueError as error:
        raise fields.wrong("query", str(error)) from error
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

"""StartQueryExecution and what is asked about queries."""

import threading
from collections.abc import Callable
from typing import Any

from ministack.core.responses import json_response, new_uuid
from ministack.services import athena as service

from local_aws.athena.permissions import QueryRights
from local_aws.athena.queries import Query
from local_aws.athena.query_results import query_results
from local_aws.athena.requests import PRIMARY, RefusedError, StartRequest, read_request
from local_aws.athena.statements import SELECT, UNLOAD, Statement, classify
from local_aws.athena.unload import parse_unload
from local_aws.exports.permissions import caller_role
from local_aws.faults import planned
from local_aws.replacements import replace, require
from local_aws.s3_objects import has_bucket

Response = tuple[int, dict[str, str], Any]
Operation = Callable[[dict[str, Any]], dict[str, Any]]

ENGINE = "Athena engine version 3"
MOST_LISTED = 50

# Requests come from the server's loop, and from the threads of executions.
_one_at_a_time = threading.Lock()


def install() -> None:
    """Replace the operations on queries."""
    require(service, "_executions", "_workgroups", "_sql_tokens", "_Cursor", "_parse_ddl", "_run_ddl", "_DropTable")
    for name, operation in OPERATIONS.items():
        replace(service, name, ("data",), _answering(name, operation))


def _answering(name: str, operation: Operation) -> Callable[[dict[str, Any]], Response]:
    """The operation as ministack calls it, with the faults that tests plan."""
    public = "".join(part.capitalize() for part in name.split("_"))

    def answer(data: dict[str, Any]) -> Response:
        fault = planned.take("fail", public)
        if fault is not None:
            return _error(fault["error"], f"{fault['error']}, as planned by a test")
        try:
            return json_response(operation(data))  # type: ignore[no-any-return]
        except RefusedError as error:
            return _error(error.code, error.message, error.athena_code)

    return answer


def _error(code: str, message: str, athena_code: str | None = None) -> Response:
    answer = {"__type": code, "Message": message, "message": message}
    if code == "InvalidRequestException" and athena_code is not None:
        answer |= {"AthenaErrorCode": athena_code, "ErrorCode": athena_code}
    return json_response(answer, 500 if code == "InternalServerException" else 400)  # type: ignore[no-any-return]


def start_query(data: dict[str, Any]) -> dict[str, Any]:
    """StartQueryExecution: starts a query, or names the one that the same token has started."""
    request = read_request(data)
    statement = classify(request.query)
    _check_syntax(statement)
    with _one_at_a_time:
        query = _started_before(request) or _start(request, statement)
    return {"QueryExecutionId": query.query_id}


def _start(request: StartRequest, statement: Statement) -> Query:
    rights = QueryRights(caller_role())
    bucket = request.output_location.removeprefix("s3://").partition("/")[0]
    rights.check_start(bucket, request.catalog)
    if not has_bucket(bucket):
        raise RefusedError(f"Unable to verify/create output bucket {bucket}")
    query = Query(new_uuid(), request, statement, rights)
    service._executions[query.query_id] = query
    query.start()
    return query


def _check_syntax(statement: Statement) -> None:
    """What reads SQL takes a third of a second to import, which no start of local AWS should."""
    from local_aws.athena.translation import parse_query

    if statement.kind == UNLOAD:
        parse_query(parse_unload(statement.text).query)
    elif statement.kind == SELECT:
        parse_query(statement.text)


def _started_before(request: StartRequest) -> Query | None:
    if request.token is None:
        return None
    for query in service._executions.values():
        if query.request.token == request.token:
            if query.request.compared != request.compared:
                raise RefusedError("Idempotent parameters do not match", "IDEMPOTENT_PARAMETER_MISMATCH")
            return query  # type: ignore[no-any-return]
    return None


def find_query(data: dict[str, Any]) -> Query:
    """The query that a request is about. Raises RefusedError."""
    query_id = data.get("QueryExecutionId")
    if query_id is None:
        message = "Value null at 'queryExecutionId' failed to satisfy constraint: Member must not be null"
        raise RefusedError(f"1 validation error detected: {message}")
    query: Query | None = service._executions.get(query_id)
    if query is None:
        raise RefusedError(f"QueryExecution {query_id} was not found", "QUERY_EXECUTION_NOT_FOUND")
    return query


def describe(query: Query) -> dict[str, Any]:
    """A query as GetQueryExecution shows it, with times in seconds since 1970."""
    shown: dict[str, Any] = {
        "QueryExecutionId": query.query_id,
        "Query": query.request.query,
        "StatementType": query.statement.statement_type,
        "SubstatementType": query.statement.kind,
        "ResultConfiguration": {"OutputLocation": query.output_location},
        "ResultReuseConfiguration": {"ResultReuseByAgeConfiguration": {"Enabled": False}},
        "QueryExecutionContext": _context(query.request),
        "Status": _status(query),
        "Statistics": _statistics(query),
        "WorkGroup": query.request.work_group,
        "EngineVersion": {"SelectedEngineVersion": "AUTO", "EffectiveEngineVersion": ENGINE},
    }
    if query.request.parameters:
        shown["ExecutionParameters"] = query.request.parameters
    return shown


def _context(request: StartRequest) -> dict[str, str]:
    context = {} if request.catalog is None else {"Catalog": request.catalog.lower()}
    return context | ({} if request.database is None else {"Database": request.database})


def _status(query: Query) -> dict[str, Any]:
    status: dict[str, Any] = {"State": query.state, "SubmissionDateTime": round(query.submitted, 3)}
    if query.completed is not None:
        status["CompletionDateTime"] = round(query.completed, 3)
    if query.reason is not None:
        status["StateChangeReason"] = query.reason
    if query.error is not None:
        status["AthenaError"] = {
            "ErrorCategory": query.error.category,
            "ErrorType": query.error.kind,
            "Retryable": False,
            "ErrorMessage": query.error.reason,
        }
    return status


def _statistics(query: Query) -> dict[str, Any]:
    if query.completed is None:
        return {}
    total = round((query.completed - query.submitted) * 1_000)
    statistics: dict[str, Any] = {
        "EngineExecutionTimeInMillis": total,
        "DataScannedInBytes": query.scanned_bytes,
        "TotalExecutionTimeInMillis": total,
        "QueryQueueTimeInMillis": 0,
        "ServiceProcessingTimeInMillis": 0,
        "ResultReuseInformation": {"ReusedPreviousResult": False},
    }
    return statistics | ({} if query.manifest is None else {"DataManifestLocation": query.manifest})


def _get_query(data: dict[str, Any]) -> dict[str, Any]:
    return {"QueryExecution": describe(find_query(data))}


def _stop_query(data: dict[str, Any]) -> dict[str, Any]:
    find_query(data).stop()
    return {}


def _get_results(data: dict[str, Any]) -> dict[str, Any]:
    return query_results(find_query(data), data)


def _list_queries(data: dict[str, Any]) -> dict[str, Any]:
    """The latest first."""
    group = data.get("WorkGroup") or PRIMARY
    with _one_at_a_time:
        queries = list(service._executions.values())
    ids = [query.query_id for query in reversed(queries) if query.request.work_group == group]
    start, size = int(data.get("NextToken") or 0), int(data.get("MaxResults") or MOST_LISTED)
    answer: dict[str, Any] = {"QueryExecutionIds": ids[start : start + size]}
    return answer | ({"NextToken": str(start + size)} if start + size < len(ids) else {})


def _get_queries(data: dict[str, Any]) -> dict[str, Any]:
    ids = data.get("QueryExecutionIds") or []
    known = [service._executions[each] for each in ids if each in service._executions]
    missing = [each for each in ids if each not in service._executions]
    error = {"ErrorCode": "QUERY_EXECUTION_NOT_FOUND", "ErrorMessage": "QueryExecution was not found"}
    return {
        "QueryExecutions": [describe(query) for query in known],
        "UnprocessedQueryExecutionIds": [{"QueryExecutionId": each, **error} for each in missing],
    }


OPERATIONS: dict[str, Operation] = {
    "_start_query_execution": start_query,
    "_get_query_execution": _get_query,
    "_stop_query_execution": _stop_query,
    "_get_query_results": _get_results,
    "_list_query_executions": _list_queries,
    "_batch_get_query_execution": _get_queries,
}

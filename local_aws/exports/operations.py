"""ExportTableToPointInTime, DescribeExport and ListExports."""

import secrets
from typing import Any

from ministack.core.responses import error_response_json, json_response, new_uuid
from ministack.services import dynamodb as service

from local_aws.dynamodb.request_faults import planned_failure
from local_aws.dynamodb.table_orders import one_at_a_time
from local_aws.exports.export import Export, Failure, Task, describe_start
from local_aws.exports.files import Place, Record
from local_aws.exports.images import ChangedItem, changed_items, items_as_of
from local_aws.exports.journal import DAY_MICROS, Journal, journal_of, now_micros
from local_aws.exports.permissions import caller_role
from local_aws.exports.requests import NEW_AND_OLD_IMAGES, ExportRequest, RefusedError, check_times, read_request
from local_aws.faults import planned
from local_aws.replacements import replace, require

Response = tuple[int, dict[str, str], Any]

TOKEN_MICROS = 8 * 3600 * 1_000_000
KEPT_MICROS = 90 * DAY_MICROS
MOST_LISTED = 25


def install() -> None:
    """Replace the three operations."""
    require(service, "_exports", "_tables", "_table_name_from_arn")
    replace(service, "_export_table_to_point_in_time", ("data",), export_table)
    replace(service, "_describe_export", ("data",), describe_export)
    replace(service, "_list_exports", ("data",), list_exports)


def export_table(data: dict[str, Any]) -> Response:
    """ExportTableToPointInTime: starts an export, or names the one that the same client token has started."""
    failure = planned_failure("ExportTableToPointInTime", [])
    if failure is not None:
        return failure
    try:
        with one_at_a_time:
            description = _started_before(data) or _start(data)
    except RefusedError as error:
        return _refused(error)
    return json_response({"ExportDescription": description})  # type: ignore[no-any-return]


def describe_export(data: dict[str, Any]) -> Response:
    """DescribeExport."""
    failure = planned_failure("DescribeExport", [])
    if failure is not None:
        return failure
    arn = data.get("ExportArn")
    if not arn:
        message = "1 validation error detected: Value null at 'exportArn' failed to satisfy constraint: "
        return _refused(RefusedError("ValidationException", f"{message}Member must not be null"))
    export = service._exports.get(arn)
    if export is None or export.task.started < now_micros() - KEPT_MICROS:
        return _refused(RefusedError("ExportNotFoundException", f"Export not found: {arn}"))
    export.settle()
    return json_response({"ExportDescription": export.description})  # type: ignore[no-any-return]


def list_exports(data: dict[str, Any]) -> Response:
    """ListExports, the latest first."""
    wanted = data.get("TableArn")
    exports = [each for each in service._exports.values() if wanted in (None, each.task.table_arn)]
    exports = [each for each in reversed(exports) if each.task.started >= now_micros() - KEPT_MICROS]
    start, size = int(data.get("NextToken") or 0), int(data.get("MaxResults") or MOST_LISTED)
    page = exports[start : start + size]
    for export in page:
        export.settle()
    names = ("ExportArn", "ExportStatus", "ExportType")
    answer: dict[str, Any] = {
        "ExportSummaries": [{name: export.description[name] for name in names} for export in page]
    }
    if start + size < len(exports):
        answer["NextToken"] = str(start + size)
    return json_response(answer)  # type: ignore[no-any-return]


def _refused(error: RefusedError) -> Response:
    return error_response_json(error.code, error.message, 400)  # type: ignore[no-any-return]


def _started_before(data: dict[str, Any]) -> dict[str, Any] | None:
    """The export that a request with the same client token has started in the last 8 hours."""
    token = data.get("ClientToken")
    if not token:
        return None
    for export in service._exports.values():
        is_same = export.description["ClientToken"] == token
        if is_same and export.task.started >= now_micros() - TOKEN_MICROS:
            if export.request != data:
                message = "There is an export with the same client token and different parameters"
                raise RefusedError("ExportConflictException", message)
            export.settle()
            return dict(export.description)
    return None


def _start(data: dict[str, Any]) -> dict[str, Any]:
    table = _table(data)
    now = now_micros()
    request = read_request(data, now)
    journal = journal_of(table)
    if journal is None:
        message = f"Point in time recovery is not enabled for table '{table['TableName']}'"
        raise RefusedError("PointInTimeRecoveryUnavailableException", message)
    check_times(request, journal.earliest(now), now)
    # Rounded up: what was acknowledged before the request belongs to a full export of now.
    started = -(-now // 1000) * 1000
    task = _task(table, request, started)
    records = _records(journal, request, started)
    description = describe_start(task, data.get("ClientToken") or new_uuid())
    export = service._exports[task.arn] = Export(task, description, data)
    export.start(records)
    return description


def _table(data: dict[str, Any]) -> dict[str, Any]:
    arn = data.get("TableArn")
    if not arn:
        message = "Value null at 'tableArn' failed to satisfy constraint: Member must not be null"
        raise RefusedError("ValidationException", f"1 validation error detected: {message}")
    table: dict[str, Any] | None = service._tables.get(service._table_name_from_arn(arn))
    if table is None:
        raise RefusedError("TableNotFoundException", f"Table not found: {arn}")
    return table


def _task(table: dict[str, Any], request: ExportRequest, started: int) -> Task:
    export_id = f"0{started // 1000}-{secrets.token_hex(4)}"
    fault = planned.take("export", table["TableName"]) or planned.take("export", "")
    return Task(
        arn=f"{table['TableArn']}/export/{export_id}",
        table_arn=table["TableArn"],
        table_id=table["TableId"],
        partition_key=table["pk_name"],
        request=request,
        place=Place(request.bucket, request.prefix, export_id, has_own_data=request.window is None),
        role_arn=caller_role(),
        started=started,
        due=started + round(planned.export_seconds * 1_000_000),
        planned_failure=None if fault is None else Failure(fault["code"], fault["message"]),
    )


def _records(journal: Journal, request: ExportRequest, started: int) -> list[Record]:
    if request.window is None:
        moment = request.moment or started
        journal.seal(moment)
        return [*items_as_of(journal, moment)]
    found = changed_items(journal, request.window.start, request.window.end)
    journal.seal(request.window.end)
    if request.window.view == NEW_AND_OLD_IMAGES:
        return [*found]
    return [ChangedItem(each.keys, each.write_micros, None, each.new) for each in found]

"""Point-in-time recovery, switched by UpdateContinuousBackups or a template; what may be restored or exported."""

from collections.abc import Callable
from typing import Any

from ministack.core.responses import error_response_json, json_response
from ministack.services import dynamodb as service
from ministack.services.cloudformation import provisioners

from local_aws.dynamodb.request_faults import planned_failure
from local_aws.dynamodb.table_orders import one_at_a_time
from local_aws.exports.journal import DAY_MICROS, drop_journal, journal_of, now_micros, start_journal
from local_aws.replacements import check, replace, require

Response = tuple[int, dict[str, str], Any]

TABLE = "AWS::DynamoDB::Table"
DEFAULT_PERIOD_DAYS = 35
# What is younger cannot be restored yet.
SETTLING_MICROS = 300 * 1_000_000

_original: dict[str, Callable[..., Any]] = {}


def install() -> None:
    """Replace both operations, and let templates switch point-in-time recovery."""
    require(service, "_pitr_settings", "_tables", "_normalize_table_name")
    replace(service, "_describe_continuous_backups", ("data",), describe)
    replace(service, "_update_continuous_backups", ("data",), update)
    require(provisioners, "_RESOURCE_HANDLERS")
    handlers = provisioners._RESOURCE_HANDLERS[TABLE]
    create = check(provisioners, "_ddb_create", ("logical_id", "props", "stack_name"))
    parameters = ("physical_id", "old_props", "new_props", "stack_name", "logical_id")
    change = check(provisioners, "_ddb_update", parameters)
    _original.update(create=create, update=change)
    provisioners._ddb_create = handlers["create"] = _create_from_template
    provisioners._ddb_update = handlers["update"] = _update_from_template


def describe(data: dict[str, Any]) -> Response:
    """DescribeContinuousBackups."""
    failure = planned_failure("DescribeContinuousBackups", [])
    return failure or _answer(data, None)


def update(data: dict[str, Any]) -> Response:
    """UpdateContinuousBackups."""
    wanted = data.get("PointInTimeRecoverySpecification") or {}
    period = wanted.get("RecoveryPeriodInDays")
    if period is not None and not 1 <= period <= DEFAULT_PERIOD_DAYS:
        message = (
            f"1 validation error detected: Value '{period}' at 'pointInTimeRecoverySpecification.recoveryPeriodInDays'"
        )
        bound = "greater than or equal to 1" if period < 1 else f"less than or equal to {DEFAULT_PERIOD_DAYS}"
        return _refused(
            "ValidationException", f"{message} failed to satisfy constraint: Member must have value {bound}"
        )
    return _answer(data, wanted)


def _answer(data: dict[str, Any], wanted: dict[str, Any] | None) -> Response:
    name = service._normalize_table_name(data.get("TableName"))
    with one_at_a_time:
        table = service._tables.get(name)
        if table is None:
            return _refused("TableNotFoundException", f"Table not found: {name}")
        if wanted is not None:
            _switch(name, table, wanted)
        recovery = _description(table)
    description = {"ContinuousBackupsStatus": "ENABLED", "PointInTimeRecoveryDescription": recovery}
    return json_response({"ContinuousBackupsDescription": description})  # type: ignore[no-any-return]


def _refused(code: str, message: str) -> Response:
    return error_response_json(code, message, 400)  # type: ignore[no-any-return]


def _switch(name: str, table: dict[str, Any], wanted: dict[str, Any]) -> None:
    is_enabled = str(wanted.get("PointInTimeRecoveryEnabled")).lower() == "true"
    service._pitr_settings[name] = is_enabled
    if is_enabled:
        start_journal(table, int(wanted.get("RecoveryPeriodInDays") or DEFAULT_PERIOD_DAYS))
    else:
        drop_journal(table)


def _description(table: dict[str, Any]) -> dict[str, Any]:
    journal = journal_of(table)
    if journal is None:
        return {"PointInTimeRecoveryStatus": "DISABLED"}
    now = now_micros()
    earliest = journal.earliest(now)
    return {
        "PointInTimeRecoveryStatus": "ENABLED",
        "RecoveryPeriodInDays": journal.period_micros // DAY_MICROS,
        "EarliestRestorableDateTime": _seconds(earliest),
        "LatestRestorableDateTime": _seconds(max(earliest, now - SETTLING_MICROS)),
    }


def _seconds(micros: int) -> float:
    """AWS reports milliseconds; they are rounded up, so that the table is known as of the time reported."""
    return -(-micros // 1000) / 1000


def _create_from_template(logical_id: str, props: dict[str, Any], stack_name: str) -> Any:
    name, attributes = _original["create"](logical_id, props, stack_name)
    _apply_settings(name, props)
    return name, attributes


def _update_from_template(
    physical_id: str,
    old_props: dict[str, Any],
    new_props: dict[str, Any],
    stack_name: str,
    logical_id: str | None = None,
) -> Any:
    name, attributes = _original["update"](physical_id, old_props, new_props, stack_name, logical_id)
    if old_props.get("PointInTimeRecoverySpecification") != new_props.get("PointInTimeRecoverySpecification"):
        _apply_settings(name, new_props)
    return name, attributes


def _apply_settings(name: str, props: dict[str, Any]) -> None:
    with one_at_a_time:
        _switch(name, service._tables[name], props.get("PointInTimeRecoverySpecification") or {})

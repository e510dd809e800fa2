"""What CreateSchedule and UpdateSchedule refuse."""

import json
from datetime import UTC, datetime
from typing import Any

from ministack.core.responses import get_account_id, get_region

from local_aws.role_permissions import is_enforced
from local_aws.role_trust import trusts
from local_aws.scheduler.expressions import InvalidExpressionError, occurrences
from local_aws.scheduler.invocations import TargetError
from local_aws.scheduler.targets import UNIVERSAL, is_state_machine, service_and_operation

PRINCIPAL = "scheduler.amazonaws.com"
LIMITS = (
    ("FlexibleTimeWindow", "MaximumWindowInMinutes", 1, 1_440),
    ("RetryPolicy", "MaximumRetryAttempts", 0, 185),
    ("RetryPolicy", "MaximumEventAgeInSeconds", 60, 86_400),
)


def refusal(body: dict[str, Any]) -> str | None:
    """Why there can be no such schedule, or None; what is missing altogether is left to ministack."""
    target = body.get("Target") or {}
    window = body.get("FlexibleTimeWindow") or {}
    return (
        _expression_refusal(body)
        or _limit_refusal({"FlexibleTimeWindow": window, "RetryPolicy": target.get("RetryPolicy") or {}})
        or _window_refusal(window)
        or (_target_refusal(target, str(body.get("GroupName") or "default")) if target.get("Arn") else None)
    )


def _expression_refusal(body: dict[str, Any]) -> str | None:
    zone = body.get("ScheduleExpressionTimezone") or "UTC"
    try:
        occurrences(body.get("ScheduleExpression") or "", zone, datetime.now(UTC).timestamp())
    except InvalidExpressionError as error:
        return str(error) if body.get("ScheduleExpression") else None
    return None


def _limit_refusal(settings: dict[str, dict[str, Any]]) -> str | None:
    for holder, name, least, most in LIMITS:
        value = settings[holder].get(name)
        if value is not None and not least <= value <= most:
            member = f"{name[0].lower()}{name[1:]}"
            rule = f"Member must have value {f'greater than or equal to {least}' if value < least else _at_most(most)}"
            return f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: {rule}"
    return None


def _at_most(most: int) -> str:
    return f"less than or equal to {most}"


def _window_refusal(window: dict[str, Any]) -> str | None:
    if not window:
        return None
    is_flexible = window.get("Mode") == "FLEXIBLE"
    if window.get("Mode") not in ("OFF", "FLEXIBLE"):
        return "Invalid FlexibleTimeWindow: Mode must be OFF or FLEXIBLE."
    if is_flexible != ("MaximumWindowInMinutes" in window):
        return "Invalid FlexibleTimeWindow: MaximumWindowInMinutes goes with FLEXIBLE, and with it alone."
    return None


def _target_refusal(target: dict[str, Any], group: str) -> str | None:
    arn = target["Arn"]
    if arn.startswith(UNIVERSAL):
        try:
            service_and_operation(arn)
        except TargetError as error:
            return str(error)
    elif is_state_machine(arn) and target.get("Input"):
        try:
            json.loads(target["Input"])
        except ValueError:
            return f"Invalid Input for target {arn}: it must be well-formed JSON."
    if is_enforced() and not _may_assume(target.get("RoleArn") or "", group):
        return "The execution role you provide must allow AWS EventBridge Scheduler to assume the role."
    return None


def _may_assume(role_arn: str, group: str) -> bool:
    """Whether the role's trust policy lets the service in, for schedules of this account and group."""
    source = f"arn:aws:scheduler:{get_region()}:{get_account_id()}:schedule-group/{group}"
    return trusts(role_arn, PRINCIPAL, {"aws:sourceaccount": get_account_id(), "aws:sourcearn": source})

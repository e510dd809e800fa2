"""Installs this package instead of ministack's scheduler."""

from collections.abc import Callable
from typing import Any

from ministack.services import eventbridge
from ministack.services import scheduler as service

from local_aws.replacements import check, replace, require
from local_aws.scheduler import stack_resources
from local_aws.scheduler.checks import refusal
from local_aws.scheduler.ticks import tick

TICK_SECONDS = 0.25

Operation = Callable[[str, dict[str, Any]], tuple[int, dict[str, str], bytes]]


def install() -> None:
    """Replace the sweep over the schedules, and check those that are created or changed."""
    require(service, "_SCHEDULE_TICK_INTERVAL", "_error", "_schedules", "_tags", "logger")
    check(eventbridge, "_parse_rate_seconds", ("expr",))
    check(eventbridge, "_parse_cron_fields", ("expr",))
    check(eventbridge, "_cron_next_fire", ("fields", "after_dt"))
    check(eventbridge, "_invoke_target", ("target", "event", "rule", "view"))
    service._SCHEDULE_TICK_INTERVAL = TICK_SECONDS
    replace(service, "_tick_schedules", (), tick)
    for name in ("_create_schedule", "_update_schedule"):
        replace(service, name, ("name", "body"), _checked(check(service, name, ("name", "body"))))
    stack_resources.install()


def _checked(operation: Operation) -> Operation:
    def run(name: str, body: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        message = refusal(body)
        if message is not None:
            return service._error(400, "ValidationException", message)  # type: ignore[no-any-return]
        return operation(name, body)

    return run

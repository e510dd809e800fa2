"""The sweep over all schedules: what is due is delivered, what failed is tried again."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ministack.core.responses import get_account_id, get_region, set_request_account_id, set_request_region
from ministack.services import scheduler as service

from local_aws.scheduler.expressions import Occurrences, occurrences
from local_aws.scheduler.invocations import Exhausted, Invocation, ScheduleKey, TargetError
from local_aws.scheduler.targets import deliver, send_dead_letter

Schedule = dict[str, Any]

TIMING = ("Arn", "CreationDate", "ScheduleExpression", "ScheduleExpressionTimezone", "StartDate", "EndDate")
A_MOMENT_SECONDS = 0.001


@dataclass
class Watched:
    """A schedule's times, and up to when they have been looked at."""

    timing: tuple[Any, ...]
    times: Occurrences
    looked_until: float


_watched: dict[ScheduleKey, Watched] = {}
_pending: list[Invocation] = []


def tick() -> None:
    """Deliver what is due by the clock as it stands; after a jump of the clock, once for all that was missed."""
    now = time.time()
    schedules: dict[ScheduleKey, Schedule] = dict(service._schedules._data)
    for key in _watched.keys() - schedules.keys():
        del _watched[key]
    for key, schedule in schedules.items():
        scheduled_at = _due(key, schedule, now)
        if scheduled_at is not None:
            _pending.append(Invocation(key, dict(schedule), scheduled_at, due_at=now))
    for invocation in [each for each in _pending if each.due_at <= now]:
        with _request_at(invocation.key):
            if invocation.key not in schedules or _is_ended(invocation, now):
                _pending.remove(invocation)


def resume(looked_until: dict[ScheduleKey, float]) -> None:
    """Go on from the times up to which an earlier server looked; what was missed since is delivered once."""
    schedules: dict[ScheduleKey, Schedule] = service._schedules._data
    for key in looked_until.keys() & schedules.keys():
        _watch(key, schedules[key]).looked_until = looked_until[key]


def _due(key: ScheduleKey, schedule: Schedule, now: float) -> float | None:
    watched = _watch(key, schedule)
    after, until = watched.looked_until, now
    watched.looked_until = now
    if schedule["State"] != "ENABLED":
        return None
    if watched.times.is_recurring:
        after = max(after, _seconds(schedule.get("StartDate"), default=after) - A_MOMENT_SECONDS)
        until = min(until, _seconds(schedule.get("EndDate"), default=until))
    found = watched.times.latest(after, until)
    if until < now:
        _complete(key, schedule)
    return found


def _watch(key: ScheduleKey, schedule: Schedule) -> Watched:
    """A schedule that is new, or whose times were changed, is looked at from that moment on."""
    timing = tuple(schedule.get(name) for name in TIMING)
    watched = _watched.get(key)
    if watched is None or watched.timing != timing:
        changed_at = float(schedule["LastModificationDate"])
        times = occurrences(
            schedule["ScheduleExpression"],
            schedule["ScheduleExpressionTimezone"],
            first=_seconds(schedule.get("StartDate"), default=changed_at),
        )
        looked_until = changed_at - A_MOMENT_SECONDS if times.is_recurring else float("-inf")
        watched = _watched[key] = Watched(timing, times, looked_until)
    return watched


def _is_ended(invocation: Invocation, now: float) -> bool:
    """Make an attempt, if there may be one; false when there is to be another one."""
    exhausted = invocation.exhausted(now)
    if exhausted is None and not _is_delivered(invocation, now):
        exhausted = invocation.exhausted(now)
        if exhausted is None:
            return False
    if exhausted is not None:
        _give_up(invocation, exhausted)
    if not _watched[invocation.key].times.is_recurring:
        _complete(invocation.key, invocation.schedule)
    return True


def _is_delivered(invocation: Invocation, now: float) -> bool:
    invocation.begin_attempt()
    try:
        deliver(invocation)
    except TargetError as error:
        invocation.fail(error, now)
        service.logger.warning("%s: %s %s", invocation.schedule["Arn"], error.code, error)
        return False
    return True


def _give_up(invocation: Invocation, exhausted: Exhausted) -> None:
    error = invocation.error
    assert error is not None
    queue_arn = (invocation.target.get("DeadLetterConfig") or {}).get("Arn")
    arn = invocation.schedule["Arn"]
    service.logger.warning("%s was not delivered: %s", arn, exhausted.value)
    if queue_arn:
        try:
            send_dead_letter(invocation, queue_arn, error, exhausted)
        except TargetError as failure:
            service.logger.warning("%s: the dead-letter queue refused: %s %s", arn, failure.code, failure)


def _complete(key: ScheduleKey, schedule: Schedule) -> None:
    if schedule.get("ActionAfterCompletion") == "DELETE":
        service._schedules._data.pop(key, None)
        service._tags.pop(schedule["Arn"], None)


@contextmanager
def _request_at(key: ScheduleKey) -> Iterator[None]:
    """Calls are made in the schedule's own account and region."""
    account_id, region = get_account_id(), get_region()
    set_request_account_id(key[0])
    set_request_region(key[1])
    try:
        yield
    finally:
        set_request_account_id(account_id)
        set_request_region(region)


def _seconds(value: Any, default: float) -> float:
    """A date as the API has it, a number, or as a stack has it, a text."""
    if value is None:
        return default
    if isinstance(value, int | float):
        return float(value)
    return datetime.fromisoformat(str(value).replace("Z", "+00:00")).timestamp()

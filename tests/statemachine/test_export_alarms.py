"""The alarms on a table's exports: they call somebody when they should, and only then."""

from __future__ import annotations

from typing import Any

import pytest

from tests.statemachine.alarms import ALARM, INSUFFICIENT_DATA, OK, Alarm, alarm_properties
from tests.statemachine.definitions import resources, template

MINUTE, HOUR = 60, 3600
# A run starts every hour, within five minutes, and reports the lag before and after its export.
BEFORE, AFTER = 65 * MINUTE, 15 * MINUTE


def late_alarm() -> Alarm:
    return Alarm(alarm_properties("ExportIsLateFor"))


def pass_time(alarm: Alarm, since: float, until: float) -> None:
    """It is evaluated every minute."""
    for minute in range(int(since // MINUTE), int(until // MINUTE)):
        alarm.evaluate(minute * MINUTE)


def run_hourly(alarm: Alarm, since: float, hours: int) -> float:
    """Runs that are on time; the end of the last hour."""
    for hour in range(hours):
        start = since + hour * HOUR + (hour * 7 % 5) * MINUTE
        pass_time(alarm, since + hour * HOUR, start)
        alarm.put(start, BEFORE)
        alarm.put(start + 10 * MINUTE, AFTER)
        pass_time(alarm, start, since + (hour + 1) * HOUR)
    return since + hours * HOUR


def test_nobody_is_called_before_the_first_export_is_complete() -> None:
    """No run, runs that fail, and a first export that takes days report no lag."""
    alarm = late_alarm()
    pass_time(alarm, 0, 72 * HOUR)
    assert (alarm.state, alarm.reported) == (INSUFFICIENT_DATA, [])


def test_first_export_of_many_hours_is_followed_by_ok() -> None:
    alarm = late_alarm()
    pass_time(alarm, 0, 20 * HOUR)
    alarm.put(20 * HOUR, AFTER)
    run_hourly(alarm, 20 * HOUR, 5)
    assert (alarm.state, alarm.reported) == (OK, [])


def test_healthy_schedule_calls_nobody() -> None:
    alarm = late_alarm()
    run_hourly(alarm, 0, 200)
    assert (alarm.state, alarm.reported) == (OK, [])


def test_exports_that_keep_failing_are_late() -> None:
    alarm = late_alarm()
    end = run_hourly(alarm, 0, 10)
    for hour in range(6):
        alarm.put(end + hour * HOUR, BEFORE + hour * HOUR)
        pass_time(alarm, end + hour * HOUR, end + (hour + 1) * HOUR)
    assert (alarm.state, alarm.reported) == (ALARM, [ALARM])
    run_hourly(alarm, end + 6 * HOUR, 2)
    assert alarm.state == OK


@pytest.mark.parametrize("hours", [1, 2, 50])
def test_schedule_that_dies_is_reported_within_a_few_intervals(hours: int) -> None:
    alarm = late_alarm()
    end = run_hourly(alarm, 0, hours)
    pass_time(alarm, end, end + 5 * HOUR)
    assert alarm.reported == [INSUFFICIENT_DATA]
    pass_time(alarm, end + 5 * HOUR, end + 100 * HOUR)
    assert alarm.reported == [INSUFFICIENT_DATA]
    run_hourly(alarm, end + 100 * HOUR, 3)
    assert alarm.state == OK


def test_schedule_that_dies_while_exports_are_late_is_reported_too() -> None:
    alarm = late_alarm()
    for hour in range(6):
        alarm.put(hour * HOUR, 3 * HOUR + hour * HOUR)
        pass_time(alarm, hour * HOUR, (hour + 1) * HOUR)
    pass_time(alarm, 6 * HOUR, 20 * HOUR)
    assert alarm.reported == [ALARM, INSUFFICIENT_DATA]


def test_catching_up_ends_the_alarm() -> None:
    """After three days without a run, one run exports window after window and reports its lag each time."""
    alarm = late_alarm()
    end = run_hourly(alarm, 0, 10)
    pass_time(alarm, end, end + 72 * HOUR)
    back = end + 72 * HOUR
    for window, lag in enumerate([73 * HOUR, 49 * HOUR, 25 * HOUR, 2 * HOUR, AFTER]):
        alarm.put(back + window * 12 * MINUTE, lag)
        pass_time(alarm, back + window * 12 * MINUTE, back + (window + 1) * 12 * MINUTE)
    run_hourly(alarm, back + HOUR, 5)
    assert alarm.reported[0] == INSUFFICIENT_DATA
    assert alarm.state == OK


def test_copy_is_late_until_a_run_says_otherwise() -> None:
    alarm = Alarm(alarm_properties("ProcessIsLateFor"))
    pass_time(alarm, 0, 30 * HOUR)
    assert (alarm.state, alarm.reported) == (INSUFFICIENT_DATA, [])
    for hour in range(8):
        start = (30 + hour) * HOUR
        alarm.put(start, max(0, hour - 2) * HOUR)
        pass_time(alarm, start, start + HOUR)
    assert alarm.reported == [ALARM]
    pass_time(alarm, 38 * HOUR, 80 * HOUR)
    assert alarm.state == ALARM
    for hour in range(80, 83):
        alarm.put(hour * HOUR, 0)
        pass_time(alarm, hour * HOUR, (hour + 1) * HOUR)
    assert (alarm.state, alarm.reported) == (OK, [ALARM])


@pytest.mark.parametrize("name", ["ExportFailedAlarm", "ExportProcessFailedAlarm"])
def test_failed_execution_is_reported_at_once(name: str) -> None:
    alarm = Alarm(alarm_properties(name))
    pass_time(alarm, 0, HOUR)
    alarm.put(HOUR, 1)
    pass_time(alarm, HOUR, 2 * HOUR)
    assert (alarm.state, alarm.reported) == (OK, [ALARM])


def test_alarms_on_schedules_are_created_with_the_schedules() -> None:
    conditions: dict[str, Any] = template()["Conditions"]
    assert resources()["ExportNotStartedAlarm"]["Condition"] == "HasExportTables"
    assert resources()["ExportProcessFailedAlarm"]["Condition"] == "ProcessesExports"
    assert {"Condition": "HasExportTables"} in conditions["ProcessesExports"]["Fn::And"]
    _, _, of_table = template()["Resources"]["Fn::ForEach::EachExportedTable"]
    assert {name.partition("&")[0]: each["Condition"] for name, each in of_table.items()} == {
        "ExportScheduleFor": "HasExportTables",
        "ExportIsLateFor": "HasExportTables",
        "ExportHasGapFor": "HasExportTables",
        "ProcessIsLateFor": "ProcessesExports",
    }

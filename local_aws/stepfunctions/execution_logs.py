"""The logs of Standard executions in CloudWatch Logs, as the state machine's logging configuration asks for them."""

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from ministack.core.responses import new_uuid
from ministack.services import cloudwatch_logs
from ministack.services import stepfunctions as service

from local_aws.stepfunctions.scope import Record, Run, compact_json

# What each level logs: https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html
FATAL = frozenset({"ExecutionAborted", "ExecutionFailed", "ExecutionTimedOut"})
ERROR_ENDINGS = ("Aborted", "Failed", "TimedOut")
FAIL_STATE = "FailStateEntered"
# Left out of the details unless the configuration includes execution data.
EXECUTION_DATA = frozenset({"input", "output", "parameters"})


def write(run: Run) -> None:
    """Write the events of an execution that has ended."""
    machine = service._state_machines.get(run.record["stateMachineArn"])
    configuration = machine.get("loggingConfiguration", {}) if machine else {}
    level = configuration.get("level", "OFF")
    events = [each for each in run.record.get("events", ()) if is_logged(each["type"], level)]
    if machine is None or not events:
        return
    is_full = bool(configuration.get("includeExecutionData"))
    now = int(time.time() * 1000)
    lines = [_line(event, run.record, is_full=is_full) for event in events]
    logged = [{**each, "ingestionTime": now} for each in lines]
    for group in _groups(configuration.get("destinations", ())):
        _append(group, f"states/{machine['name']}/{datetime.now(UTC):%Y-%m-%d-%H-%M}/{new_uuid()[:8]}", logged)


def is_logged(kind: str, level: str) -> bool:
    """Whether a level logs events of this type."""
    if level == "ERROR":
        return kind.endswith(ERROR_ENDINGS) or kind == FAIL_STATE
    return level == "ALL" or (level == "FATAL" and kind in FATAL)


def _line(event: Record, record: Record, *, is_full: bool) -> Record:
    """The event as a log event: its time in milliseconds, its text."""
    milliseconds = int(datetime.fromisoformat(event["timestamp"]).timestamp() * 1000)
    details: Record = next((each for name, each in event.items() if name.endswith("EventDetails")), {})
    shown = {name: each for name, each in details.items() if is_full or name not in EXECUTION_DATA}
    content: dict[str, Any] = {
        "id": str(event["id"]),
        "type": event["type"],
        "details": shown,
        "redrive_count": str(record.get("redriveCount", 0)),
        "previous_event_id": str(event.get("previousEventId", 0)),
        "event_timestamp": str(milliseconds),
        "execution_arn": record["executionArn"],
    }
    return {"timestamp": milliseconds, "message": compact_json(content)}


def _groups(destinations: Iterable[Record]) -> list[Record]:
    arns = [each.get("cloudWatchLogsLogGroup", {}).get("logGroupArn", "") for each in destinations]
    names = [arn.removesuffix(":*").split(":log-group:")[-1] for arn in arns]
    return [cloudwatch_logs._log_groups[name] for name in names if name in cloudwatch_logs._log_groups]


def _append(group: Record, stream_name: str, events: list[Record]) -> None:
    stream = {
        "events": [],
        "uploadSequenceToken": "1",
        "creationTime": events[0]["ingestionTime"],
        "firstEventTimestamp": None,
        "lastEventTimestamp": None,
        "lastIngestionTime": None,
    }
    group["streams"][stream_name] = stream
    cloudwatch_logs._append_log_events(stream, events)

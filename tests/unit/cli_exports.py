"""Tables, their ledger and the runs in it, as table_export writes them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from boto3.dynamodb.types import TypeSerializer
from moto import mock_aws

from sluice.workflows.table_export.input import ExportInput
from sluice.workflows.table_export.ledger import ExportType, LedgerState, ScheduledExport, Window, iso
from sluice_cli.export_advice import Seen
from sluice_cli.export_ledger import Recovery
from sluice_cli.export_processing import Processing, QueuedWindow
from sluice_cli.export_schedule import INTERVAL_MINUTES, STATE, TABLES, Schedule
from sluice_cli.export_state import CurrentExport, Lease, PastRun, TableState
from tests.statemachine.definitions import resources
from tests.unit.cli_aws import STATES, StubbedAws, Terminal, stubbed_aws

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

HOUR = timedelta(hours=1)
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
WATERMARK = NOW - HOUR
OWNER = f"{STATES}:execution:sluice-table_export:8f2e_0"
EXPORT = "arn:aws:dynamodb:eu-west-1:111122223333:table/airports/export/01795262400000-aabbccdd"
REQUEST = ExportInput.from_input({"table": "airports"}, "data")
RECOVERY = Recovery(NOW - 35 * 24 * HOUR, timedelta(days=35))
PARAMETERS = {TABLES: "airports,flights", INTERVAL_MINUTES: "60", STATE: "ENABLED"}
HOURLY = Schedule(HOUR, is_enabled=True)


def ledger_table() -> dict[str, Any]:
    """CreateTable's parameters, as the template has them."""
    properties = resources()["ExportLedgerTable"]["Properties"]
    names = ("AttributeDefinitions", "KeySchema", "BillingMode")
    return {"TableName": "ledger", **{name: properties[name] for name in names}}


def window(since: datetime | None, until: datetime) -> Window:
    return Window(ExportType.INCREMENTAL if since else ExportType.FULL, since, until)


def begun(
    since: datetime | None = WATERMARK, until: datetime = NOW, attempt: int = 0, arn: str | None = None
) -> ScheduledExport:
    """An export of the window that was begun a minute ago."""
    started = NOW - timedelta(minutes=1)
    return ScheduledExport(
        window(since, until), attempt, REQUEST.bucket, REQUEST.prefix, REQUEST.view_type, started, arn=arn
    )


def run_item(export: ScheduledExport, status: str, **more: Any) -> dict[str, Any]:
    """A run's item in plain values."""
    state = export.to_state()
    kept = {name: state[name] for name in ("type", "from", "to", "bucket") if state[name] is not None}
    return {
        "table": "airports",
        "entry": export.run_entry,
        "status": status,
        "exportArn": EXPORT,
        "executionArn": OWNER,
        **kept,
        **more,
    }


def completed(since: datetime | None, until: datetime, **more: Any) -> PastRun:
    return PastRun.from_item(run_item(begun(since, until), "COMPLETED", **more))


def failed(attempt: int = 0, ended: datetime = NOW, **more: Any) -> PastRun:
    """An attempt at the window after the watermark."""
    return PastRun.from_item(run_item(begun(attempt=attempt), "FAILED", endTime=iso(ended), **more))


def gap(since: datetime, until: datetime) -> PastRun:
    return PastRun.from_item(
        {
            "table": "airports",
            "entry": f"RUN#{iso(since)}#PITR_GAP#0",
            "status": "PITR_GAP",
            "from": iso(since),
            "to": iso(until),
            "executionArn": OWNER,
        }
    )


def current(export: ScheduledExport) -> CurrentExport:
    return CurrentExport.from_item({name: value for name, value in export.to_state().items() if value is not None})


def lease(expires: timedelta = HOUR) -> Lease:
    return Lease(OWNER, NOW + expires)


def seen(
    *runs: PastRun,
    recovery: Recovery | None = RECOVERY,
    owner: str | None = None,
    schedule: Schedule | None = HOURLY,
    now: datetime = NOW,
    processing: Processing | None = None,
    **state: Any,
) -> Seen:
    """The table airports, exported up to the watermark by default."""
    known = TableState(**{"table": "airports", "status": "COMPLETED", "watermark": WATERMARK, **state})
    return Seen(known, runs, recovery, owner, schedule, now, processing)


PROCESS = f"{STATES}:execution:sluice-export_process:airports-01795262400000-aabbccdd"


def window_item(number: int, export: ScheduledExport, status: str, **more: Any) -> dict[str, Any]:
    """A window's item in plain values."""
    state = export.to_state()
    kept = {name: state[name] for name in ("type", "from", "to") if state[name] is not None}
    return {
        "table": "airports",
        "entry": f"PROCESS#{number:012d}",
        "run": export.run_entry,
        "exportArn": EXPORT,
        "status": status,
        "attempt": 0,
        **kept,
        **more,
    }


def processing(status: str | None, waiting: int = 1, execution: str | None = None, **more: Any) -> Processing:
    """Seven windows are processed, up to an hour before the watermark; the next one stands like that."""
    tried = {} if status in (None, "PENDING") else {"executionArn": PROCESS}
    item = window_item(8, begun(WATERMARK - HOUR, WATERMARK), status or "", **tried, **more)
    following = QueuedWindow.from_item(item) if status else None
    return Processing(7 + (waiting if status else 0), 7, WATERMARK - HOUR, following, execution)


STATE_KEY = {"table": {"S": "airports"}, "entry": {"S": "STATE"}}
EXPORTED: dict[str, Any] = {
    "version": {"N": "7"},
    "status": {"S": "COMPLETED"},
    "watermark": {"S": "2026-11-21T11:00:00Z"},
    "resetRequested": {"BOOL": False},
}
LEASE: dict[str, Any] = {"leaseOwner": {"S": OWNER}, "leaseExpiresAt": {"S": "2026-11-21T12:30:00.000Z"}}


@dataclass
class Exporting:
    """A deployed stack whose ledger and exported table are in moto."""

    root: Path
    stubbed: StubbedAws
    dynamodb: "DynamoDBClient"

    def put_state(self, table: str = "airports", **attributes: Any) -> None:
        item = {"table": {"S": table}, "entry": {"S": "STATE"}, **EXPORTED, **attributes}
        self.dynamodb.put_item(TableName="ledger", Item=item)

    def put_run(self, export: ScheduledExport, status: str, **more: Any) -> None:
        item = {name: TypeSerializer().serialize(value) for name, value in run_item(export, status, **more).items()}
        self.dynamodb.put_item(TableName="ledger", Item=item)

    def put_item(self, item: dict[str, Any]) -> None:
        """Any item of the ledger, in plain values."""
        self.dynamodb.put_item(
            TableName="ledger", Item={name: TypeSerializer().serialize(value) for name, value in item.items()}
        )

    def ledger_state(self) -> LedgerState:
        """As the next run reads it."""
        return LedgerState.from_item(self.dynamodb.get_item(TableName="ledger", Key=STATE_KEY).get("Item"))

    def sluice(self, *arguments: str, outputs: dict[str, str] | None = None) -> tuple[int, str, str]:
        """Exit code, stdout and stderr."""
        self.stubbed.expect_stack(outputs, parameters=PARAMETERS, now=NOW)
        aws = replace(self.stubbed.aws, dynamodb=self.dynamodb)
        terminal = Terminal(self.root, lambda _target: aws)
        return terminal.sluice("export", *arguments), terminal.stdout.getvalue(), terminal.stderr.getvalue()


@contextmanager
def exporting_stack(root: Path) -> Iterator[Exporting]:
    """A stack that has exported nothing yet, and the table airports."""
    with mock_aws(), stubbed_aws() as stubbed:
        dynamodb = boto3.Session(region_name="eu-west-1").client("dynamodb")
        dynamodb.create_table(**ledger_table())
        dynamodb.create_table(
            TableName="airports",
            AttributeDefinitions=[{"AttributeName": "iata", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "iata", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield Exporting(root, stubbed, dynamodb)

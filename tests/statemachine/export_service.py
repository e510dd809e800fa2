"""DynamoDB's exports and point-in-time recovery of one table, by AWS's rules, in virtual time."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from local_aws.stepfunctions.errors import state_error
from local_aws.stepfunctions.sdk_metadata import sdk_cause

MINUTE, HOUR, DAY = 60, 3600, 86_400
TOKEN_SECONDS = 8 * HOUR
RECOVERY_SECONDS = 35 * DAY
METADATA_SECONDS = 90 * DAY
# AWS refuses ends in the future; to be on the safe side this refuses what is younger than three minutes.
SETTLING_SECONDS = 3 * MINUTE

Given = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What becomes of an export: after `seconds` it has the status `end`, and `meanwhile` until then."""

    seconds: float = 6 * MINUTE
    end: str = "COMPLETED"
    meanwhile: str = "IN_PROGRESS"
    # How much earlier than requested AWS reports that a window ends.
    ends_earlier: int = 0


@dataclass
class StartedExport:
    """An export that AWS has accepted."""

    arn: str
    given: Given
    start: float
    outcome: Outcome

    def status(self, now: float) -> str:
        return self.outcome.end if now >= self.start + self.outcome.seconds else self.outcome.meanwhile

    @property
    def window(self) -> tuple[str, str | None, str]:
        """Type, begin and end as requested."""
        incremental = self.given.get("IncrementalExportSpecification", {})
        end = incremental.get("ExportToTime") or self.given["ExportTime"]
        return self.given["ExportType"], incremental.get("ExportFromTime"), end

    @property
    def end(self) -> float:
        """Where AWS says that it ends."""
        return seconds(self.window[2]) - self.outcome.ends_earlier


@dataclass
class ExportService:
    """`now` tells AWS's time. What is in `outcomes` becomes of the next exports, one after the other."""

    now: Callable[[], float]
    table: str = "airports"
    outcomes: deque[Outcome] = field(default_factory=deque)
    usual: Outcome = Outcome()
    failure_message: str = "Access Denied"
    missing_buckets: set[str] = field(default_factory=set)
    exports: dict[str, StartedExport] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.recovery_since: float | None = self.now() - 10 * DAY

    @property
    def table_arn(self) -> str:
        return f"arn:aws:dynamodb:us-east-1:123456789012:table/{self.table}"

    @property
    def earliest(self) -> float | None:
        """How far back point-in-time recovery reaches; None when it is off."""
        return None if self.recovery_since is None else max(self.recovery_since, self.now() - RECOVERY_SECONDS)

    def switch_recovery(self, *, is_on: bool) -> None:
        """Off loses the history."""
        if is_on != (self.recovery_since is not None):
            self.recovery_since = self.now() if is_on else None

    def describe_table(self, given: Given) -> Given:
        if given["TableName"] != self.table:
            raise refused("ResourceNotFoundException", f"Requested resource not found: Table: {given['TableName']}")
        return {"Table": {"TableName": self.table, "TableArn": self.table_arn, "TableStatus": "ACTIVE"}}

    def describe_continuous_backups(self, _given: Given) -> Given:
        recovery: Given = {"PointInTimeRecoveryStatus": "DISABLED"}
        if self.earliest is not None:
            recovery = {
                "PointInTimeRecoveryStatus": "ENABLED",
                "RecoveryPeriodInDays": RECOVERY_SECONDS // DAY,
                "EarliestRestorableDateTime": text(self.earliest, milliseconds=True),
                "LatestRestorableDateTime": text(self.now() - 5 * MINUTE, milliseconds=True),
            }
        description = {"ContinuousBackupsStatus": "ENABLED", "PointInTimeRecoveryDescription": recovery}
        return {"ContinuousBackupsDescription": description}

    def export_table_to_point_in_time(self, given: Given) -> Given:
        if (known := self._by_token(given)) is not None:
            return {"ExportDescription": self._description(known)}
        self._check(given)
        number = len(self.exports)
        export_id = f"0{int(self.now() * 1000):013d}-{hashlib.sha256(str(number).encode()).hexdigest()[:8]}"
        outcome = self.outcomes.popleft() if self.outcomes else self.usual
        export = StartedExport(f"{self.table_arn}/export/{export_id}", given, self.now(), outcome)
        self.exports[export.arn] = export
        return {"ExportDescription": self._description(export)}

    def describe_export(self, given: Given) -> Given:
        export = self.exports.get(given["ExportArn"])
        if export is None or self._is_forgotten(export):
            raise refused("ExportNotFoundException", f"Export not found: {given['ExportArn']}")
        return {"ExportDescription": self._description(export)}

    def list_exports(self, given: Given) -> Given:
        known = [each for each in self.exports.values() if not self._is_forgotten(each)]
        newest = sorted(known, key=lambda each: each.arn, reverse=True)[: given["MaxResults"]]
        summaries = [
            {"ExportArn": each.arn, "ExportStatus": each.status(self.now()), "ExportType": each.given["ExportType"]}
            for each in newest
        ]
        return {"ExportSummaries": summaries} | ({"NextToken": "more"} if len(newest) < len(known) else {})

    def _is_forgotten(self, export: StartedExport) -> bool:
        return self.now() > export.start + METADATA_SECONDS

    def _by_token(self, given: Given) -> StartedExport | None:
        for each in self.exports.values():
            if each.given["ClientToken"] == given["ClientToken"] and self.now() < each.start + TOKEN_SECONDS:
                if each.given != given:
                    raise refused("ExportConflictException", "the token was used with other parameters")
                return each
        return None

    def _check(self, given: Given) -> None:
        if given["S3Bucket"] in self.missing_buckets:
            raise refused("DynamoDbException", "The specified bucket does not exist")
        if self.earliest is None:
            raise refused("PointInTimeRecoveryUnavailableException", "point-in-time recovery is off")
        incremental = given.get("IncrementalExportSpecification")
        begin = seconds(incremental["ExportFromTime"] if incremental else given["ExportTime"])
        end = seconds(incremental["ExportToTime"] if incremental else given["ExportTime"])
        if begin < self.earliest or end > self.now() - SETTLING_SECONDS:
            raise refused("InvalidExportTimeException", "out of the point-in-time recovery window")
        if incremental and not 15 * MINUTE <= end - begin <= DAY:
            raise refused("InvalidExportTimeException", "a window has 15 minutes to 24 hours")

    def _description(self, export: StartedExport) -> Given:
        status, given = export.status(self.now()), export.given
        reported: Given = {
            "ExportArn": export.arn,
            "ExportStatus": status,
            "StartTime": text(export.start, milliseconds=True),
            "TableArn": given["TableArn"],
            "ClientToken": given["ClientToken"],
            "S3Bucket": given["S3Bucket"],
            "ExportType": given["ExportType"],
        }
        if (incremental := given.get("IncrementalExportSpecification")) is None:
            reported["ExportTime"] = text(export.end)
        else:
            reported["IncrementalExportSpecification"] = {**incremental, "ExportToTime": text(export.end)}
        return reported | _ended(export, status, self.failure_message)


def _ended(export: StartedExport, status: str, failure_message: str) -> Given:
    if status == export.outcome.meanwhile:
        return {}
    end = {"EndTime": text(export.start + export.outcome.seconds, milliseconds=True)}
    if status == "FAILED":
        return {**end, "FailureCode": "S3AccessDenied", "FailureMessage": failure_message}
    export_id = export.arn.rpartition("/")[2]
    manifest = f"{export.given.get('S3Prefix', '')}/AWSDynamoDB/{export_id}/manifest-summary.json"
    return {**end, "ExportManifest": manifest, "ItemCount": 7, "BilledSizeBytes": 10_000_000}


def refused(name: str, message: str) -> Exception:
    """An error as the aws-sdk integration names it."""
    return state_error(f"DynamoDb.{name}", sdk_cause(message, "DynamoDb", 400))


def seconds(iso: str) -> float:
    """An ISO-8601 time in seconds since the epoch."""
    return datetime.fromisoformat(iso).timestamp()


def text(time: float, *, milliseconds: bool = False) -> str:
    """A time as Step Functions has it."""
    moment = datetime.fromtimestamp(time, UTC)
    return moment.isoformat(timespec="milliseconds" if milliseconds else "seconds").replace("+00:00", "Z")

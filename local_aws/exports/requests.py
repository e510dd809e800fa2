"""What a caller of ExportTableToPointInTime asks for, checked as AWS does."""

import re
from dataclasses import dataclass
from typing import Any

FULL = "FULL_EXPORT"
INCREMENTAL = "INCREMENTAL_EXPORT"
NEW_AND_OLD_IMAGES = "NEW_AND_OLD_IMAGES"
JSON_FORMAT = "DYNAMODB_JSON"
AES256 = "AES256"

BUCKET_NAME = re.compile(r"[a-z0-9A-Z]+[.\-\w]*[a-z0-9A-Z]+")
MAXIMUM_PREFIX_CHARACTERS = 1024
MINUTE_MICROS = 60 * 1_000_000
SHORTEST_WINDOW_MICROS = 15 * MINUTE_MICROS
LONGEST_WINDOW_MICROS = 24 * 60 * MINUTE_MICROS

CHOICES = {
    "ExportFormat": ("ION", JSON_FORMAT),
    "ExportType": (INCREMENTAL, FULL),
    "S3SseAlgorithm": (AES256, "KMS"),
}
VIEW_TYPES = ("NEW_IMAGE", NEW_AND_OLD_IMAGES)
ECHOED = ("S3BucketOwner", "S3Prefix", "S3SseKmsKeyId")


class RefusedError(Exception):
    """The request is answered with an error of this code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Window:
    """From when (inclusive) until when (exclusive), in microseconds, and which images."""

    start: int
    end: int
    view: str


@dataclass(frozen=True)
class ExportRequest:
    """A checked request. `moment`: of a full export, as of when, in microseconds; None for as late as possible."""

    bucket: str
    prefix: str
    moment: int | None
    window: Window | None
    echoed: dict[str, Any]


def read_request(data: dict[str, Any], now: int) -> ExportRequest:
    """The request, its times still to be compared with what may be restored. Raises RefusedError."""
    _check_members(data)
    is_incremental = data.get("ExportType") == INCREMENTAL
    specification = data.get("IncrementalExportSpecification")
    if is_incremental and data.get("ExportTime") is not None:
        raise _invalid("ExportTime is not supported with an ExportType of INCREMENTAL_EXPORT")
    if not is_incremental and specification:
        raise _invalid("IncrementalExportSpecification is only supported with an ExportType of INCREMENTAL_EXPORT")
    return ExportRequest(
        bucket=data["S3Bucket"],
        prefix=data.get("S3Prefix") or "",
        moment=None if data.get("ExportTime") is None else micros(data["ExportTime"]),
        window=_window(specification or {}, now) if is_incremental else None,
        echoed={name: data[name] for name in ECHOED if data.get(name)}
        | {
            "S3SseAlgorithm": data.get("S3SseAlgorithm") or AES256,
            "ExportFormat": JSON_FORMAT,
            "ExportType": data.get("ExportType") or FULL,
        },
    )


def check_times(request: ExportRequest, earliest: int, now: int) -> None:
    """Compare the requested times with what can be restored. Raises RefusedError."""
    if request.window is None:
        if request.moment is not None and not earliest <= request.moment <= now:
            raise _invalid_time("Export Time is invalid: it is outside of the point in time recovery window")
        return
    start, end = request.window.start, request.window.end
    if start >= end:
        raise _invalid_time("ExportFromTime must be before ExportToTime")
    if start < earliest:
        raise _invalid_time("ExportFromTime is outside of the point in time recovery window")
    if end > now:
        raise _invalid_time("ExportToTime cannot be in the future")
    if end - start < SHORTEST_WINDOW_MICROS:
        raise _invalid_time("The difference between ExportFromTime and ExportToTime must be at least 15 minutes")
    if end - start > LONGEST_WINDOW_MICROS:
        raise _invalid_time("The difference between ExportFromTime and ExportToTime must be at most 24 hours")


def micros(seconds: float) -> int:
    """A time of a request in microseconds."""
    return round(seconds * 1_000_000)


def _check_members(data: dict[str, Any]) -> None:
    bucket = data.get("S3Bucket")
    if bucket is None:
        raise _invalid_member("s3Bucket", None, "Member must not be null")
    if not BUCKET_NAME.fullmatch(bucket):
        rule = r"Member must satisfy regular expression pattern: ^[a-z0-9A-Z]+[\.\-\w]*[a-z0-9A-Z]+$"
        raise _invalid_member("s3Bucket", bucket, rule)
    prefix = data.get("S3Prefix") or ""
    if len(prefix) > MAXIMUM_PREFIX_CHARACTERS:
        raise _invalid_member("s3Prefix", prefix, "Member must have length less than or equal to 1024")
    for name, choices in CHOICES.items():
        _check_choice(name[0].lower() + name[1:], data.get(name), choices)
    view = (data.get("IncrementalExportSpecification") or {}).get("ExportViewType")
    _check_choice("incrementalExportSpecification.exportViewType", view, VIEW_TYPES)
    if data.get("ExportFormat") == "ION":
        raise _invalid("local AWS does not write ION: ExportFormat must be DYNAMODB_JSON")
    if data.get("FilterSpecification"):
        raise _invalid("local AWS does not filter exports: FilterSpecification must be left out")


def _check_choice(member: str, value: str | None, choices: tuple[str, ...]) -> None:
    if value is not None and value not in choices:
        raise _invalid_member(member, value, f"Member must satisfy enum value set: [{', '.join(choices)}]")


def _window(specification: dict[str, Any], now: int) -> Window:
    start, end = specification.get("ExportFromTime"), specification.get("ExportToTime")
    if start is None:
        raise _invalid("An incremental export needs an ExportFromTime in its IncrementalExportSpecification")
    latest = now - now % 1_000_000
    view = specification.get("ExportViewType") or NEW_AND_OLD_IMAGES
    return Window(micros(start), latest if end is None else micros(end), view)


def _invalid(message: str) -> RefusedError:
    return RefusedError("ValidationException", message)


def _invalid_member(member: str, value: str | None, rule: str) -> RefusedError:
    message = "Value null" if value is None else f"Value '{value}'"
    return _invalid(f"1 validation error detected: {message} at '{member}' failed to satisfy constraint: {rule}")


def _invalid_time(message: str) -> RefusedError:
    return RefusedError("InvalidExportTimeException", message)

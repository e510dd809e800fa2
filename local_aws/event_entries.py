"""PutEvents: entries that EventBridge refuses, beside others that it takes."""

import json
from typing import Any

from ministack.services import eventbridge as service

from local_aws.replacements import replace

Response = tuple[int, dict[str, str], bytes]
Entry = dict[str, Any]

REQUIRED = ("Source", "DetailType", "Detail")

_original: dict[str, Any] = {}


def install() -> None:
    """Replace the operation; ministack takes entries without a source or a detail, and any text for a detail."""
    _original["put"] = replace(service, "_put_events", ("data", "allow_aws_source"), put_events)


def put_events(data: dict[str, Any], allow_aws_source: bool = False) -> Response:
    """PutEvents: the error of an entry is in its entry of the response."""
    entries = data.get("Entries", [])
    faults = [None if allow_aws_source else _fault(entry) for entry in entries]
    if not any(faults):
        return _original["put"](data, allow_aws_source)  # type: ignore[no-any-return]
    good = [entry for entry, fault in zip(entries, faults, strict=True) if fault is None]
    status, headers, body = _original["put"]({**data, "Entries": good}, allow_aws_source)
    if status != 200:
        return status, headers, body
    answer = json.loads(body)
    results = iter(answer["Entries"])
    merged = [fault or next(results) for fault in faults]
    failed = sum("ErrorCode" in each for each in merged)
    return status, headers, json.dumps({"FailedEntryCount": failed, "Entries": merged}).encode()


def _fault(entry: Entry) -> Entry | None:
    for name in REQUIRED:
        if not entry.get(name):
            reason = f"Parameter {name} is not valid. Reason: {name} is a required argument."
            return {"ErrorCode": "InvalidArgument", "ErrorMessage": reason}
    try:
        is_object = isinstance(json.loads(entry["Detail"]), dict)
    except (TypeError, ValueError):
        is_object = False
    return None if is_object else {"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."}

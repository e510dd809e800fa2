"""The result files of a Map Run, as its ResultWriter leaves them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any


def put_result_files(s3: Any, bucket: str, prefix: str, records: Iterable[Mapping[str, Any]]) -> None:
    """A manifest, and a file for each status that a record has."""
    listed: dict[str, list[dict[str, str]]] = {}
    by_status = list(records)
    for status in ("SUCCEEDED", "FAILED", "PENDING"):
        lines = [json.dumps(each) for each in by_status if each["Status"] == status]
        path = f"{prefix}/uuid/{status}_0.jsonl"
        if lines:
            s3.put_object(Bucket=bucket, Key=path, Body="\n".join(lines).encode())
        listed[status] = [{"Key": path}] if lines else []
    manifest = json.dumps({"ResultFiles": listed}).encode()
    s3.put_object(Bucket=bucket, Key=f"{prefix}/uuid/manifest.json", Body=manifest)

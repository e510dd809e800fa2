"""csv_load and csv_load_direct."""

from __future__ import annotations

from typing import Any

from tests.local.deployed import Deployed
from tests.permissions.exercises.runs import run, update

CSV = "id,text\n1,a\n"
BAD_ROW = ",no id\n"


def _load(stack: Deployed, body: str = CSV, **fields: Any) -> dict[str, Any]:
    return {"source": stack.put(body), "table": stack.new_table(), "keys": ["id"], **fields}


def _version(stack: Deployed) -> dict[str, Any]:
    bucket = stack.versioned_bucket()
    put = stack.s3.put_object(Bucket=bucket, Key="version.csv", Body=CSV.encode())
    return _load(stack) | {"source": {"bucket": bucket, "key": "version.csv", "versionId": put["VersionId"]}}


def _missing(stack: Deployed) -> dict[str, Any]:
    return _load(stack) | {"source": {"bucket": stack.bucket, "key": "input/none.csv"}}


EXERCISES = (
    update("csv_load"),
    run("csv_load", _missing),
    run("csv_load", _load),
    run("csv_load", lambda stack: _load(stack, CSV + BAD_ROW, rejectsTolerated=1, onConflict="keep")),
    run("csv_load", _version),
    update("csv_load_direct"),
    run("csv_load_direct", lambda stack: {"source": stack.put(CSV), "table": stack.new_table()}),
)

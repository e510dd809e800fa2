"""The input of a table_export execution, checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sluice.fields import Fields

VIEW_TYPES = ("NEW_AND_OLD_IMAGES", "NEW_IMAGE")

_FIELDS = ("table", "bucket", "prefix", "viewType", "process", "pollSeconds")
_TABLE = re.compile(r"[a-zA-Z0-9_.\-]{3,255}")
_PREFIX_MAX = 512
_POLL_MAX_SECONDS = 600


@dataclass(frozen=True, slots=True)
class ExportInput:
    """`process`: the input of export_process that each finished export is given to, or None."""

    table: str
    bucket: str
    prefix: str
    view_type: str
    process: Mapping[str, Any] | None
    poll_seconds: int

    @classmethod
    def from_input(cls, raw: object, data_bucket: str) -> ExportInput:
        """Read the execution's input. Raises InvalidInputError naming the field."""
        fields = Fields(raw, _FIELDS)
        table = fields.text("table")
        if not _TABLE.fullmatch(table):
            raise fields.wrong("table", f"must be a table name, not {table}")
        prefix = fields.text_or("prefix", f"exports/{table}").rstrip("/")
        if len(prefix) > _PREFIX_MAX:
            raise fields.wrong("prefix", f"must have at most {_PREFIX_MAX} characters")
        bucket = fields.text_or("bucket", data_bucket)
        if bucket == data_bucket and not f"{prefix}/".startswith("exports/"):
            raise fields.wrong("prefix", f"must begin with exports/ in the data bucket, not {prefix}")
        view_type = fields.choice("viewType", VIEW_TYPES, VIEW_TYPES[0])
        return cls(
            table=table,
            bucket=bucket,
            prefix=prefix,
            view_type=view_type,
            process=_process(fields, table, view_type),
            poll_seconds=fields.integer("pollSeconds", 60, low=1, high=_POLL_MAX_SECONDS),
        )


def _process(fields: Fields, table: str, view_type: str) -> Mapping[str, Any] | None:
    """An attempt may overlap the next one: only the guard keeps an older record from undoing a newer one."""
    if not fields.has("process"):
        return None
    process = fields.raw("process")
    if not isinstance(process, dict):
        raise fields.wrong("process", "must be an object: the input of export_process without export")
    for name in ("export", "records"):
        if name in process:
            raise fields.wrong(f"process.{name}", "must be omitted: each export is processed in full")
    sink = process.get("sink")
    if not isinstance(sink, dict):
        raise fields.wrong("process.sink", "is required" if sink is None else "must be an object")
    if "table" in sink and sink.get("guard") != "newerOnly":
        raise fields.wrong("process.sink.guard", "must be newerOnly: the runs of two windows may overlap")
    if process.get("transform") is not None and view_type != VIEW_TYPES[0]:
        raise fields.wrong("viewType", f"must be {VIEW_TYPES[0]}: process.transform needs the old images")
    defaults = {"mirror": True} if "table" in sink else {}
    return {**defaults, **process, "sink": {name: _named(value, table) for name, value in sink.items()}}


def _named(value: Any, table: str) -> Any:
    """One setting serves several tables: {table} in a string is the table's name."""
    return value.replace("{table}", table) if isinstance(value, str) else value

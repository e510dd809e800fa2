"""No Plan step takes one of the stack's own tables, whatever the field that names it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest

from sluice.errors import InvalidInputError, SettingError
from sluice.settings import OwnTables, own_tables_from_env
from tests.fixtures import fixture
from tests.unit.lambda_context import Context

OWN = OwnTables(frozenset({"runs-table", "export-ledger"}))
SINK = {"table": "{own}", "guard": "newerOnly"}
FIELDS: list[tuple[str, str, dict[str, Any]]] = [
    ("plan_load", "table", {"table": "{own}"}),
    ("plan_scan", "table", {"table": "{own}"}),
    ("plan_transform", "table", {"table": "{own}"}),
    ("plan_transform", "target", {"table": "airports", "target": "{own}"}),
    ("check_export", "sink.table", {"sink": SINK}),
    ("plan_export", "table", {"table": "{own}", "prefix": "exports/x"}),
    ("plan_export", "process.sink.table", {"table": "airports", "process": {"sink": SINK}}),
]


def named(value: Any, own: str) -> Any:
    if isinstance(value, dict):
        return {name: named(each, own) for name, each in value.items()}
    return value.replace("{own}", own) if isinstance(value, str) else value


@pytest.mark.parametrize(("step", "field", "changed"), FIELDS)
@pytest.mark.parametrize("table", ["runs-table", "export-ledger"])
def test_step_refuses_it_before_anything_is_read(step: str, field: str, changed: dict[str, Any], table: str) -> None:
    event = fixture(step, "usual")
    changed = named(changed, table)
    if step == "plan_transform" and "target" in changed:
        event = event | {"input": {"table": "airports", "mapping": {"id": "{icao}"}}}
    # Without moto: a call to AWS would fail by another name.
    with pytest.raises(InvalidInputError, match="is one of the stack's own tables") as refused:
        import_module(f"{step}.handler").lambda_handler(event | {"input": event["input"] | changed}, Context())
    assert refused.value.field == field
    assert table in str(refused.value)


def test_arn_names_the_table_as_well() -> None:
    arn = "arn:aws:dynamodb:us-east-1:000000000000:table/runs-table"
    with pytest.raises(InvalidInputError, match=arn):
        OWN.refuse("target", arn)


@pytest.mark.parametrize("table", ["airports", "runs-table-2", "Runs-Table", None, "", 7])
def test_other_tables_are_taken(table: object) -> None:
    OWN.refuse("table", table)


@pytest.mark.parametrize("missing", ["RUN_TABLE", "EXPORT_LEDGER_TABLE"])
def test_setting_that_is_missing_is_named(missing: str) -> None:
    given = {"RUN_TABLE": "a", "EXPORT_LEDGER_TABLE": "b"}
    assert own_tables_from_env(given).names == {"a", "b"}
    with pytest.raises(SettingError, match=missing):
        own_tables_from_env({name: value for name, value in given.items() if name != missing})

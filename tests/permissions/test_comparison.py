"""What the comparison of template.yaml's permissions with the tests' records finds."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.permissions.__main__ import main
from tests.permissions.comparison import faults
from tests.permissions.granted import Permission, permissions
from tests.permissions.records import DIRECTORY, Record, keep, kept
from tests.permissions.unexercised import Unexercised, listed

READ = Permission("Role", "ReadSource", "s3:GetObject")
WRITE = Permission("Role", "WritePlan", "s3:PutObject")
DENIAL = Permission("Role", "ProtectOwnTables", "dynamodb:*", "Deny")


def record(permission: Permission, decision: str = "Allow", *others: str, action: str = "") -> Record:
    statements = tuple(sorted({permission.statement, *others}))
    return Record(permission.role, action or permission.action, "arn", decision, statements, "test_x")


def test_permission_that_a_call_needs_is_right() -> None:
    assert faults([READ, WRITE], [record(READ), record(WRITE)], []) == []


def test_permission_that_no_call_needs_is_reported() -> None:
    assert faults([READ, WRITE], [record(READ)], []) == ["unused: Role, WritePlan: s3:PutObject"]


def test_permission_that_another_statement_grants_as_well_is_reported() -> None:
    other = Permission("Role", "ReadAll", "s3:GetObject")
    message = faults([READ, other], [record(READ, "Allow", "ReadAll"), record(other)], [])
    assert message == ["another statement allows the same calls: Role, ReadSource: s3:GetObject"]


def test_call_of_another_role_is_no_use() -> None:
    other = Permission("Other", "ReadSource", "s3:GetObject")
    assert faults([READ], [record(other)], []) == ["unused: Role, ReadSource: s3:GetObject"]


def test_denial_is_reported_unless_a_test_plans_it() -> None:
    denied = Record("Role", "s3:GetObject", "arn:x", "ImplicitDeny", (), "test_x")
    planned = Record("Role", "s3:GetObject", "arn:x", "ImplicitDeny", (), "test_y", is_planned=True)
    message = faults([], [denied, planned], [])
    assert message == ["denied: Role: s3:GetObject on arn:x (ImplicitDeny) in test_x"]


def test_statement_that_denies_is_used_by_the_call_that_it_denies() -> None:
    denied = Record("Role", "dynamodb:PutItem", "arn", "Deny", ("ProtectOwnTables",), "test_x", is_planned=True)
    assert faults([DENIAL], [denied], []) == []
    assert faults([DENIAL], [], []) == ["unused: Role, ProtectOwnTables: dynamodb:*"]


def test_listed_permission_may_be_unused_and_must_not_be_needed() -> None:
    entry = Unexercised(frozenset(["WritePlan"]), frozenset(["s3:PutObject"]), frozenset(), "a reason")
    assert faults([WRITE], [], [entry]) == []
    message = faults([WRITE], [record(WRITE)], [entry])
    assert message == ["needed by a run, yet listed as unexercised: Role, WritePlan: s3:PutObject"]


def test_entry_about_what_is_not_there_is_reported() -> None:
    entry = Unexercised(frozenset(["WritePlan", "Gone"]), frozenset(["s3:PutObject"]), frozenset(), "a reason")
    assert faults([WRITE], [], [entry]) == ["listed as unexercised, yet not in template.yaml: Gone"]


def test_records_of_several_processes_are_put_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DIRECTORY, str(tmp_path))
    keep([record(READ)])
    keep([record(WRITE)])
    (tmp_path / "other.jsonl").write_text(json.dumps(vars(record(DENIAL, "Deny"))) + "\n")
    assert set(kept(tmp_path)) == {record(READ), record(WRITE), record(DENIAL, "Deny")}


def test_records_are_needed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(tmp_path) == 1
    assert "has no records" in capsys.readouterr().out


def test_every_permission_of_the_template_is_found_by_its_name() -> None:
    """A Sid is one statement of a role, and no Allow has a wildcard."""
    counts = Counter((each.role, each.statement, each.action) for each in permissions())
    assert set(counts.values()) == {1}
    assert not [each for each in permissions() if each.effect == "Allow" and "*" in each.action]


def test_entries_have_reasons_and_are_about_the_template() -> None:
    assert all(entry.reason.endswith(".") and not entry.dead_parts(permissions()) for entry in listed())

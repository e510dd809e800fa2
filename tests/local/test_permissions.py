"""Every permission in template.yaml is needed: without it a call is denied, or the state machine is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from tests.local.deployed import Deployed, deployed
from tests.local.key_processors import create_processors
from tests.local.mapped_objects import create_object_function
from tests.local.queried_rows import create_row_function
from tests.permissions.comparison import DENY
from tests.permissions.exercises import actions, exports, keys, loads, objects, rows, transforms
from tests.permissions.exercises.runs import Exercise
from tests.permissions.granted import Permission, permissions, roles_of
from tests.permissions.policies import Policies
from tests.permissions.removal import Group
from tests.permissions.unexercised import listed

# Workflows that share functions are in one group. The rule that calls StopWorkers is in none.
GROUPS: tuple[tuple[tuple[str, ...], tuple[str, ...], Callable[[Deployed], Sequence[Exercise]]], ...] = (
    (
        ("csv_load", "csv_load_direct", "table_export", "export_process"),
        ("ExportScheduleRole",),
        lambda stack: (*loads.EXERCISES, *exports.exercises(stack)),
    ),
    (("distinct_keys",), ("StopWorkersFunctionRole",), lambda _stack: keys.EXERCISES),
    (("athena_map",), (), lambda _stack: rows.EXERCISES),
    (("object_aggregate",), (), lambda _stack: objects.EXERCISES),
    (("object_map",), (), lambda _stack: actions.EXERCISES),
    (("table_transform",), (), lambda _stack: transforms.EXERCISES),
)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """A stack of this module's own, whose roles have made no call yet."""
    with deployed(tmp_path_factory.mktemp("project")) as stack:
        create_processors(stack)
        create_row_function(stack)
        create_object_function(stack)
        yield stack


def exercised() -> set[Permission]:
    """Those that local tests can exercise."""
    return {each for each in permissions() if not any(entry.covers(each) for entry in listed())}


@pytest.mark.removal
@pytest.mark.plans_denials
def test_call_is_denied_without_its_permission(stack: Deployed) -> None:
    """A group of workflows at a time in each thread: their roles are different ones."""
    groups = [_group(Deployed(stack.surroundings, stack.aws), *each) for each in GROUPS]
    with ThreadPoolExecutor(len(groups)) as threads:
        needs = list(threads.map(lambda group: group.needs(exercised()), groups))
        found = {permission for each in needs for permission in each}
        missing = sorted(str(each) for each in exercised() - found)
        assert not missing, "no exercise needs:\n" + "\n".join(missing)
        allowed = threads.map(_allowed_without, groups, needs)
        not_denied = [str(each) for found in allowed for each in found]
        assert not not_denied, "not denied without:\n" + "\n".join(not_denied)


def _group(
    stack: Deployed,
    workflows: Sequence[str],
    roles: Sequence[str],
    exercises: Callable[[Deployed], Sequence[Exercise]],
) -> Group:
    return Group(stack, frozenset(roles).union(*map(roles_of, workflows)), exercises(stack))


def _allowed_without(group: Group, needs: dict[Permission, Exercise]) -> list[Permission]:
    """The permissions without which no call of their exercise is denied."""
    return [each for each, exercise in needs.items() if not group.is_denied_without(each, exercise)]


@pytest.mark.long
@pytest.mark.parametrize("permission", sorted(each for each in permissions() if each.effect == DENY), ids=str)
def test_own_tables_are_out_of_reach(stack: Deployed, permission: Permission) -> None:
    """The statement denies them, and no other one does."""
    policies = Policies(stack)
    table = "RunTable" if permission.statement == "ProtectRunItems" else "ExportLedgerTable"
    simulated = partial(_decision, stack, policies.roles[permission.role], _action(permission), table)
    assert simulated() == "explicitDeny"
    with policies.without(permission):
        assert simulated() != "explicitDeny"


def _action(permission: Permission) -> str:
    """An action that the statement denies."""
    is_one = not {"*", " "} & set(permission.action)
    return permission.action if is_one else "dynamodb:DeleteItem"


def _decision(stack: Deployed, role: str, action: str, table: str) -> str:
    iam = stack.client("iam")
    table_arn = stack.dynamodb.describe_table(TableName=stack.outputs[table])["Table"]["TableArn"]
    role_arn = iam.get_role(RoleName=role)["Role"]["Arn"]
    answer = iam.simulate_principal_policy(PolicySourceArn=role_arn, ActionNames=[action], ResourceArns=[table_arn])
    (result,) = answer["EvaluationResults"]
    return str(result["EvalDecision"])

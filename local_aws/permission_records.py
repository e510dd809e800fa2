"""A record of what roles did and were denied while IAM was enforced: `permissions.jsonl` in the server's directory.

Each line is a JSON object:

- `role`: the role's name. `action`: such as `s3:GetObject`. `resource`: the ARN of the call.
- `decision`: `Allow`, `Deny` (a statement denies it) or `ImplicitDeny` (no statement allows it).
- `statements`: the statements that allow or deny it, each with `sid` and `resource`, the pattern that matched.

Calls that the same statements allow for the same patterns are one line, with the first call's resource, until a policy
of any role changes. Each denial has a line of its own.
"""

import json
import os
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from ministack.core import iam_evaluator

from local_aws.launch import PERMISSION_RECORDS
from local_aws.replacements import check, replace
from local_aws.role_permissions import when_policies_change

ASSUMED_ROLE = "AssumedRole"
ALLOW, DENY = "Allow", "Deny"

Matched = tuple[tuple[str, str], ...]
# As ministack's `evaluate`: the call, the role's policies, then the policies that limit them.
Evaluate = Callable[..., Any]

# ministack evaluates the policy of a bucket or a queue with the same function.
_in_resource_policy: ContextVar[bool] = ContextVar("_in_resource_policy", default=False)


def install() -> None:
    """Record each decision of IAM about a role."""
    for name, parameters in (
        ("_action_matches", ("request_action", "actions", "not_actions")),
        ("_resource_matches", ("resource_arn", "resources", "not_resources")),
        ("_conditions_met", ("conditions", "ctx")),
        ("fnmatch_iam_cs", ("value", "pattern")),
    ):
        check(iam_evaluator, name, parameters)
    original = check(iam_evaluator, "evaluate", ("ctx", "policies", "limits"))
    records = Records(Path(os.environ[PERMISSION_RECORDS]))
    when_policies_change(records.forget)
    replace(iam_evaluator, "evaluate", ("ctx", "policies", "limits"), recorded(original, records))
    options = ("doc", "ctx", "service", "named_only", "direct_only")
    of_resource = check(iam_evaluator, "evaluate_resource_policy", options)
    replace(iam_evaluator, "evaluate_resource_policy", options, recorded_for_resource(of_resource, records))


class Records:
    """The file of the records."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._allowed: set[tuple[str, str, Matched]] = set()

    def forget(self) -> None:
        """Record what is allowed again, as if it were called for the first time."""
        self._allowed.clear()

    def add(self, role: str, context: Any, decision: str, matched: Matched) -> None:
        """Record a decision, unless the file has the same permission already."""
        permission = (role, context.action, matched)
        if decision == ALLOW:
            if permission in self._allowed:
                return
            self._allowed.add(permission)
        record = {
            "role": role,
            "action": context.action,
            "resource": context.resource_arn,
            "decision": decision,
            "statements": [{"sid": sid, "resource": pattern} for sid, pattern in matched],
        }
        # One write of a whole line: readers may look at any time.
        with self._path.open("a") as file:
            file.write(f"{json.dumps(record)}\n")


def recorded(evaluate: Evaluate, records: Records) -> Evaluate:
    """The same evaluation, whose decisions about roles are recorded."""

    def evaluate_and_record(ctx: Any, policies: Sequence[Sequence[Any]], *limits: Any) -> Any:
        result = evaluate(ctx, policies, *limits)
        if ctx.principal_type == ASSUMED_ROLE and not _in_resource_policy.get():
            effect = ALLOW if result.decision == ALLOW else DENY
            layers = [policies] if effect == ALLOW else [policies, *limits]
            statements = [each for layer in layers for policy in layer for each in policy]
            records.add(_role_name(ctx.principal_arn), ctx, result.decision, _matched(ctx, statements, effect))
        return result

    return evaluate_and_record


def recorded_for_resource(evaluate: Evaluate, records: Records) -> Evaluate:
    """The same evaluation of a resource's own policy, of which only denials are recorded."""

    def evaluate_and_record(doc: Any, ctx: Any, *arguments: Any, **options: Any) -> Any:
        token = _in_resource_policy.set(True)
        try:
            result = evaluate(doc, ctx, *arguments, **options)
        finally:
            _in_resource_policy.reset(token)
        if ctx.principal_type == ASSUMED_ROLE and result.decision == DENY:
            records.add(_role_name(ctx.principal_arn), ctx, DENY, ((result.matched_sid, ""),))
        return result

    return evaluate_and_record


def _role_name(assumed_role_arn: str) -> str:
    """The role's name in arn:aws:sts::ACCOUNT:assumed-role/NAME/SESSION."""
    return assumed_role_arn.split("/")[1]


def _matched(context: Any, statements: Sequence[Any], effect: str) -> Matched:
    return tuple(
        (each.sid, _pattern(each, context.resource_arn))
        for each in statements
        if each.effect == effect
        and iam_evaluator._action_matches(context.action, each.actions, each.not_actions)
        and iam_evaluator._resource_matches(context.resource_arn, each.resources, each.not_resources)
        and iam_evaluator._conditions_met(each.conditions, context)
    )


def _pattern(statement: Any, resource_arn: str) -> str:
    """The statement's pattern that matches the resource; empty if the statement lists what it does not cover."""
    matching = (each for each in statement.resources if iam_evaluator.fnmatch_iam_cs(resource_arn, each))
    return next(matching, "")

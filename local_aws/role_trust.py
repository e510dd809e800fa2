"""Whether a service may assume a role: the role's trust policy."""

import json
from collections.abc import Mapping
from typing import Any

from ministack.core import iam_evaluator
from ministack.core.responses import get_region
from ministack.services import iam

ASSUME_ROLE = "sts:AssumeRole"


def trusts(role_arn: str, principal: str, keys: Mapping[str, str]) -> bool:
    """Whether the role exists and its trust policy lets the service in.

    `keys`: the call's condition keys, in lower case, such as aws:sourcearn.
    """
    role = iam._roles.get(role_arn.rsplit("/", 1)[-1])
    if role is None:
        return False
    context = iam_evaluator.EvalContext(
        principal_arn=principal,
        principal_type="Service",
        principal_account="",
        action=ASSUME_ROLE,
        resource_arn=role_arn,
        region=get_region(),
        service_context=dict(keys),
    )
    return bool(iam_evaluator.evaluate_trust_policy(_as_trusted(role["AssumeRolePolicyDocument"]), principal, context))


def _as_trusted(document: str) -> dict[str, Any]:
    """The policy with services among the principals that ministack compares: it takes none for a caller."""
    policy: dict[str, Any] = json.loads(document)
    for statement in _listed(policy.get("Statement")):
        principal = statement.get("Principal")
        if isinstance(principal, dict):
            principal["AWS"] = [*_listed(principal.get("AWS")), *_listed(principal.get("Service"))]
    return policy


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]

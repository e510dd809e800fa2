"""The role of a state machine, checked before each call it makes when IAM is enforced."""

from typing import Any

from local_aws.stepfunctions.scope import Scope


def authorize(resource: str, given: Any, scope: Scope) -> None:
    """Nothing to check unless IAM is enforced."""

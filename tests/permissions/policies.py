"""The policies of the deployed stack's roles, and taking one permission out of them."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sluice_cli.sandbox import Sandbox
from tests.permissions.granted import Permission

Document = dict[str, Any]


class Policies:
    """Inline policies of the stack's roles, by the roles' names in the template."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._iam = sandbox.client("iam")
        described = sandbox.client("cloudformation").describe_stack_resources(StackName="sluice")["StackResources"]
        self.roles: dict[str, str] = {
            each["LogicalResourceId"]: each["PhysicalResourceId"]
            for each in described
            if each["ResourceType"] == "AWS::IAM::Role"
        }
        self._documents = {role: self._inline(name) for role, name in self.roles.items()}

    def has(self, permission: Permission) -> bool:
        """Whether the deployed role has it; a condition may leave it out."""
        statements = (
            statement
            for document in self._documents.get(permission.role, {}).values()
            for statement in document["Statement"]
        )
        return any(_grants(statement, permission) for statement in statements)

    @contextmanager
    def without(self, permission: Permission) -> Iterator[None]:
        """The role lacks the permission, and nothing else, until the context ends."""
        changed = {
            name: document
            for name, document in self._documents[permission.role].items()
            if any(_grants(statement, permission) for statement in document["Statement"])
        }
        try:
            for name, document in changed.items():
                self._put(permission.role, name, _reduced(document, permission))
            yield
        finally:
            for name, document in changed.items():
                self._put(permission.role, name, document)

    def put_again(self, role: str) -> None:
        """Put the role's policies as they are."""
        for name, document in self._documents[role].items():
            self._put(role, name, document)

    def _inline(self, role_name: str) -> dict[str, Document]:
        names = self._iam.list_role_policies(RoleName=role_name)["PolicyNames"]
        return {
            name: copy.deepcopy(self._iam.get_role_policy(RoleName=role_name, PolicyName=name)["PolicyDocument"])
            for name in names
        }

    def _put(self, role: str, name: str, document: Document) -> None:
        if document["Statement"]:
            text = json.dumps(document)
            self._iam.put_role_policy(RoleName=self.roles[role], PolicyName=name, PolicyDocument=text)
        else:
            self._iam.delete_role_policy(RoleName=self.roles[role], PolicyName=name)


def _reduced(document: Document, permission: Permission) -> Document:
    """The document without the permission. A statement that has no action left goes."""
    return {**document, "Statement": [left for each in document["Statement"] for left in _left(each, permission)]}


def _left(statement: Document, permission: Permission) -> list[Document]:
    if not _grants(statement, permission):
        return [statement]
    actions = [each for each in _actions(statement) if each != permission.action]
    return [{**statement, "Action": actions}] if actions else []


def _grants(statement: Document, permission: Permission) -> bool:
    return statement.get("Sid") == permission.statement and permission.action in _actions(statement)


def _actions(statement: Document) -> list[str]:
    """The actions, named as those of a Permission."""
    actions = statement.get("Action") or f"not {statement['NotAction']}"
    return [actions] if isinstance(actions, str) else actions

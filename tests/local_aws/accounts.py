"""Roles on a local AWS that enforces IAM, and state machines with them."""

import json
import time
from functools import cached_property
from typing import Any

import boto3
from botocore.config import Config

from local_aws import LocalAws
from tests.local_aws.sessions import session_of


class Account:
    """Roles, and what state machines and functions with them may do."""

    def __init__(self, local_aws: LocalAws) -> None:
        self._session = session_of(local_aws)
        self._endpoint = local_aws.endpoint_url
        self._count = 0

    def client(self, service: str) -> Any:
        return self._session.client(service, endpoint_url=self._endpoint)

    @cached_property
    def functions(self) -> Any:
        """Lambda, without retries, so that a test sees a throttle."""
        config = Config(retries={"total_max_attempts": 1})
        return self._session.client("lambda", endpoint_url=self._endpoint, config=config)

    def session(self, service: str, *allowed: tuple[str, ...]) -> Any:
        """A client that has assumed a role with these rights."""
        return self.session_of(self.role(*allowed), service)

    def session_of(self, role_arn: str, service: str) -> Any:
        """A client that has assumed the role."""
        assumed = self.client("sts").assume_role(RoleArn=role_arn, RoleSessionName="session")["Credentials"]
        session: Any = boto3.Session(
            assumed["AccessKeyId"],
            assumed["SecretAccessKey"],
            assumed["SessionToken"],
            region_name=self._session.region_name,
        )
        return session.client(service, endpoint_url=self._endpoint)

    def role(self, *allowed: tuple[str, ...]) -> str:
        self._count += 1
        name = f"role-{self._count}"
        principal = {"Service": ["states.amazonaws.com", "lambda.amazonaws.com"]}
        trust = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
        role = self.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=policy(trust))
        statements = [_statement(*each) for each in allowed]
        if statements:
            self.client("iam").put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=policy(*statements))
        return str(role["Role"]["Arn"])

    def run(self, state: dict[str, Any], *allowed: tuple[str, ...]) -> dict[str, Any]:
        role_arn = self.role(*allowed)
        definition = {
            "QueryLanguage": "JSONata",
            "StartAt": "Only",
            "States": {"Only": {**state, "End": True}},
        }
        states = self.client("stepfunctions")
        machine = states.create_state_machine(
            name=f"machine-{self._count}", definition=json.dumps(definition), roleArn=role_arn
        )
        arn = states.start_execution(stateMachineArn=machine["stateMachineArn"])["executionArn"]
        while True:
            execution: dict[str, Any] = states.describe_execution(executionArn=arn)
            if execution["status"] != "RUNNING":
                return execution
            time.sleep(0.02)


def _statement(action: str, resource: str, prefix: str | None = None) -> dict[str, Any]:
    """Allows the action; listing only below the prefix, if there is one."""
    condition = {"Condition": {"StringLike": {"s3:prefix": prefix}}} if prefix else {}
    return {"Effect": "Allow", "Action": action, "Resource": resource, **condition}


def policy(*statements: dict[str, Any]) -> str:
    """A policy document of these statements."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})

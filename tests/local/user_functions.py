"""Lambda functions of a user's own, which the stack calls."""

from __future__ import annotations

import io
import json
import sys
import zipfile
from typing import Any

from tests.local.deployed import Deployed

SERVICES = ["lambda.amazonaws.com", "states.amazonaws.com"]


def create_function(stack: Deployed, name: str, code: str) -> str:
    """A function whose `handler` may write below processed/ in the data bucket; returns its role."""
    statement = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{stack.bucket}/processed/*"}
    trust = {"Effect": "Allow", "Principal": {"Service": SERVICES}, "Action": "sts:AssumeRole"}
    iam = stack.client("iam")
    role: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=_policy(trust))["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="Write", PolicyDocument=_policy(statement))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("index.py", code)
    stack.client("lambda").create_function(
        FunctionName=name,
        Runtime=f"python{sys.version_info.major}.{sys.version_info.minor}",
        Handler="index.handler",
        Role=role,
        Timeout=30,
        Code={"ZipFile": packed.getvalue()},
        Environment={"Variables": {"BUCKET": stack.bucket}},
    )
    return role


def _policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})

"""Whose rights an export uses: those of the role that requested it, also for its objects in S3."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from ministack.core import iam_actions, iam_evaluator

from local_aws.exports.files import Place
from local_aws.replacements import replace, require
from local_aws.role_permissions import denial

ASSUMED_ROLE = ":assumed-role/"
NEEDED = ("s3:PutObject", "s3:PutObjectAcl", "s3:AbortMultipartUpload")

_acting_role: ContextVar[str | None] = ContextVar("_acting_role", default=None)
_original: dict[str, Callable[..., list[str]]] = {}


def install() -> None:
    """Let IAM see the table or export that a request names by its ARN; ministack takes any for these."""
    require(iam_evaluator, "_request_caller_arn")
    parameters = ("body", "region", "account_id")
    _original["arns"] = replace(iam_actions, "dynamodb_resource_arns", parameters, resource_arns)


def resource_arns(body: bytes, region: str, account_id: str) -> list[str]:
    """The ARNs that a request of DynamoDB is about."""
    arns = _original["arns"](body, region, account_id)
    if arns or b"Arn" not in (body or b""):
        return arns
    data = json.loads(body)
    is_export = "S3Bucket" in data and "TableArn" in data
    return [data["TableArn"] if is_export else data["ExportArn"]] if is_export or "ExportArn" in data else arns


@contextmanager
def acting_as(role_arn: str) -> Iterator[None]:
    """Calls inside are made by a state machine with this role."""
    token = _acting_role.set(role_arn)
    try:
        yield
    finally:
        _acting_role.reset(token)


def caller_role() -> str | None:
    """The role that the current request is made with, if any."""
    role_arn = _acting_role.get()
    caller: Any = iam_evaluator._request_caller_arn.get()
    if role_arn is not None or ASSUMED_ROLE not in caller:
        return role_arn
    account, _, session = caller.partition(ASSUMED_ROLE)
    return f"arn:aws:iam::{account.split(':')[4]}:role/{session.split('/')[0]}"


def write_denial(role_arn: str | None, place: Place) -> str | None:
    """Why the role may not write the export's objects, or None when it may; the bucket's policy is not looked at."""
    if role_arn is None:
        return None
    keys = (f"{place.folder}/_started", f"{place.data_folder}/data.json.gz")
    arns = (f"arn:aws:s3:::{place.bucket}/{key}" for key in keys)
    denials = (denial(role_arn, action, arn) for arn in arns for action in NEEDED)
    return next((message for message in denials if message is not None), None)

"""The Map Run that a request of a Lambda function is about: ministack would ask for the right to any."""

import json
from collections.abc import Callable
from typing import Any

from ministack.core import iam_actions

from local_aws.replacements import replace

_original: dict[str, Callable[..., str]] = {}


def install() -> None:
    """Let IAM see the ARN of a Map Run."""
    parameters = ("service", "method", "path", "headers", "body", "query_params", "region", "account_id")
    _original["arn"] = replace(iam_actions, "extract_resource_arn", parameters, resource_arn)


def resource_arn(  # noqa: PLR0917  (as ministack calls it)
    service: str,
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes,
    query_params: dict[str, Any],
    region: str,
    account_id: str,
) -> str:
    """The ARN that a request is about."""
    if service == "states" and b"mapRunArn" in (body or b""):
        return str(json.loads(body).get("mapRunArn", "*"))
    return _original["arn"](service, method, path, headers, body, query_params, region, account_id)

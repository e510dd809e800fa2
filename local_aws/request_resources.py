"""The action and resource that IAM checks for a request, where ministack takes it for any resource or for no action."""

import json
from collections.abc import Callable
from typing import Any

from ministack.core import iam_actions

from local_aws.athena.permissions import query_resource
from local_aws.replacements import replace, require

_original: dict[str, Callable[..., str]] = {}


def install() -> None:
    """Let IAM see the workgroup of a query, the Map Run that is asked about, and Lambda's calls without a function."""
    require(iam_actions, "_BOTOCORE_SERVICE_MAP")
    iam_actions._BOTOCORE_SERVICE_MAP.setdefault("lambda", ["lambda"])
    parameters = ("service", "method", "path", "headers", "body", "query_params", "region", "account_id")
    _original["arn"] = replace(iam_actions, "extract_resource_arn", parameters, resource_arn)


def resource_arn(  # noqa: PLR0917  (as ministack calls it)
    service_name: str,
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes,
    query_params: dict[str, Any],
    region: str,
    account_id: str,
) -> str:
    """The ARN that a request is about."""
    found = _original["arn"](service_name, method, path, headers, body, query_params, region, account_id)
    if service_name not in ("athena", "states") or found != "*":
        return found
    data = json.loads(body or b"{}")
    known = query_resource(data, region, account_id) if service_name == "athena" else data.get("mapRunArn")
    return known or found

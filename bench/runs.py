"""Whole workflow runs on a deployed copy of the project."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sluice_cli.sandbox import Sandbox

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions.type_defs import DescribeExecutionOutputTypeDef

RUN_SECONDS = 600


def completed(stack: Sandbox, workflow: str, document: Mapping[str, Any]) -> DescribeExecutionOutputTypeDef:
    """Run a workflow and describe its execution. Raises AssertionError when it does not succeed."""
    ended = stack.end_of(stack.start(workflow, document), RUN_SECONDS)
    if ended["status"] != "SUCCEEDED":
        raise AssertionError(f"{workflow} ended {ended['status']}: {ended.get('error')}: {ended.get('cause')}")
    return ended

"""The end of a run in its item."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from sluice.errors import SluiceError
from sluice.run_item.item_requests import close_item
from sluice.runs.paths import Run

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


def close_run(client: DynamoDBClient, table: str, run: Run, summary: Mapping[str, Any]) -> Mapping[str, Any]:
    """Note the summary's status and counts in the run's item, if possible: nothing depends on it.

    Returns the item, shard 0 of it, in DynamoDB JSON; empty if there is none.
    """
    with suppress(SluiceError):
        return close_item(
            client, table, run.item_key, status=summary["status"], counts=summary["counts"], now=time.time()
        )
    return {}

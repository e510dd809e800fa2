"""A run's item in the table of budgets: its limits, and the counters by which its workers know of each other."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING, Any

from sluice.aws.clients import aws_errors
from sluice.aws.retry import RetryPolicy
from sluice.aws.wire import Target, Wire
from sluice.errors import TableNotFoundError, UnexpectedResponseError
from sluice.run_item.budget import Budget, Claims, Kind, Tally

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


KEY, EXPIRES_AT, WORKERS, BEATS = "run", "expiresAt", "workers", "beats"
# A run that lasts longer loses its item: a worker makes it anew then.
KEPT_SECONDS = 60 * 86_400
# A beat that is late is of no use: the next one tells as much.
BEAT_RETRIES = RetryPolicy(attempts=4, longest_pause_seconds=0.5, give_up_seconds=2.0)
BEAT_TIMEOUT_SECONDS = 3.0

Call = Callable[[str, bytes], dict[str, Any]]


def create_item(dynamodb_client: DynamoDBClient, budget: Budget, now: float) -> None:
    """Make the run's item, unless it is there: then its limits stay as they are. `now`: seconds since 1970.

    Raises TableNotFoundError, AccessDeniedError, ServiceUnavailableError.
    """
    missing = TableNotFoundError(f"there is no table {budget.table}")
    with aws_errors(f"table {budget.table}", {"ResourceNotFoundException": missing}):
        dynamodb_client.update_item(**_update(budget, now, {WORKERS: "0"}))


def heartbeat_wire(wire: Wire) -> Wire:
    """The way of beats to the same endpoint: they do not wait for long."""

    def resolve() -> Target:
        target, timeout = wire.target, BEAT_TIMEOUT_SECONDS
        endpoint = replace(target.endpoint, connect_timeout_seconds=timeout, read_timeout_seconds=timeout)
        return replace(target, endpoint=endpoint)

    return Wire(resolve, BEAT_RETRIES)


class BudgetItem:
    """The item, for one worker. `call` is the wire's; `now` returns seconds since 1970."""

    def __init__(self, call: Call, budget: Budget, now: Callable[[], float] = time.time) -> None:
        self._call = call
        self._budget = budget
        self._now = now

    def heartbeat(self, demand: Claims, to_workers: float) -> Tally:
        """Add a beat, and so much to `workers`; return how the item stands then. Raises what `Wire.call` raises.

        An item that is gone is made anew, with the limits of the run's input.
        """
        added = {WORKERS: f"{to_workers:.6f}", BEATS: "1"}
        for kind, wanted in demand.items():
            is_under_share = wanted < inf
            added[_under_share(kind)] = str(int(is_under_share))
            added[_under_share_units(kind)] = f"{wanted if is_under_share else 0:.2f}"
        answer = self._add(added)
        try:
            return _tally(answer["Attributes"])
        except (KeyError, ValueError) as error:
            raise UnexpectedResponseError(
                f"the item {self._budget.key} of {self._budget.table} has no {error}"
            ) from error

    def leave(self) -> None:
        """Count this worker out. Raises what `Wire.call` raises."""
        self._add({WORKERS: "-1"})

    def _add(self, added: Mapping[str, str]) -> dict[str, Any]:
        return self._call("UpdateItem", json.dumps(_update(self._budget, self._now(), added)).encode())


def _update(budget: Budget, now: float, added: Mapping[str, str]) -> dict[str, Any]:
    """The request that adds to counters; it sets what an item is made with only where that is missing."""
    kept = {EXPIRES_AT: str(int(now) + KEPT_SECONDS)}
    kept |= {kind.limit_name: str(limit) for kind, limit in budget.limits.items() if limit is not None}
    values = {**kept, **added}
    sets = ", ".join(f"#{name} = if_not_exists(#{name}, :{name})" for name in kept)
    adds = ", ".join(f"#{name} :{name}" for name in added)
    return {
        "TableName": budget.table,
        "Key": {KEY: {"S": budget.key}},
        "UpdateExpression": f"SET {sets} ADD {adds}",
        "ExpressionAttributeNames": {f"#{name}": name for name in values},
        "ExpressionAttributeValues": {f":{name}": {"N": value} for name, value in values.items()},
        "ReturnValues": "ALL_NEW",
    }


def _tally(item: Mapping[str, Mapping[str, str]]) -> Tally:
    numbers = {name: float(value["N"]) for name, value in item.items() if "N" in value}
    return Tally(
        limits={kind: numbers.get(kind.limit_name) for kind in Kind},
        workers=numbers[WORKERS],
        heartbeats=int(numbers[BEATS]),
        under_share={kind: int(numbers[_under_share(kind)]) for kind in Kind},
        under_share_units={kind: numbers[_under_share_units(kind)] for kind in Kind},
    )


def _under_share(kind: Kind) -> str:
    return f"{kind}Modest"


def _under_share_units(kind: Kind) -> str:
    return f"{kind}ModestUnits"

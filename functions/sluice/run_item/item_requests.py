"""The requests about a run's item: to create it, to add heartbeats, to stop and to close the run.

Attributes of shard 0: `workflow`, `startedAt`, `plannedRows`, `plannedBytes`, `plannedParts`; once the run has been
summarised, `status`, `counts` and `endedAt`. Attributes of every shard: `shards`, `expiresAt`, the limits
`readUnitsPerSecond` and `writeUnitsPerSecond` (of the whole run), `stoppedAt` and `stoppedBy` (the stop flag), the
counters of progress.COUNTERS, `workers` and `heartbeats`; with a limit `readUnderShare`, `readUnderShareUnits`,
`writeUnderShare` and `writeUnderShareUnits`. Times are seconds since 1970. No shard is larger than 1 KB, so that an
update of it takes one write unit.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from math import inf
from typing import TYPE_CHECKING, Any

from sluice.aws.clients import aws_errors
from sluice.aws.retry import RetryPolicy
from sluice.aws.wire import Attempts, Target, Wire
from sluice.errors import StoppedError, TableNotFoundError, UnexpectedResponseError
from sluice.run_item.item import RunItem, shard_key
from sluice.run_item.progress import WorkDone
from sluice.run_item.shares import Demand, UnitKind, WorkerTally

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


RUN_KEY, EXPIRES_AT, SHARDS, WORKERS, HEARTBEATS = "run", "expiresAt", "shards", "workers", "heartbeats"
STOPPED_AT, STOPPED_BY = "stoppedAt", "stoppedBy"
# A run that lasts longer loses its item: a worker creates it again.
KEPT_SECONDS = 60 * 86_400
# One attempt: whether an attempt without an answer was carried out, nobody knows, and a second one would count twice.
HEARTBEAT_RETRIES = RetryPolicy(attempts=1)
HEARTBEAT_TIMEOUT_SECONDS = 3.0

Call = Callable[[str, bytes, Attempts], dict[str, Any]]
# Numbers as text, as DynamoDB has them.
Numbers = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PlanFacts:
    """What a plan knows beforehand: rows, bytes of the source and parts (ranges, files, segments); None if unknown."""

    workflow: str
    rows: int | None = None
    bytes: int | None = None
    parts: int | None = None

    def attributes(self, now: float) -> dict[str, Any]:
        """The attributes of shard 0, in DynamoDB JSON."""
        known = {"plannedRows": self.rows, "plannedBytes": self.bytes, "plannedParts": self.parts}
        numbers = {name: str(value) for name, value in known.items() if value is not None}
        return {"workflow": {"S": self.workflow}, **_typed({"startedAt": f"{now:.3f}", **numbers})}


def create_item(client: DynamoDBClient, table: str, item: RunItem, facts: PlanFacts, now: float) -> None:
    """Create the shards of a run's item; what is there already stays as it is. `now`: seconds since 1970.

    Raises StoppedError when the run is to stop already, TableNotFoundError, AccessDeniedError,
    ServiceUnavailableError.
    """
    missing = TableNotFoundError(f"there is no table {table}")
    with aws_errors(f"table {table}", {"ResourceNotFoundException": missing}):
        sets, added = created_with(item, now), {WORKERS: "0"}
        created = client.update_item(**_update(table, item, 0, added, sets | facts.attributes(now)))
        stop = {name: created["Attributes"][name] for name in (STOPPED_AT, STOPPED_BY) if name in created["Attributes"]}
        for shard in range(1, item.shards):
            client.update_item(**_update(table, item, shard, added, sets | stop))
    if stop:
        raise StoppedError("the run was stopped while it was planned")


def stop_run(client: DynamoDBClient, table: str, key: str, by: str, now: float) -> bool:
    """Set the stop flag in all shards of a run's item; False when there is no such item. Raises what AWS raises."""
    shards, shard = 1, 0
    while shard < shards:
        try:
            answer = client.update_item(**stop_request(table, shard_key(key, shard), by, now))
        except client.exceptions.ConditionalCheckFailedException:
            return False
        shards = int(answer["Attributes"].get(SHARDS, {}).get("N", 1))
        shard += 1
    return True


def stop_request(table: str, key: str, by: str, now: float) -> Any:
    """The UpdateItem that sets the stop flag of a shard; the first one to set it stays named."""
    return {
        "TableName": table,
        "Key": {RUN_KEY: {"S": key}},
        "UpdateExpression": f"SET {STOPPED_AT} = if_not_exists({STOPPED_AT}, :at), "
        f"{STOPPED_BY} = if_not_exists({STOPPED_BY}, :by)",
        "ConditionExpression": f"attribute_exists({RUN_KEY})",
        "ExpressionAttributeValues": {":at": {"N": f"{now:.3f}"}, ":by": {"S": by}},
        "ReturnValues": "ALL_NEW",
    }


def close_item(
    client: DynamoDBClient, table: str, key: str, *, status: str, counts: Mapping[str, int], now: float
) -> Mapping[str, Any]:
    """Note in shard 0 that the run has ended, how, and with which counts. Returns the shard in DynamoDB JSON.

    Raises UnexpectedResponseError when there is no such item, AccessDeniedError, ServiceUnavailableError.
    """
    typed = {"M": _typed({name: str(count) for name, count in counts.items()})}
    values: Any = {":status": {"S": status}, ":counts": typed, ":endedAt": {"N": f"{now:.3f}"}}
    with aws_errors(f"the item {key} of table {table}"):
        closed = client.update_item(
            TableName=table,
            Key={RUN_KEY: {"S": key}},
            UpdateExpression="SET #status = :status, #counts = :counts, #endedAt = :endedAt",
            ConditionExpression=f"attribute_exists({RUN_KEY})",
            ExpressionAttributeNames={f"#{name}": name for name in ("status", "counts", "endedAt")},
            ExpressionAttributeValues=values,
            ReturnValues="ALL_NEW",
        )
    return closed["Attributes"]


def heartbeat_wire(wire: Wire) -> Wire:
    """A wire for heartbeats to the same endpoint: they are sent once, and do not wait for long."""

    def resolve() -> Target:
        target, timeout = wire.target, HEARTBEAT_TIMEOUT_SECONDS
        endpoint = replace(target.endpoint, connect_timeout_seconds=timeout, read_timeout_seconds=timeout)
        return replace(target, endpoint=endpoint)

    return Wire(resolve, HEARTBEAT_RETRIES)


class Shard:
    """One shard of the run's item, for one worker. `call` is the wire's; `now` returns seconds since 1970."""

    def __init__(
        self, call: Call, table: str, item: RunItem, shard: int = 0, now: Callable[[], float] = time.time
    ) -> None:
        self._call = call
        self._table = table
        self._item = item
        self._shard = shard
        self._now = now

    def heartbeat(self, demand: Demand, to_workers: float, done: WorkDone, attempts: Attempts) -> WorkerTally:
        """Add a heartbeat, `to_workers` and `done`; return how the shard stands then. Raises what `Wire.call` raises.

        `attempts.may_have_run` says after an error whether they may have been added. A missing item is created
        again, with the limits of the run's input.
        """
        added = {WORKERS: f"{to_workers:.6f}", HEARTBEATS: "1", **dict(done.counters())}
        for kind, wanted in demand.items():
            is_under_share = wanted < inf
            added[_under_share(kind)] = str(int(is_under_share))
            added[_under_share_units(kind)] = f"{wanted if is_under_share else 0:.2f}"
        answer = self._add(added, attempts)
        try:
            return _tally(answer["Attributes"])
        except (KeyError, ValueError) as error:
            problem = f"the item {self._item.shard_key(self._shard)} of {self._table} has no {error}"
            raise UnexpectedResponseError(problem) from error

    def leave(self, to_workers: float, done: WorkDone) -> None:
        """Add to `workers`, usually -1, and what the worker has done at last. Raises what `Wire.call` raises."""
        self._add({WORKERS: f"{to_workers:.6f}", **dict(done.counters())}, Attempts())

    def _add(self, added: Numbers, attempts: Attempts) -> dict[str, Any]:
        request = _update(self._table, self._item, self._shard, added, created_with(self._item, self._now()))
        return self._call("UpdateItem", json.dumps(request).encode(), attempts)


def created_with(item: RunItem, now: float) -> dict[str, Any]:
    """The attributes that a shard is created with, in DynamoDB JSON."""
    numbers = {EXPIRES_AT: str(int(now) + KEPT_SECONDS), SHARDS: str(item.shards)}
    limits = {kind.limit_name: str(limit) for kind, limit in item.limits.items() if limit is not None}
    return _typed(numbers | limits)


def _update(table: str, item: RunItem, shard: int, added: Numbers, sets: Mapping[str, Any]) -> Any:
    """The request that adds to counters; attributes of `sets` it sets only where they are missing."""
    values = {**sets, **_typed(added)}
    return {
        "TableName": table,
        "Key": {RUN_KEY: {"S": item.shard_key(shard)}},
        "UpdateExpression": f"SET {_each(sets, '#{0} = if_not_exists(#{0}, :{0})')} ADD {_each(added, '#{0} :{0}')}",
        "ExpressionAttributeNames": {f"#{name}": name for name in values},
        "ExpressionAttributeValues": {f":{name}": value for name, value in values.items()},
        "ReturnValues": "ALL_NEW",
    }


def _each(names: Iterable[str], clause: str) -> str:
    return ", ".join(clause.format(name) for name in names)


def _typed(numbers: Numbers) -> dict[str, Any]:
    return {name: {"N": value} for name, value in numbers.items()}


def _tally(shard: Mapping[str, Mapping[str, str]]) -> WorkerTally:
    numbers = {name: float(value["N"]) for name, value in shard.items() if "N" in value}
    return WorkerTally(
        limits={kind: numbers.get(kind.limit_name) for kind in UnitKind},
        workers=numbers[WORKERS],
        heartbeats=int(numbers[HEARTBEATS]),
        under_share={kind: int(numbers.get(_under_share(kind), 0)) for kind in UnitKind},
        under_share_units={kind: numbers.get(_under_share_units(kind), 0.0) for kind in UnitKind},
        is_stopped=STOPPED_AT in shard,
    )


def _under_share(kind: UnitKind) -> str:
    return f"{kind}UnderShare"


def _under_share_units(kind: UnitKind) -> str:
    return f"{kind}UnderShareUnits"

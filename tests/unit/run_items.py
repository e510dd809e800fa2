"""Run items that tests hold in memory, and heartbeats that go nowhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from threading import Lock
from typing import Any

import boto3

from sluice.aws.retry import RetryPolicy
from sluice.aws.wire import Attempts
from sluice.errors import SluiceError
from sluice.run_item.progress import WorkDone
from sluice.run_item.shares import Demand, UnitKind, WorkerTally
from sluice.run_item.worker import Heartbeats
from tests.unit.fake_dynamodb import wire_to

TABLE = "runs-table"


@dataclass
class FakeItem:
    """Holds what was added; `errors` are raised, one per call, before it answers again."""

    limit: float | None = 1e9
    workers: float = 0.0
    heartbeats: int = 0
    done: WorkDone = field(default_factory=WorkDone)
    is_stopped: bool = False
    errors: list[SluiceError] = field(default_factory=list)
    may_have_run: bool = False
    on_heartbeat: Callable[[], object] = lambda: None

    def heartbeat(self, demand: Demand, to_workers: float, done: WorkDone, attempts: Attempts) -> WorkerTally:
        """As Shard.heartbeat."""
        assert set(demand) in (set(UnitKind), set())
        if self.errors:
            attempts.may_have_run = self.may_have_run
            raise self.errors.pop(0)
        self.workers += to_workers
        self.heartbeats += 1
        self.done += done
        self.on_heartbeat()
        nothing, limits = dict.fromkeys(UnitKind, 0), {UnitKind.READ: self.limit, UnitKind.WRITE: None}
        return WorkerTally(limits, self.workers, self.heartbeats, nothing, nothing, self.is_stopped)

    def leave(self, to_workers: float, done: WorkDone) -> None:
        """As Shard.leave."""
        if self.errors:
            raise self.errors.pop(0)
        self.workers += to_workers
        self.done += done


class FakeRunTable:
    """UpdateItem with SET if_not_exists, then ADD, of numbers and strings: `call` is a wire's."""

    def __init__(self) -> None:
        self.items: dict[str, dict[str, Any]] = {}
        self.requests: list[dict[str, Any]] = []
        self._lock = Lock()

    def call(self, operation: str, body: bytes, _attempts: Attempts | None = None) -> dict[str, Any]:
        """One UpdateItem."""
        request = json.loads(body)
        assert (operation, request["TableName"]) == ("UpdateItem", TABLE)
        with self._lock:
            self.requests.append(request)
            return {"Attributes": dict(self._update(request))}

    def heartbeats(self) -> Heartbeats:
        """Heartbeats to the table."""
        return Heartbeats(self, TABLE)  # type: ignore[arg-type]

    def numbers(self, key: str) -> dict[str, float]:
        """The number attributes of an item."""
        return {name: float(value["N"]) for name, value in self.items[key].items() if "N" in value}

    def stop(self, key: str) -> None:
        """Set the stop flag."""
        self.items.setdefault(key, {"run": {"S": key}})["stoppedAt"] = {"N": "1800000000.0"}

    def _update(self, request: dict[str, Any]) -> dict[str, Any]:
        key = request["Key"]["run"]["S"]
        item = self.items.setdefault(key, {"run": {"S": key}})
        names, values = request["ExpressionAttributeNames"], request["ExpressionAttributeValues"]
        sets, _, adds = request["UpdateExpression"].removeprefix("SET ").partition(" ADD ")
        for clause in sets.split(", #"):
            name, value = clause.removeprefix("#").split(" = ")
            assert value.startswith(f"if_not_exists(#{name}, :")
            item.setdefault(names[f"#{name}"], values[f":{name}"])
        for clause in adds.split(", "):
            name, value = clause.split()
            before = Decimal(item.get(names[name], {"N": "0"})["N"])
            item[names[name]] = {"N": str(before + Decimal(values[value]["N"]))}
        return item


def no_heartbeats() -> Heartbeats:
    """Heartbeats that nobody answers."""
    return Heartbeats.to(TABLE, wire_to("http://127.0.0.1:9", RetryPolicy(attempts=1)))


def create_run_table() -> None:
    """The table of runs, in moto."""
    boto3.client("dynamodb").create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "run", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "run", "KeyType": "HASH"}],
    )

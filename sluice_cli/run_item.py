"""A run's item in the table of runs: its progress is read, its limits and its stop flag are set in all of its shards.

`functions/sluice/run_item/item_requests.py` says which attributes it has.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from sluice.dynamodb.prices import units_usd
from sluice_cli.aws import Aws, error_code

if TYPE_CHECKING:
    from sluice_cli.run import Run
    from sluice_cli.stack import Stack

READS, WRITES, WORKERS = "readUnitsPerSecond", "writeUnitsPerSecond", "workers"
STOPPED_AT, STOPPED_BY = "stoppedAt", "stoppedBy"
KEY, SHARDS, EXPIRES_AT = "run", "shards", "expiresAt"
KEPT_SECONDS = 60 * 86_400
RUN_TABLE = "RunTable"
MISSING = "ConditionalCheckFailedException"
# Of these the plan knows how many rows there are; of others it knows what DescribeTable says, which may be old.
EXACTLY_PLANNED = frozenset({"csv_load", "csv_load_direct", "export_process"})


@dataclass(frozen=True)
class RunItem:
    """`numbers` are the shards' sums; limits and what was planned stand in the first one."""

    workflow: str
    numbers: Mapping[str, float]
    is_stopped: bool = False

    @property
    def planned_rows(self) -> int | None:
        """How many rows the run has to do, if its plan knows."""
        planned = self.numbers.get("plannedRows")
        return None if planned is None else int(planned)

    @property
    def rows(self) -> int:
        """Rows done; those of a slice that is done again may be counted twice for a while."""
        done = max(0, int(self.numbers.get("rowsRead", 0)))
        planned = self.planned_rows
        return min(done, planned) if planned is not None and self.workflow in EXACTLY_PLANNED else done

    @property
    def rejected(self) -> int:
        """Rows rejected so far."""
        return max(0, int(self.numbers.get("rowsRejected", 0)))

    @property
    def units(self) -> tuple[float, float]:
        """Read and write units taken so far."""
        return self.numbers.get("readUnits", 0.0), self.numbers.get("writeUnits", 0.0)

    @property
    def usd(self) -> float:
        """What the units have cost so far, on demand."""
        return units_usd(*self.units)


def read_item(aws: Aws, table: str, run: "Run") -> RunItem | None:
    """The run's item with all of its shards; None when there is none. Raises what the calls raise."""
    shards = read_shards(aws, table, run)
    return summed(run.workflow, *shards) if shards else None


def read_shards(aws: Aws, table: str, run: "Run") -> list[dict[str, Any]]:
    """The shards of the run's item in DynamoDB JSON; none when there is no item. Raises what the calls raise."""
    first = aws.dynamodb.get_item(TableName=table, Key=_key(run, 0), ConsistentRead=True).get("Item")
    if first is None:
        return []
    others = [
        aws.dynamodb.get_item(TableName=table, Key=_key(run, shard), ConsistentRead=True).get("Item", {})
        for shard in range(1, _shards(first))
    ]
    return [first, *others]


def rows_reader(aws: Aws, stack: "Stack", run: "Run") -> Callable[[], RunItem | None]:
    """What reads the run's item; nothing on a stack that is older than run items."""
    table = stack.outputs.get(RUN_TABLE)
    return lambda: read_item(aws, table, run) if table else None


def summed(workflow: str, first: Mapping[str, Any], *others: Mapping[str, Any]) -> RunItem:
    """The item of these shards."""
    numbers = _numbers(first)
    for shard in others:
        for name, value in _numbers(shard).items():
            if name not in (READS, WRITES, SHARDS, EXPIRES_AT, STOPPED_AT):
                numbers[name] = numbers.get(name, 0.0) + value
    return RunItem(workflow, numbers, STOPPED_AT in first)


def set_limits(aws: Aws, table: str, run: "Run", limits: Mapping[str, int]) -> bool:
    """Set limits in all shards; False when the run has none: its workers would not keep to them."""
    request = {
        "UpdateExpression": "SET " + ", ".join(f"#{name} = :{name}" for name in limits),
        "ConditionExpression": f"attribute_exists({READS}) OR attribute_exists({WRITES})",
        "ExpressionAttributeNames": {f"#{name}": name for name in limits},
        "ExpressionAttributeValues": {f":{name}": {"N": str(units)} for name, units in limits.items()},
    }
    try:
        _update_shards(aws, table, run, request)
    except ClientError as error:
        if error_code(error) == MISSING:
            return False
        raise
    return True


def set_stop(aws: Aws, table: str, run: "Run") -> None:
    """Set the stop flag in all shards. A run that is still planned has no item: it gets one, and its plan finds it."""
    now = time.time()
    request = {
        "UpdateExpression": f"SET {STOPPED_AT} = if_not_exists({STOPPED_AT}, :at), "
        f"{STOPPED_BY} = if_not_exists({STOPPED_BY}, :by), {EXPIRES_AT} = if_not_exists({EXPIRES_AT}, :end)",
        "ExpressionAttributeValues": {
            ":at": {"N": f"{now:.3f}"},
            ":by": {"S": "sluice stop"},
            ":end": {"N": str(int(now) + KEPT_SECONDS)},
        },
    }
    _update_shards(aws, table, run, request)


def _update_shards(aws: Aws, table: str, run: "Run", request: Mapping[str, Any]) -> None:
    shard, shards = 0, 1
    while shard < shards:
        answer = aws.dynamodb.update_item(TableName=table, Key=_key(run, shard), ReturnValues="ALL_NEW", **request)
        shards = max(shards, _shards(answer["Attributes"]))
        shard += 1


def _key(run: "Run", shard: int) -> dict[str, Any]:
    return {KEY: {"S": f"{run.workflow}/{run.name}" + (f"#{shard}" if shard else "")}}


def _shards(item: Mapping[str, Any]) -> int:
    return int(item.get(SHARDS, {}).get("N", 1))


def _numbers(item: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value["N"]) for name, value in item.items() if "N" in value}

"""What the journal of table_transform costs, and how long an undo takes, against services that only acknowledge."""

from __future__ import annotations

import copy
import gc
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from bench.distinct_cpu import functions_collector
from bench.export_contestants import Clients, clients
from bench.export_files import flight_items
from bench.figures import Better, Measurement, figure
from bench.flights import KEYS
from bench.null_endpoint import NullServices, in_process
from bench.transform_contestants import BUCKET, CHANGED, EVENT, bench_transforms
from bench.whole_items import WholeItems
from sluice.dynamodb.items import item_size
from sluice.run_item.worker import Heartbeats
from sluice.workflows.table_transform import batches
from sluice.workflows.table_transform.journal import JournalEntry, JournalStore
from sluice.workflows.table_transform.progress import SegmentRequest
from sluice.workflows.table_transform.work import SegmentWork

ITEMS, ROUNDS, ITEM_BYTES = 20_000, 4, 1024
# What S3 takes for a PutObject of some hundred kilobytes from a function in its Region.
PUT_SECONDS = 0.03


@figure("journal_cost", goal=0.9, better=Better.HIGHER, unit="ratio")
def journal_cost() -> Measurement:
    """Items per second with the journal over without it: the lesser of CPU time and wall time."""
    services = NullServices(KEYS, table=table_of(kilobyte_items(ITEMS)), put_seconds=PUT_SECONDS)
    with in_process(services) as url, clients(url) as through, functions_collector():
        contestants = {"with": lambda: apply(through), "without": lambda: without_journal(through)}
        best = best_seconds(contestants, ITEMS, ROUNDS)
    cpu, wall = (best["without"][kind] / best["with"][kind] for kind in ("cpu", "wall"))
    detail: dict[str, Any] = {
        "items": ITEMS,
        "itemBytes": ITEM_BYTES,
        "putSeconds": PUT_SECONDS,
        "compared": f"the best of {ROUNDS} turns of each: all that transform_segment does with its event, with and "
        "without building lines and creating entries",
        "cpu": round(cpu, 3),
        "wall": round(wall, 3),
        "itemsPerCpuSecond": {name: round(ITEMS / each["cpu"]) for name, each in best.items()},
    }
    return Measurement(min(cpu, wall), detail)


@figure("undo_vs_apply", goal=1.5, better=Better.LOWER, unit="ratio")
def undo_vs_apply() -> Measurement:
    """The time of an undo over that of the run that it takes back."""
    items = kilobyte_items(ITEMS)
    services = NullServices(
        KEYS, table=table_of(items), put_seconds=PUT_SECONDS, keeps_objects=True, read_table=ChangedItems(items)
    )
    with in_process(services) as url, clients(url) as through, functions_collector():
        best = best_seconds({"apply": lambda: apply(through), "undo": lambda: undo(through)}, ITEMS, ROUNDS)
    detail: dict[str, Any] = {
        "items": ITEMS,
        "itemBytes": ITEM_BYTES,
        "compared": f"the best wall time of {ROUNDS} turns of each, one segment; the undo reads the run's journal",
        "seconds": {name: round(each["wall"], 3) for name, each in best.items()},
    }
    return Measurement(best["undo"]["wall"] / best["apply"]["wall"], detail)


def kilobyte_items(count: int) -> list[bytes]:
    """Flights with a remark that makes each of them 1 KB."""
    items = []
    for body in flight_items(count):
        item = json.loads(body)
        item["remark"] = {"S": ""}
        item["remark"] = {"S": "x" * (ITEM_BYTES - item_size(item))}
        items.append(json.dumps(item).encode())
    return items


def table_of(items: Sequence[bytes]) -> WholeItems:
    """The table that is scanned."""
    return WholeItems(items, [key["name"] for key in KEYS])


@dataclass(frozen=True)
class ChangedItems:
    """The table as the run leaves it, read by key."""

    items: Sequence[bytes]

    def batch_get(self, request: Mapping[str, Any]) -> bytes:
        """The answer to a BatchGetItem of items that are there."""
        ((name, wanted),) = request["RequestItems"].items()
        found = self._by_key()
        items = b",".join(found[_key(each)] for each in wanted["Keys"])
        units = json.dumps([{"TableName": name, "CapacityUnits": float(len(wanted["Keys"]))}]).encode()
        return b'{"Responses":{"%b":[%b]},"UnprocessedKeys":{},"ConsumedCapacity":%b}' % (name.encode(), items, units)

    def _by_key(self) -> dict[str, bytes]:
        known: dict[str, bytes] = self.__dict__.setdefault("known", {})
        if not known:
            for body in self.items:
                item = json.loads(body)
                item[CHANGED] = {"S": item[CHANGED]["S"].lower()}
                known[_key(item)] = json.dumps(item).encode()
        return known


def _key(item: Mapping[str, Any]) -> str:
    return json.dumps([item[key["name"]] for key in KEYS])


def apply(through: Clients) -> int:
    """The run."""
    return _changed(through, EVENT)


def undo(through: Clients) -> int:
    """A run that takes it back."""
    event = copy.deepcopy(EVENT)
    event["run"] |= {"name": "undo"}  # type: ignore[operator]
    event["transform"] |= {"way": {}, "undoes": ["bench"]}  # type: ignore[operator]
    return _changed(through, event)


def _changed(through: Clients, event: Mapping[str, Any]) -> int:
    with bench_transforms():
        progress: Any = None
        heartbeats = Heartbeats.to("runs", through.wire)
        while progress is None or not progress["done"]:
            request = SegmentRequest.from_event({**event, "progress": progress})
            progress = SegmentWork(through.s3, through.wire, heartbeats, BUCKET, request).run(lambda: False)
    return int(progress["changes"]["changed"])


def without_journal(through: Clients) -> int:
    """The same run, which announces nothing."""
    with no_journal():
        return apply(through)


@contextmanager
def no_journal() -> Iterator[None]:
    """Lines are not built, and entries are not created."""

    def create(_store: JournalStore, _slice: int, _entry: JournalEntry) -> bool:
        return True

    with patch.object(batches, "line_of", lambda _change, _key: b""), patch.object(JournalStore, "create", create):
        yield


def best_seconds(contestants: Mapping[str, Callable[[], int]], items: int, rounds: int) -> dict[str, dict[str, float]]:
    """The least CPU and wall seconds of each in so many rounds of turns, after one that does not count.

    Raises AssertionError when one does not change all the items.
    """
    best = {name: {"cpu": float("inf"), "wall": float("inf")} for name in contestants}
    for is_counted in [False] + [True] * rounds:
        for name, contestant in contestants.items():
            gc.collect()
            cpu, wall = time.process_time(), time.perf_counter()
            changed = contestant()
            seconds = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
            if changed != items:
                raise AssertionError(f"{name} changed {changed:,} items of {items:,}")
            if is_counted:
                best[name] = {kind: min(best[name][kind], each) for kind, each in seconds.items()}
    return best

"""Slices of a segment over tables in memory, for tests that run them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from typing import Any

from sluice.dynamodb.keys import KeySchema
from sluice.dynamodb.writers import OnConflict
from sluice.mapping.transforms import Transform
from sluice.run_item.item import RunItem
from sluice.run_item.shares import UnitKind
from sluice.run_item.worker import RunWorker
from sluice.runs.input import APPLY, DRY_RUN
from sluice.runs.paths import Run
from sluice.workflows.table_transform.batches import Plan
from sluice.workflows.table_transform.input import Table, TransformJob
from sluice.workflows.table_transform.journal import JournalStore
from sluice.workflows.table_transform.progress import TransformProgress
from sluice.workflows.table_transform.requests import ItemFilter
from sluice.workflows.table_transform.slice import SegmentSliceResult
from sluice.workflows.table_transform.transforms import TransformedForTarget, TransformedInPlace
from sluice.workflows.table_transform.work import PlanInPlace, PlanIntoTarget, SliceContext, SliceWork, plan_for
from tests.unit.fake_s3 import FakeS3
from tests.unit.fake_tables import FakeTable, FakeTables, Json
from tests.unit.run_items import FakeItem

Item = dict[str, Any]

BIRDS = KeySchema.from_state([{"name": "pk", "type": "S"}])
NESTS = KeySchema.from_state([{"name": "id", "type": "S"}])
BIRDS_TABLE = Table("birds", BIRDS)
NESTS_TABLE = Table("nests", NESTS)


def never() -> bool:
    return False


def always() -> bool:
    return True


def bird(name: str, /, **attributes: Any) -> Json:
    """An item of the source: texts are S, whole numbers N."""
    return {"pk": {"S": name}} | {key: typed(value) for key, value in attributes.items()}


def typed(value: Any) -> Json:
    return {"N": str(value)} if isinstance(value, int) else {"S": value}


def birds_and_nests(*birds: Json, page_items: int = 1_000) -> FakeTables:
    """The source with these items, and an empty target."""
    tables = FakeTables(birds=FakeTable(BIRDS, page_items), nests=FakeTable(NESTS))
    tables.tables["birds"].put(*birds)
    return tables


class InlineExecutor(Executor):
    """Runs what is submitted at once."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - raised when the result is read
            future.set_exception(error)
        return future


def job(**changed: Any) -> TransformJob:
    """Applied in place by default."""
    usual = TransformJob(
        table=BIRDS_TABLE,
        target=None,
        item_source={},
        where=None,
        mode=APPLY,
        total_segments=1,
        on_conflict=OnConflict.REPLACE,
        deletes_source=False,
        run_item=None,
        item_bytes=None,
        sample_per_segment=3,
    )
    return replace(usual, **changed)


@dataclass(frozen=True)
class Segment:
    """The whole table as one segment of a run; one request at a time, so that each test sees the same order.

    `s3` holds the journals of the run, and of others that it continues.
    """

    tables: FakeTables
    transform: Transform
    job: TransformJob
    threads: int = 1
    limits: Mapping[UnitKind, float | None] = field(default_factory=lambda: dict.fromkeys(UnitKind))
    s3: FakeS3 = field(default_factory=FakeS3)
    name: str = "run"
    executor: Executor = field(default_factory=InlineExecutor)

    def run(
        self,
        progress: TransformProgress | None = None,
        is_time_up: Callable[[], bool] = never,
    ) -> SegmentSliceResult:
        """One attempt at one slice."""
        progress = progress or TransformProgress()
        worker = RunWorker(RunItem("", self.limits, 1), FakeItem(), is_time_up)
        worker.reads.grant_least()
        worker.writes.grant_least()
        context = SliceContext(self.tables, self.store, self.executor, worker, self.threads)
        end = SliceWork(self.job, 0, progress, self._plan(), context).run(is_time_up)
        sizes = end.head["parts"]
        return SegmentSliceResult(
            TransformProgress.from_state(json.loads(json.dumps(end.head["progress"]))),
            end.body[: sizes["rejects"]],
            end.body[sizes["rejects"] :][: sizes["sample"]],
        )

    def run_to_the_end(self, is_time_up: Callable[[], bool] = always) -> TransformProgress:
        """Slice after slice, each of which ends as soon as it may."""
        progress = TransformProgress()
        while not progress.is_done:
            progress = self.run(progress, is_time_up).progress
        return progress

    @property
    def store(self) -> JournalStore:
        """The journals of the segment."""
        run = Run("table_transform", self.name, f"arn:aws:states:us-east-1:000000000000:execution:t:{self.name}")
        s3: Any = self.s3
        return JournalStore(s3, "data", run, 0)

    def _plan(self) -> Plan:
        target = self.job.target
        if self.job.undoes:
            return plan_for(self.job)
        if target is None:
            return PlanInPlace(TransformedInPlace(self.transform, self.job.table.schema))
        transform = TransformedForTarget(self.transform, target.schema, deletes=self.job.deletes_source)
        return PlanIntoTarget(transform, self.job.deletes_source)


def in_place(tables: FakeTables, transform: Transform, **changed: Any) -> Segment:
    return Segment(tables, transform, job(**changed))


def dry_run(tables: FakeTables, transform: Transform, **changed: Any) -> Segment:
    return Segment(tables, transform, job(mode=DRY_RUN, **changed))


def into_nests(tables: FakeTables, transform: Transform, **changed: Any) -> Segment:
    return Segment(tables, transform, job(target=NESTS_TABLE, **changed))


def where(expression: str, names: Mapping[str, str], **values: Any) -> ItemFilter:
    return ItemFilter(expression, names, {f":{name}": typed(value) for name, value in values.items()})


def louder(item: Item) -> Item:
    item["name"] = item["name"].upper()
    return item


def named(*names: str) -> FakeTables:
    return birds_and_nests(*(bird(f"b{number}", name=name) for number, name in enumerate(names)), page_items=3)


def names(tables: FakeTables) -> list[str]:
    return [item["name"]["S"] for item in tables.tables["birds"].all]


def lines(body: bytes) -> list[Json]:
    return [json.loads(line) for line in body.splitlines()]


def nest(item: Item) -> Item:
    return {"id": item["pk"], "name": item["name"]}

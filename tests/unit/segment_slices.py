"""Slices of a segment over tables in memory, for tests that run them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

from sluice.dynamodb.keys import KeySchema
from sluice.dynamodb.writers import OnConflict
from sluice.mapping.transforms import Transform
from sluice.run_item.item import RunItem
from sluice.run_item.shares import Kind
from sluice.run_item.worker import RunWorker
from sluice.workflows.table_transform.changes import Where
from sluice.workflows.table_transform.input import APPLY, DRY_RUN, Table, TransformJob
from sluice.workflows.table_transform.progress import TransformProgress
from sluice.workflows.table_transform.scan import ItemScan, Pages
from sluice.workflows.table_transform.slice import (
    ItemWriter,
    SliceResult,
    TransformSlice,
    WriterContext,
    in_place_item_writer,
    target_item_writer,
)
from sluice.workflows.table_transform.slice_log import Sample, SliceLog
from sluice.workflows.table_transform.transforms import TransformedForTarget, TransformedInPlace
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
        except Exception as error:  # noqa: BLE001 - told when the result is asked for
            future.set_exception(error)
        return future


def job(**changed: Any) -> TransformJob:
    """Applied in place, unless told otherwise."""
    usual = TransformJob(
        table=BIRDS_TABLE,
        target=None,
        way={},
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
    """The whole table as one segment; one request at a time, so that each test sees the same order."""

    tables: FakeTables
    transform: Transform
    job: TransformJob
    threads: int = 1
    limits: Mapping[Kind, float | None] = field(default_factory=lambda: dict.fromkeys(Kind))

    def run(
        self,
        progress: TransformProgress | None = None,
        is_time_up: Callable[[], bool] = never,
        *,
        is_repeat: bool = False,
    ) -> SliceResult:
        """One slice."""
        progress = progress or TransformProgress()
        sample = Sample(self.job.sample_per_segment, "seed")
        ledger = SliceLog(progress, self.job.table.schema, sample, is_dry_run=self.job.is_dry_run)
        pace = RunWorker(RunItem("", self.limits, 1), FakeItem(), is_time_up)
        pace.reads.grant_least()
        pace.writes.grant_least()
        means = WriterContext(self.tables, ledger, pace.writes, is_repeat or progress.is_interrupted, self.threads)
        scan = ItemScan(self.job.table.name, 0, self.job.total_segments, self.job.where)
        with closing(self._item_writer(means)) as item_writer:
            pages = Pages(scan, progress.start_key, self.tables.call, pace.reads, InlineExecutor())
            return TransformSlice(pages, item_writer, ledger).run(is_time_up)

    def run_to_the_end(self) -> TransformProgress:
        """Slice after slice, a check of the time each."""
        progress = TransformProgress()
        while not progress.is_done:
            progress = self.run(progress, always).progress
        return progress

    def _item_writer(self, means: WriterContext) -> ItemWriter:
        target = self.job.target
        if target is None:
            return in_place_item_writer(self.job, TransformedInPlace(self.transform, self.job.table.schema), means)
        transform = TransformedForTarget(self.transform, target.schema, deletes=self.job.deletes_source)
        return target_item_writer(self.job, target, transform, means)


def in_place(tables: FakeTables, transform: Transform, **changed: Any) -> Segment:
    return Segment(tables, transform, job(**changed))


def dry_run(tables: FakeTables, transform: Transform, **changed: Any) -> Segment:
    return Segment(tables, transform, job(mode=DRY_RUN, **changed))


def into_nests(tables: FakeTables, transform: Transform, **changed: Any) -> Segment:
    return Segment(tables, transform, job(target=NESTS_TABLE, **changed))


def where(expression: str, names: Mapping[str, str], **values: Any) -> Where:
    return Where(expression, names, {f":{name}": typed(value) for name, value in values.items()})


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

"""The plan of a run: what its listing, its batches and its summary need to know of the input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from sluice.aws.clients import aws_errors
from sluice.errors import InvalidInputError
from sluice.run_item.item import NO_LIMITS, RunItem
from sluice.runs.input import ToleratedFailures
from sluice.runs.paths import Run
from sluice.runs.plans import read_plan_state
from sluice.state import Inline, VersionedState
from sluice.workflows.object_map.input import (
    INVENTORY,
    PREFIX,
    Bounds,
    Filters,
    ObjectAction,
    ObjectMapInput,
    ObjectSource,
)
from sluice.workflows.object_map.inventory import InventoryReader
from sluice.workflows.object_map.listing import EarlierListing, Reader
from sluice.workflows.object_map.objects import ObjectCheck
from sluice.workflows.object_map.readers import EarlierReader, FileReader, PrefixReader

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True)
class ActionPlan(VersionedState):
    """PlanActions' result. `run_item`: see `RunItem.to_state`; `shards`: how many shards that item has."""

    what: ClassVar = "the run's plan"

    source: ObjectSource
    filters: Filters
    action: ObjectAction
    bounds: Bounds
    mode: str
    batch_size: int
    max_batch_bytes: int | None
    max_concurrency: int
    child_type: str
    tolerated_failures: Annotated[ToleratedFailures, Inline]
    rejects_tolerated: dict[str, float] | None
    resumed_run: str | None
    run_item: Mapping[str, Any]
    shards: int
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, request: ObjectMapInput, run: Run, workers: int, notes: tuple[str, ...]) -> ActionPlan:
        """The plan of an input with so many children at a time."""
        item = RunItem(run.item_key, NO_LIMITS, workers)
        own = {name: getattr(request, name) for name in ObjectMapInput.__slots__}
        return cls(**own | {"max_concurrency": workers}, run_item=item.to_state(), shards=item.shards, notes=notes)

    def reader(self, s3: S3Client, data_bucket: str, run: Run) -> Reader:
        """Where the run's objects are found."""
        if self.resumed_run:
            earlier = read_earlier(s3, data_bucket, run, self.resumed_run)
            return EarlierReader(s3, data_bucket, replace(run, name=self.resumed_run), earlier.parts)
        if self.source.kind == PREFIX:
            return PrefixReader(s3, self.source.bucket, self.filters.prefix)
        size_of_batch = (("Size", "maxBatchBytes"),) if self.max_batch_bytes else ()
        check = ObjectCheck(f"{self.source.kind}.key", self.bounds, self.filters.needed + size_of_batch)
        reader = InventoryReader if self.source.kind == INVENTORY else FileReader
        return reader(s3, self.source.bucket, self.source.key or "", check)


def read_earlier(s3: S3Client, data_bucket: str, run: Run, name: str) -> EarlierListing:
    """The listing of the run that is resumed. Raises InvalidInputError when it has none."""
    return read_plan_state(s3, data_bucket, replace(run, name=name), EarlierListing, "listed its objects")


def check_resumed(request: ObjectMapInput, earlier: EarlierListing) -> None:
    """Raises InvalidInputError unless the input means the same objects and the same action."""
    for name, now, before in (
        ("action", request.action, earlier.action),
        ("source of objects", request.source, earlier.source),
        ("filters", request.filters, earlier.filters),
    ):
        if _without_state(now) != _without_state(before):
            problem = f"{request.resumed_run} had another {name}: give its input, or start a new run"
            raise InvalidInputError("resume.run", problem)


def _without_state(value: ObjectAction | ObjectSource | Filters) -> Any:
    """Without what is looked up when the run is planned."""
    if isinstance(value, ObjectAction) and value.destination:
        return replace(value, destination=replace(value.destination, is_empty=False))
    return value


def check_source(s3: S3Client, plan: ActionPlan) -> None:
    """Raises InvalidInputError when there is no bucket to list. Files are looked for when they are read."""
    if plan.source.kind == PREFIX:
        missing = InvalidInputError("bucket", f"there is no bucket {plan.source.bucket}")
        with aws_errors(f"s3://{plan.source.bucket}", {"NoSuchBucket": missing}):
            s3.list_objects_v2(Bucket=plan.source.bucket, Prefix=plan.filters.prefix, MaxKeys=1)

"""Continuing a load that ended early: what has been done of each range, and the ranges that are left."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from sluice.dynamodb.keys import KeySchema
from sluice.errors import InvalidInputError, SourceChangedError
from sluice.mapping.typed_columns import OPTIONS
from sluice.reading.source import Source
from sluice.reading.source_objects import find_source
from sluice.runs.chains import WorkBefore
from sluice.runs.cursors import read_cursors
from sluice.runs.paths import Run
from sluice.runs.plans import iterate_plan, read_plan_state
from sluice.runs.range_progress import RangeProgress
from sluice.state import VersionedState
from sluice.workflows.csv_load.input import LOAD_ITEM_SOURCES, LoadInput
from sluice.workflows.csv_load.ranges import Range, read_brief_ranges

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


# What the plans of earlier versions do not say.
_DEFAULTS: Mapping[str, Any] = {"write": "put", "mustExist": False, "mode": "apply"}


@dataclass(frozen=True, slots=True)
class LoadPlan(VersionedState):
    """What a resumed run needs to know of a run: `request` is what its input asks for, see `request_of`.

    `first_run`: the first run of those that continue each other, empty where an earlier version wrote the plan.
    """

    what: ClassVar = "the plan of a run"

    request: Mapping[str, Any]
    source: Source
    keys: KeySchema
    before: WorkBefore
    first_run: str = ""


@dataclass(frozen=True, slots=True)
class EarlierLoad:
    """A run that ended early. `ranges` reads those of its plan, `progress` is how far they came, by index."""

    name: str
    plan: LoadPlan
    ranges: Callable[[], Iterable[Range]]
    progress: Mapping[int, RangeProgress]

    @property
    def done(self) -> WorkBefore:
        """What was done up to now, by this run and those before it."""
        return self.plan.before.plus(self.progress.values())

    @property
    def first_run(self) -> str:
        """The first of the runs that continue each other."""
        return self.plan.first_run or self.name

    def left(self) -> Iterator[Range]:
        """What is left of the ranges that are not done, each as a range of its own."""
        return (each.rest(self.progress[each.index]) for each in self.ranges() if not self.progress[each.index].done)

    def check(self, s3: S3Client, load: LoadInput) -> None:
        """Raise InvalidInputError when something else is requested, SourceChangedError when the source has changed."""
        request = request_of(load)
        for name in request:
            if request[name] != self.plan.request.get(name, _DEFAULTS.get(name)):
                raise InvalidInputError(name, f"differs from that of {self.name}, which is to be continued")
        if load.objects.is_several:
            # Each object is pinned: the slice that reads it finds out.
            return
        source = self.plan.source
        found = find_source(s3, replace(load.source, version_id=source.version_id))
        if (found.etag, found.size) != (source.etag, source.size):
            raise SourceChangedError(f"{source} has changed since {self.name} planned its ranges; start a new run")


def request_of(load: LoadInput) -> dict[str, Any]:
    """What must be the same in a run that continues another one, as JSON, by the fields' names."""
    request = {
        "source": dict(load.objects.spec) if load.objects.is_several else load.source.to_request(),
        "table": load.table,
        **load.row_state,
        **load.write_state,
    }
    known: dict[str, Any] = json.loads(json.dumps(dict.fromkeys((*LOAD_ITEM_SOURCES, *OPTIONS)) | request))
    return known


def read_earlier(s3: S3Client, bucket: str, run: Run, name: str) -> EarlierLoad:
    """Another run of the workflow, sealed. Raises InvalidInputError when none of the name has planned its ranges.

    And FormatVersionError, AccessDeniedError, ServiceUnavailableError.
    """
    earlier = replace(run, name=name)
    plan = read_plan_state(s3, bucket, earlier, LoadPlan, "planned its ranges")
    key = earlier.plan_key
    starts = {each.index: each.begin.to_state() for each in read_brief_ranges(s3, bucket, key)}
    cursors = read_cursors(s3, bucket, earlier, starts)
    progress = {index: RangeProgress.from_state(state) for index, state in cursors.items()}
    return EarlierLoad(name, plan, lambda: iterate_plan(s3, bucket, key, Range.from_state), progress)

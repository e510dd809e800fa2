"""What a report shows of a run, read from what the run left below its prefix. Nothing here is needed by the run."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from sluice.aws.listings import keys_below
from sluice.run_item.progress import WorkDone
from sluice.runs.outcomes import message_in
from sluice.runs.paths import Run
from sluice.runs.results import result_records

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# A report takes some megabytes, however large the run was.
CHILDREN_MAX = 20_000
COURSES_MAX = 1_000
REPORT_HEAD_BYTES = 1 << 20
EXAMPLES_PER_REASON = 3
SAMPLES_SHOWN = 5
RESULT_ROWS_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Child:
    """One child of a Map Run. Times are seconds since 1970. `part`: its range, file or segment, by name and number.

    None for a child that has a batch of items. `done` is what the child's result says, None where that has no counts.
    """

    map_run: str
    name: str
    start: float
    stop: float
    status: str
    part: tuple[str, int | str] | None = None
    done: WorkDone | None = None
    error: str | None = None
    message: str | None = None

    @property
    def has_failed(self) -> bool:
        """Whether it ended otherwise than it should."""
        return self.status != "SUCCEEDED"

    @property
    def label(self) -> str:
        """What a reader calls it: "range 12", or the child's name."""
        return " ".join(map(str, self.part)) if self.part else self.name

    @property
    def course(self) -> str | None:
        """How the names of the courses of its slices begin."""
        if self.part is None:
            return None
        number = self.part[1]
        return f"{number:08d}" if isinstance(number, int) else number


@dataclass(frozen=True, slots=True)
class Work:
    """What was done between two moments, in seconds since 1970."""

    start: float
    stop: float
    done: WorkDone


@dataclass(frozen=True, slots=True)
class RejectGroup:
    """The rejects of one reason: how many, and some of their lines."""

    reason: str
    count: int
    examples: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class ItemFacts:
    """What the run's item knows: times in seconds since 1970, limits in units per second; None if unknown."""

    started_at: float | None = None
    ended_at: float | None = None
    planned_rows: int | None = None
    read_limit: float | None = None
    write_limit: float | None = None
    done: WorkDone = field(default_factory=WorkDone)

    @classmethod
    def from_shards(cls, shards: Sequence[Mapping[str, Any]]) -> ItemFacts:
        """Read the shards of a run's item in DynamoDB JSON, shard 0 first; none: all is unknown."""
        if not shards:
            return cls()
        first = _numbers(shards[0])
        planned = first.get("plannedRows")
        return cls(
            started_at=first.get("startedAt"),
            ended_at=first.get("endedAt"),
            planned_rows=None if planned is None else int(planned),
            read_limit=first.get("readUnitsPerSecond"),
            write_limit=first.get("writeUnitsPerSecond"),
            done=sum((WorkDone.from_counters(_numbers(each)) for each in shards), WorkDone()),
        )


@dataclass(frozen=True, slots=True)
class RunFacts:
    """All that a report shows. `summary` is the run's summary object, None for a run that has none (yet).

    `status`: the summary's, or the execution's where there is no summary. `children` are the first CHILDREN_MAX of
    them. `region` and `account` are those of the execution.
    """

    run: Run
    bucket: str
    status: str
    summary: Mapping[str, Any] | None
    item: ItemFacts = field(default_factory=ItemFacts)
    children: Sequence[Child] = ()
    work: Sequence[Work] = ()
    rejects: Sequence[RejectGroup] = ()
    samples: Sequence[Mapping[str, Any]] = ()
    result_rows: Sequence[Sequence[str]] = ()
    error: Mapping[str, str] | None = None
    windows: Sequence[Mapping[str, Any]] = ()

    @property
    def region(self) -> str:
        """The Region of the execution."""
        return self.run.execution_arn.split(":")[3]

    @property
    def account(self) -> str:
        """The account of the execution."""
        return self.run.execution_arn.split(":")[4]

    @property
    def started_at(self) -> float | None:
        """When the run, or the first of its work that is known of, began."""
        known = [self.item.started_at, *(each.start for each in self.children), *(each.start for each in self.work)]
        return min((each for each in known if each is not None), default=None)

    @property
    def ended_at(self) -> float | None:
        """When the run, or the last of its work that is known of, ended."""
        known = [self.item.ended_at, *(each.stop for each in self.children), *(each.stop for each in self.work)]
        return max((each for each in known if each is not None), default=None)


def read_facts(
    s3: S3Client,
    bucket: str,
    run: Run,
    summary: Mapping[str, Any] | None,
    item: ItemFacts,
    *,
    status: str | None = None,
    error: Mapping[str, str] | None = None,
    windows: Sequence[Mapping[str, Any]] = (),
    is_time_up: Callable[[], bool] = lambda: False,
) -> RunFacts:
    """Read what a run left. `status` and `error` ({"name", "message"}) are those of an execution without a summary.

    Children and courses are left out from when the time is up. Raises botocore's ClientError.
    """
    known = summary or {}
    children = _children(s3, bucket, run, is_time_up)
    return RunFacts(
        run=run,
        bucket=bucket,
        status=str(known.get("status") or status or "UNKNOWN"),
        summary=summary,
        item=item,
        children=children,
        work=_work(children, _courses(s3, bucket, run, is_time_up)),
        rejects=_rejects(s3, bucket, known.get("rejects")),
        samples=_json_lines(_head(s3, bucket, _key_of(known.get("sample"), "key")))[:SAMPLES_SHOWN],
        result_rows=_result_rows(s3, bucket, known.get("result")),
        error=known.get("error") or error,
        windows=windows,
    )


def _children(s3: S3Client, bucket: str, run: Run, is_time_up: Callable[[], bool]) -> list[Child]:
    """The children of all Map Runs whose result files are complete."""
    children: list[Child] = []
    for manifest in _keys(s3, bucket, run.results_prefix, "/manifest.json"):
        label = manifest.removeprefix(run.results_prefix).strip("/").rpartition("/")[0].rpartition("/")[0]
        for record in result_records(s3, bucket, manifest):
            if len(children) == CHILDREN_MAX or is_time_up():
                return children
            if child := _child(label, record):
                children.append(child)
    return children


def _child(label: str, record: Mapping[str, Any]) -> Child | None:
    if not record.get("StartDate") or not record.get("StopDate"):
        return None
    return Child(
        map_run=label,
        name=str(record.get("Name", "")),
        start=_seconds(record["StartDate"]),
        stop=_seconds(record["StopDate"]),
        status=str(record.get("Status", "")),
        part=_part(_object(record.get("Input"))),
        done=_done(_object(record.get("Output"))),
        error=record.get("Error"),
        message=message_in(record["Cause"]) if record.get("Cause") else None,
    )


def _seconds(date: object) -> float:
    return date / 1000 if isinstance(date, int | float) else datetime.fromisoformat(str(date)).timestamp()


def _part(given: Mapping[str, Any]) -> tuple[str, int | str] | None:
    for name in ("range", "file", "segment"):
        part = given.get(name)
        number = part.get("index", part.get(name)) if isinstance(part, dict) else part
        if isinstance(number, int | str):
            return name, number
    return None


def _done(result: Mapping[str, Any]) -> WorkDone | None:
    counts = result.get("counts")
    if not isinstance(counts, dict):
        return None
    known = {name: counts.get(name) for name in ("read", "written", "skipped", "rejected", "failed")}
    units = {"read_units": result.get("readUnits"), "write_units": result.get("writeUnits")}
    numbers = {name: value for name, value in {**known, **units}.items() if isinstance(value, int | float)}
    return WorkDone(**numbers)  # type: ignore[arg-type]


def _courses(s3: S3Client, bucket: str, run: Run, is_time_up: Callable[[], bool]) -> dict[str, list[Work]]:
    """By part: what its slices did between their samples."""
    prefix = f"{run.prefix}course/"
    courses: dict[str, list[Work]] = {}
    for key in _keys(s3, bucket, prefix, ".jsonl")[:COURSES_MAX]:
        if is_time_up():
            break
        part = key.removeprefix(prefix).removesuffix(".jsonl").rpartition("-")[0]
        courses.setdefault(part, []).extend(_between(_json_lines(_head(s3, bucket, key))))
    return courses


def _between(samples: Sequence[Mapping[str, Any]]) -> Iterator[Work]:
    read = [(float(each["at"]), WorkDone.from_state(each)) for each in samples]
    for (start, before), (stop, after) in pairwise(read):
        yield Work(start, stop, after - before)


def _work(children: Sequence[Child], courses: Mapping[str, Sequence[Work]]) -> list[Work]:
    """The courses, and for children without one what they did from start to end."""
    short = [
        Work(child.start, child.stop, child.done)
        for child in children
        if child.done is not None and child.course not in courses
    ]
    return [*short, *(each for course in courses.values() for each in course)]


def _rejects(s3: S3Client, bucket: str, rejects: Mapping[str, Any] | None) -> list[RejectGroup]:
    if not rejects:
        return []
    counts: Counter[str] = Counter(rejects.get("reasons") or {})
    examples: dict[str, list[Mapping[str, Any]]] = {reason: [] for reason in counts}
    for line in _json_lines(_head(s3, bucket, rejects["key"])):
        found = examples.setdefault(str(line.get("error")), [])
        if len(found) < EXAMPLES_PER_REASON:
            found.append(line)
    groups = [RejectGroup(reason, counts[reason], lines) for reason, lines in examples.items()]
    return sorted(groups, key=lambda each: (-each.count, each.reason))


def _result_rows(s3: S3Client, bucket: str, result: Mapping[str, Any] | None) -> list[list[str]]:
    text = _head(s3, bucket, _key_of(result, "csv")).decode(errors="replace")
    return list(csv.reader(io.StringIO(text, newline="")))[: RESULT_ROWS_SHOWN + 1]


def _key_of(found: Mapping[str, Any] | None, name: str) -> str | None:
    return found.get(name) if found else None


def _keys(s3: S3Client, bucket: str, prefix: str, ending: str) -> list[str]:
    return [key for key in keys_below(s3, bucket, prefix) if key.endswith(ending)]


def _head(s3: S3Client, bucket: str, key: str | None) -> bytes:
    """The first whole lines of an object; nothing where there is none."""
    if not key:
        return b""
    try:
        data = s3.get_object(Bucket=bucket, Key=key, Range=f"bytes=0-{REPORT_HEAD_BYTES - 1}")["Body"].read()
    except ClientError:
        return b""
    return data if len(data) < REPORT_HEAD_BYTES else data[: data.rfind(b"\n") + 1]


def _json_lines(data: bytes) -> list[dict[str, Any]]:
    parsed = (_object(line) for line in data.splitlines())
    return [each for each in parsed if each]


def _object(text: object) -> dict[str, Any]:
    """A JSON object, or an empty one."""
    try:
        value = json.loads(text) if isinstance(text, str | bytes) else text
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _numbers(shard: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value["N"]) for name, value in shard.items() if "N" in value}

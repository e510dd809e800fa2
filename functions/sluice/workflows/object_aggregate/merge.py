"""One slice of a merge: sorted parts become one, or the result."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from heapq import merge
from itertools import groupby, islice
from json import loads
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from sluice.aws.clients import aws_errors
from sluice.errors import CountsDoNotReconcileError, SourceNotFoundError, UnexpectedResponseError
from sluice.reading.dialect import JSONL, Dialect
from sluice.reading.leading_bytes import GZIP
from sluice.reading.source import ObjectPin, Source
from sluice.reading.streams import SourceStream, open_source
from sluice.runs.attempts import earlier_outcome, leave_parts
from sluice.state import FIELD, FORMAT, readable
from sluice.workflows.object_aggregate.cells import GroupTally, Key, merged
from sluice.workflows.object_aggregate.merge_plan import MergeProgress, MergeRequest
from sluice.workflows.object_aggregate.result_format import Ranking, ResultFormat
from sluice.workflows.object_aggregate.sliced_upload import UPLOAD_PART_BYTES, SlicedUpload, UploadTarget
from sluice.workflows.object_aggregate.tally import tally_of, to_line

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from sluice.workflows.object_aggregate.merge_plan import LastMerge, MergeRequest


MERGE_READ_BYTES = 256 << 10


class PartLine(NamedTuple):
    """One group of one part. Compared by key, then by part: no part has a key twice."""

    key: list[str]
    part: int
    line: bytes
    rows: int
    measures: list[Any]


def part_lines(s3: S3Client, bucket: str, key: str, part: int, skip: int) -> Generator[PartLine, None, None]:
    """The part's groups after the first `skip`; the connection lasts as long as the iterator.

    Raises SourceNotFoundError, SourceChangedError, SourceMalformedError, ServiceUnavailableError, AccessDeniedError,
    and UnexpectedResponseError when the keys are not in order.
    """
    with closing(open_source(s3, _pin(s3, bucket, key), 0, None)) as stream:
        yield from in_order(islice(lines(stream), skip, None), part, f"s3://{bucket}/{key}")


def in_order(found: Iterator[bytes], part: int, name: str) -> Iterator[PartLine]:
    """The lines with their keys, which ascend: a merge of parts that are out of order would give wrong groups."""
    last: list[str] | None = None
    for line in found:
        key, rows, measures = loads(line)
        if last is not None and key <= last:
            raise UnexpectedResponseError(f"{name}: its groups are not in the order of their keys")
        last = key
        yield PartLine(key, part, line, rows, measures)


def lines(stream: SourceStream) -> Iterator[bytes]:
    """The stream's lines, without their ends."""
    rest = b""
    while data := stream.read(MERGE_READ_BYTES):
        pieces = (rest + data).split(b"\n")
        rest = pieces.pop()
        yield from pieces
    if rest:
        raise UnexpectedResponseError("a part ends in the middle of a line")


def _pin(s3: S3Client, bucket: str, key: str) -> Source:
    name = f"s3://{bucket}/{key}"
    missing = SourceNotFoundError(f"there is no {name}: was it removed during the run?")
    with aws_errors(name, {"404": missing, "NoSuchKey": missing}):
        found = s3.head_object(Bucket=bucket, Key=key)
    etag, size = found["ETag"], found["ContentLength"]
    return Source(ObjectPin(bucket, key, None, etag, size, GZIP), Dialect(JSONL))


class MergeOutput(Protocol):
    """What a merge writes. `state` and `rest` are all that `restore` in the next slice needs."""

    listed: int

    def begin(self) -> None:
        """Write what precedes the groups."""

    def take(self, key: Key, found: Sequence[PartLine]) -> None:
        """One group, with its lines from one or more parts."""

    def end(self) -> None:
        """Write what follows the groups."""

    def publish(self) -> None:
        """Make the output visible."""

    @property
    def state(self) -> dict[str, Any]: ...

    @property
    def rest(self) -> bytes: ...

    def restore(self, state: Mapping[str, Any], rest: bytes) -> None: ...


def open_output(s3: S3Client, bucket: str, request: MergeRequest, part_bytes: int = UPLOAD_PART_BYTES) -> MergeOutput:
    """What the merge writes."""
    last = request.merge.last
    if last is None:
        target = UploadTarget(bucket, request.run.merged_part_key(request.merge.name), "application/gzip", is_gzip=True)
        return PartOutput(SlicedUpload(s3, target, part_bytes), len(request.aggregation.measures))
    return ResultOutput(
        request, last, *(SlicedUpload(s3, each, part_bytes) for each in _results(bucket, request, last))
    )


def _results(bucket: str, request: MergeRequest, last: LastMerge) -> list[UploadTarget]:
    is_complete = last.missing is None
    kinds = (("csv", "text/csv"), ("json", "application/json"))
    return [UploadTarget(bucket, request.run.result_key(each, is_complete=is_complete), kind) for each, kind in kinds]


class PartOutput:
    """One sorted part."""

    def __init__(self, upload: SlicedUpload, measures: int) -> None:
        self.listed = 0
        self._upload = upload
        self._measures = measures

    def begin(self) -> None:
        """A part has no header."""

    def take(self, key: Key, found: Sequence[PartLine]) -> None:
        """One group. If only one part has it, its line is unchanged."""
        line = found[0].line + b"\n" if len(found) == 1 else to_line(key, _merged(found, self._measures))
        self._upload.write(line)

    def end(self) -> None:
        """A part has no end."""

    def publish(self) -> None:
        """Make the output visible."""
        self._upload.publish()

    @property
    def state(self) -> dict[str, Any]:
        """The state of the uploads."""
        return {"part": self._upload.state}

    @property
    def rest(self) -> bytes:
        """The bytes that have not been uploaded."""
        return self._upload.rest

    def restore(self, state: Mapping[str, Any], rest: bytes) -> None:
        """Continue from `state` and `rest` of the previous slice."""
        self._upload.restore(state["part"], rest)


class ResultOutput:
    """result.csv and result.json, with all groups, or only those of `top`."""

    def __init__(self, request: MergeRequest, last: LastMerge, csv: SlicedUpload, json: SlicedUpload) -> None:
        self.listed = 0
        self._top = request.aggregation.top
        self._ranking = Ranking(self._top) if self._top else None
        self._format = ResultFormat.of(request.aggregation, last.missing)
        self._measures = len(request.aggregation.measures)
        self._csv = csv
        self._json = json

    def begin(self) -> None:
        """The header, and the beginning of the document."""
        self._csv.write(self._format.csv_head)
        self._json.write(self._format.json_head)

    def take(self, key: Key, found: Sequence[PartLine]) -> None:
        """Write the group, or the groups that the top of a combination is now known to have."""
        tally = _merged(found, self._measures)
        for each in self._ranking.take(key, tally) if self._ranking else [(key, tally)]:
            self._write(*each)

    def end(self) -> None:
        """The last groups of the top, and the end of the document."""
        for each in self._ranking.end() if self._ranking else []:
            self._write(*each)
        self._json.write(b"\n]}\n" if self.listed else b"]}\n")

    def publish(self) -> None:
        """Make the output visible."""
        self._csv.publish()
        self._json.publish()

    @property
    def state(self) -> dict[str, Any]:
        """The state of the uploads."""
        ranked = self._ranking.state if self._ranking else []
        return {"csv": self._csv.state, "json": self._json.state, "ranked": ranked, "listed": self.listed}

    @property
    def rest(self) -> bytes:
        """The bytes that have not been uploaded."""
        return self._csv.rest + self._json.rest

    def restore(self, state: Mapping[str, Any], rest: bytes) -> None:
        """Continue from `state` and `rest` of the previous slice."""
        self.listed = state["listed"]
        self._ranking = Ranking(self._top, state["ranked"]) if self._top else None
        self._json.restore(state["json"], self._csv.restore(state["csv"], rest))

    def _write(self, key: Key, tally: GroupTally) -> None:
        row, member = self._format.rows(key, tally)
        self._csv.write(row)
        self._json.write((b",\n" if self.listed else b"\n") + member)
        self.listed += 1


def _merged(found: Sequence[PartLine], measures: int) -> GroupTally:
    if len(found) == 1:
        return tally_of(found[0].rows, found[0].measures)
    return merged((tally_of(each.rows, each.measures) for each in found), measures)


def run_slice(
    s3: S3Client,
    bucket: str,
    request: MergeRequest,
    is_time_up: Callable[[], bool],
    part_bytes: int = UPLOAD_PART_BYTES,
) -> MergeProgress:
    """Merge from where `progress` ended until all is merged or the time is up, and publish a finished merge.

    Raises what reading a part raises, and CountsDoNotReconcileError when the result has other rows than the batches.
    """
    settled = earlier_outcome(s3, bucket, request.outcome_key)
    if settled is None:
        work = MergeSlice(s3, bucket, request, part_bytes)
        progress = work.run(is_time_up)
        rest_key = request.rest_key(progress.slices)
        settled = leave_parts(
            s3, bucket, request.outcome_key, progress=progress.to_state(), parts={rest_key: work.rest}
        )
    progress = MergeProgress.from_state(settled)
    if progress.done:
        # From the stored outcome, because another attempt may have been the first.
        MergeSlice(s3, bucket, replace(request, progress=progress), part_bytes).publish()
    return progress


class MergeSlice:
    """Begins where the previous slice ended. Holds one line of each part, and less than a part of the output."""

    def __init__(self, s3: S3Client, bucket: str, request: MergeRequest, part_bytes: int) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._request = request
        self._progress = request.progress
        self._consumed = [0] * len(request.merge.parts)
        self._output: MergeOutput = open_output(s3, bucket, request, part_bytes)
        if request.progress.slices:
            self._restore()
        else:
            self._output.begin()

    def run(self, is_time_up: Callable[[], bool]) -> MergeProgress:
        """Merge at least one group; see run_slice."""
        progress = replace(self._progress, slices=self._progress.slices + 1)
        groups, rows, done = progress.groups, progress.rows, True
        with ExitStack() as streams:
            for key, found in merged_groups([streams.enter_context(closing(each)) for each in self._parts()]):
                self._output.take(key, found)
                groups += 1
                for each in found:
                    self._consumed[each.part] += 1
                    rows += each.rows
                if is_time_up():
                    done = False
                    break
        if done:
            self._check(rows)
            self._output.end()
        return replace(progress, done=done, groups=groups, rows=rows, listed=self._output.listed)

    def publish(self) -> None:
        """Make the output visible."""
        self._output.publish()

    @property
    def rest(self) -> bytes:
        """What the next slice begins with: a line that says how far everything is, and what has not been sent."""
        state = {FIELD: FORMAT, "consumed": self._consumed, "output": self._output.state}
        return json.dumps(state, ensure_ascii=False).encode() + b"\n" + self._output.rest

    def _restore(self) -> None:
        key = self._request.rest_key(self._progress.slices)
        with aws_errors(f"s3://{self._bucket}/{key}"):
            head, _, rest = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read().partition(b"\n")
        state = readable(json.loads(head), "what a merge has left")
        self._consumed = state["consumed"]
        self._output.restore(state["output"], rest)

    def _parts(self) -> list[Generator[PartLine, None, None]]:
        parts = zip(self._request.merge.parts, self._consumed, strict=True)
        return [
            part_lines(self._s3, self._bucket, key, number, consumed) for number, (key, consumed) in enumerate(parts)
        ]

    def _check(self, rows: int) -> None:
        last = self._request.merge.last
        if last and rows != last.rows:
            raise CountsDoNotReconcileError(f"{last.rows} rows were aggregated, {rows} are in the result's groups")


def merged_groups(parts: Sequence[Iterator[PartLine]]) -> Iterator[tuple[Key, list[PartLine]]]:
    """Each key with the lines that have it, in the order of keys."""
    for key, found in groupby(merge(*parts), key=attrgetter("key")):
        yield tuple(key), list(found)

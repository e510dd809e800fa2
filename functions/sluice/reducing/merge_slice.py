"""One slice of a merge: sorted parts become one, as far as the time allows."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from heapq import merge
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

from sluice.aggregating.group_tally import Key
from sluice.aws import aws_errors
from sluice.errors import CountsDoNotReconcileError
from sluice.first_outcome import earlier_outcome, leave_parts
from sluice.format_version import FIELD, FORMAT, readable
from sluice.reducing.merge_outputs import MergeOutput, open_output
from sluice.reducing.merge_request import MergeProgress, MergeRequest
from sluice.reducing.part_lines import PartLine, part_lines
from sluice.reducing.sliced_upload import PART_BYTES

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def run_slice(
    s3: S3Client, bucket: str, request: MergeRequest, is_time_up: Callable[[], bool], part_bytes: int = PART_BYTES
) -> MergeProgress:
    """Merge until all is merged or the time is up; what is done is published. Goes on where `progress` has ended.

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
        # From what has been settled, and not from what this attempt has in hand: it may not have been the first.
        MergeSlice(s3, bucket, replace(request, progress=progress), part_bytes).publish()
    return progress


class MergeSlice:
    """Begins with what the slice before has left. Holds one line of each part, and less than a part of the output."""

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
        """Let what has been written be seen."""
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

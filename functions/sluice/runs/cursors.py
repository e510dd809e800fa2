"""How far the parts of a run came that ended early: a run that continues it begins there.

What a slice has come to is an object below the run's `slices/`, named by its part and its number: the last one of a
part tells where the next slice begins. Before a part is continued, that next slice is sealed: it ends where it would
have begun. A worker of the earlier run that is still at work can count nothing any more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from sluice.aws.clients import aws_errors
from sluice.aws.listings import keys_below
from sluice.runs.attempts import outcome_head, seal
from sluice.runs.paths import Run

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


CURSOR_READERS = 32
State = Mapping[str, Any]


def read_cursors(s3: S3Client, bucket: str, run: Run, starts: Mapping[int, State]) -> dict[int, State]:
    """The progress of parts after their last slices, by index; from now on they come no further.

    `starts`: each part's progress before its first slice in this run, with at least "slices" and "done".
    Raises FormatVersionError, AccessDeniedError, ServiceUnavailableError.
    """
    ended = _ended_slices(s3, bucket, run)

    def reached(part: int) -> State:
        start, count = starts[part], ended[part]
        progress = start
        if count:
            progress = outcome_head(s3, bucket, run.part_outcome_key(part, start["slices"] + count - 1))
        return _sealed(s3, bucket, run, part, progress)

    with ThreadPoolExecutor(CURSOR_READERS) as readers:
        return dict(zip(starts, readers.map(reached, starts), strict=True))


def _ended_slices(s3: S3Client, bucket: str, run: Run) -> Counter[int]:
    """How many slices of each part have ended."""
    with aws_errors(f"s3://{bucket}/{run.slices_prefix}"):
        return Counter(map(run.part_of_outcome, keys_below(s3, bucket, run.slices_prefix)))


def _sealed(s3: S3Client, bucket: str, run: Run, part: int, progress: State) -> State:
    """The part's progress with its next slice sealed. A slice that ends meanwhile is found, and followed."""
    while not progress["done"]:
        after = seal(s3, bucket, run.part_outcome_key(part, progress["slices"]), progress)
        if after["slices"] == progress["slices"]:
            break
        progress = after
    return progress

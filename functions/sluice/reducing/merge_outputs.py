"""Where a merge's groups go: into one part that is merged further, or into the run's result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from sluice.aggregating.group_lines import tally_of, to_line
from sluice.aggregating.group_tally import GroupTally, Key, merged
from sluice.reducing.part_lines import PartLine
from sluice.reducing.ranking import Ranking
from sluice.reducing.result_format import ResultFormat
from sluice.reducing.sliced_upload import PART_BYTES, SlicedUpload, Target

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from sluice.reducing.merge_request import LastMerge, MergeRequest


class MergeOutput(Protocol):
    """What a merge writes. `state` and `rest` are all that `restore` in the next slice needs."""

    listed: int

    def begin(self) -> None:
        """Write what stands before the groups."""

    def take(self, key: Key, found: Sequence[PartLine]) -> None:
        """One group, as it stands in one or more parts."""

    def end(self) -> None:
        """Write what stands behind the groups."""

    def publish(self) -> None:
        """Let what is written be seen."""

    @property
    def state(self) -> dict[str, Any]: ...

    @property
    def rest(self) -> bytes: ...

    def restore(self, state: Mapping[str, Any], rest: bytes) -> None: ...


def open_output(s3: S3Client, bucket: str, request: MergeRequest, part_bytes: int = PART_BYTES) -> MergeOutput:
    """What the merge writes."""
    last = request.merge.last
    if last is None:
        target = Target(bucket, request.run.merged_part_key(request.merge.name), "application/gzip", is_gzip=True)
        return PartOutput(SlicedUpload(s3, target, part_bytes), len(request.aggregation.measures))
    return ResultOutput(
        request, last, *(SlicedUpload(s3, each, part_bytes) for each in _results(bucket, request, last))
    )


def _results(bucket: str, request: MergeRequest, last: LastMerge) -> list[Target]:
    is_complete = last.missing is None
    kinds = (("csv", "text/csv"), ("json", "application/json"))
    return [Target(bucket, request.run.result_key(each, is_complete=is_complete), kind) for each, kind in kinds]


class PartOutput:
    """One sorted part."""

    def __init__(self, upload: SlicedUpload, measures: int) -> None:
        self.listed = 0
        self._upload = upload
        self._measures = measures

    def begin(self) -> None:
        """Nothing."""

    def take(self, key: Key, found: Sequence[PartLine]) -> None:
        """A group that one part alone has stays as it is."""
        line = found[0].line + b"\n" if len(found) == 1 else to_line(key, _merged(found, self._measures))
        self._upload.write(line)

    def end(self) -> None:
        """Nothing."""

    def publish(self) -> None:
        """See MergeOutput."""
        self._upload.publish()

    @property
    def state(self) -> dict[str, Any]:
        """See MergeOutput."""
        return {"part": self._upload.state}

    @property
    def rest(self) -> bytes:
        """See MergeOutput."""
        return self._upload.rest

    def restore(self, state: Mapping[str, Any], rest: bytes) -> None:
        """See MergeOutput."""
        self._upload.restore(state["part"], rest)


class ResultOutput:
    """result.csv and result.json; of an aggregation with `top` the groups that are ahead alone."""

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
        """See MergeOutput."""
        tally = _merged(found, self._measures)
        for each in self._ranking.take(key, tally) if self._ranking else [(key, tally)]:
            self._write(*each)

    def end(self) -> None:
        """The last of those that are ahead, and the end of the document."""
        for each in self._ranking.end() if self._ranking else []:
            self._write(*each)
        self._json.write(b"\n]}\n" if self.listed else b"]}\n")

    def publish(self) -> None:
        """See MergeOutput."""
        self._csv.publish()
        self._json.publish()

    @property
    def state(self) -> dict[str, Any]:
        """See MergeOutput."""
        ranked = self._ranking.state if self._ranking else []
        return {"csv": self._csv.state, "json": self._json.state, "ranked": ranked, "listed": self.listed}

    @property
    def rest(self) -> bytes:
        """See MergeOutput."""
        return self._csv.rest + self._json.rest

    def restore(self, state: Mapping[str, Any], rest: bytes) -> None:
        """See MergeOutput."""
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

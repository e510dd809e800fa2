"""One segment of a table, as a run's outcomes name it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from sluice.aws import aws_errors
from sluice.errors import SourceNotFoundError
from sluice.format_version import readable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True)
class Segment:
    """`index` counts from 0; how many items a segment has is not known."""

    kind: ClassVar = "segment"
    rows: ClassVar = None

    index: int

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Read a child's `segment`."""
        readable(state, "a line of the run's plan")
        return cls(state["segment"])

    def to_state(self) -> dict[str, Any]:
        """The segment as a failure names it."""
        return {"segment": self.index}

    @property
    def identity(self) -> int:
        """What tells it from the other segments."""
        return self.index

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"segment {self.index}"

    @property
    def place(self) -> str:
        """Where something went wrong."""
        return self.name


def read_segments(s3: S3Client, bucket: str, key: str) -> list[Segment]:
    """The segments that a run has planned, in order. Raises SourceNotFoundError when there is no such plan."""
    name = f"s3://{bucket}/{key}"
    with aws_errors(name, {"NoSuchKey": SourceNotFoundError(f"there is no plan {name}")}):
        body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    segments = (Segment.from_state(json.loads(line)) for line in body.splitlines())
    return sorted(segments, key=lambda segment: segment.index)

"""The plan of a run: JSON Lines, one line per child of the Distributed Map that reads it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from sluice.aws.clients import aws_errors
from sluice.errors import InvalidInputError, SourceNotFoundError
from sluice.runs.paths import Run
from sluice.runs.results import upload_chunks
from sluice.state import FIELD, FORMAT, State, VersionedState, readable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


Part = TypeVar("Part")
Plan = TypeVar("Plan", bound=VersionedState)


class PlanLine(State):
    """A line of a plan, as its child gets it. `write_plan` adds the format's number, which is checked here."""

    __slots__ = ()

    @classmethod
    def from_state(cls, state: Any) -> Self:
        """Read a line. Raises FormatVersionError, and what State.from_state raises."""
        return super().from_state(readable(state, "a line of the run's plan"))


def read_plan(s3: S3Client, bucket: str, key: str, from_state: Callable[[Mapping[str, Any]], Part]) -> list[Part]:
    """The lines of a plan, in order. Raises SourceNotFoundError when there is no such plan."""
    name = f"s3://{bucket}/{key}"
    with aws_errors(name, {"NoSuchKey": SourceNotFoundError(f"there is no plan {name}")}):
        body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    return [from_state(json.loads(line)) for line in body.splitlines()]


def iterate_plan(
    s3: S3Client, bucket: str, key: str, from_state: Callable[[Mapping[str, Any]], Part]
) -> Iterator[Part]:
    """The same, one line in memory at a time."""
    name = f"s3://{bucket}/{key}"
    with aws_errors(name, {"NoSuchKey": SourceNotFoundError(f"there is no plan {name}")}):
        body = s3.get_object(Bucket=bucket, Key=key)["Body"]
        for line in body.iter_lines(chunk_size=1 << 20):
            yield from_state(json.loads(line))


def stream_plan(s3: S3Client, bucket: str, key: str, lines: Iterable[Mapping[str, Any]]) -> None:
    """Write a plan that is too long for memory; nothing is written where making a line raises."""
    chunks = (json.dumps({FIELD: FORMAT, **line}).encode() + b"\n" for line in lines)
    with aws_errors(f"s3://{bucket}/{key}"):
        upload_chunks(s3, bucket, key, chunks)


def write_plan(s3: S3Client, bucket: str, key: str, lines: Iterable[Mapping[str, Any]]) -> None:
    """Write a plan. Writing the same plan again changes nothing."""
    body = b"".join(json.dumps({FIELD: FORMAT, **line}).encode() + b"\n" for line in lines)
    with aws_errors(f"s3://{bucket}/{key}"):
        s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/jsonl")


def leave_plan_state(s3: S3Client, bucket: str, run: Run, plan: VersionedState) -> None:
    """Write what a run that continues this one needs to know of it. Writing it again changes nothing."""
    with aws_errors(f"s3://{bucket}/{run.plan_state_key}"):
        s3.put_object(Bucket=bucket, Key=run.plan_state_key, Body=json.dumps(plan.to_state()).encode())


def read_plan_state(s3: S3Client, bucket: str, run: Run, plan_type: type[Plan], planned: str) -> Plan:
    """Read what `leave_plan_state` wrote. `planned`: what the run has done if there is a plan, for the message.

    Raises InvalidInputError when there is none, FormatVersionError, AccessDeniedError, ServiceUnavailableError.
    """
    uri = f"s3://{bucket}/{run.plan_state_key}"
    try:
        with aws_errors(uri, {"NoSuchKey": SourceNotFoundError(f"there is no {uri}")}):
            state = s3.get_object(Bucket=bucket, Key=run.plan_state_key)["Body"].read()
    except SourceNotFoundError as error:
        problem = f"{run.name} is not a run of {run.workflow} that has {planned}; start a new run"
        raise InvalidInputError("resume.run", problem) from error
    return plan_type.from_state(json.loads(state))

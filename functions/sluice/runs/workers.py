"""How many children of a run are at work at a time: no more than its rate keeps busy, nor than the account can run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from sluice.aws.clients import aws_errors
from sluice.errors import SluiceError
from sluice.run_item.shares import Limits, UnitKind, most_workers

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient


# Of the account's unreserved concurrency a run leaves one half to everything else.
SHARE_OF_ACCOUNT = 0.5
# What a worker gets done at the least, in units per second. It reads one key per request in 6 ms, half a unit each
# (`distinct_parallel_speedup` in bench/results.json), and transforms small items no faster than that. It writes 4,000
# items per second of a processor (`transform_path_vs_boto3`), but no partition of a table takes more than 1,000 units.
LEAST_THROUGHPUT = {UnitKind.READ: 75, UnitKind.WRITE: 1000}
# So much may `sluice rate` raise the limit later: the number of workers stays as it was planned.
RATE_HEADROOM = 4


@dataclass(frozen=True, slots=True)
class Quota:
    """The account's unreserved Lambda concurrency; None where it could not be read, for `problem`."""

    unreserved: int | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Workers:
    """How many children at a time, and what the run's summary says of that."""

    number: int
    notes: tuple[str, ...] = ()


def read_quota(lambda_client: LambdaClient) -> Quota:
    """Ask Lambda. Never raises for what AWS answers: a run that may not ask continues with what its input says."""
    try:
        with aws_errors("the account"):
            return Quota(lambda_client.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"])
    except SluiceError as error:
        return Quota(None, str(error))


def workers_for(children: str, request: int, quota: Quota, limits: Limits | None = None) -> Workers:
    """So many as `maxConcurrency` asks for, or fewer. `children` says in the plural what each works on.

    `limits` are those that the children keep within, None where there are none.
    """
    at_the_rate, why = _at_the_rate(request, limits or {})
    in_the_account = _in_the_account(quota, request)
    requested = f"maxConcurrency for {children}: requested {request:,}"
    if in_the_account < at_the_rate:
        note = (
            f"{requested}, used {in_the_account:,}, because the account's unreserved Lambda concurrency is "
            f"{quota.unreserved:,} and a run takes half of it at most; docs/deployment.md says how to raise it"
        )
        return Workers(in_the_account, (note,))
    notes = [f"{requested}, used {at_the_rate:,}, because {why}"] if at_the_rate < request else []
    if quota.unreserved is None:
        notes.append(
            f"maxConcurrency for {children} was not compared with the account's Lambda concurrency, which could not be "
            f"read: {quota.problem}"
        )
    return Workers(at_the_rate, tuple(notes))


def notes_of(workers: Iterable[Workers]) -> list[str]:
    """What all of them have to say, each once."""
    return list(dict.fromkeys(note for each in workers for note in each.notes))


def _in_the_account(quota: Quota, request: int) -> int:
    return request if quota.unreserved is None else max(1, int(quota.unreserved * SHARE_OF_ACCOUNT))


def _at_the_rate(request: int, limits: Limits) -> tuple[int, str]:
    """The first limit that is reached is what holds all workers back, so the smaller number will do."""
    useful = {
        kind: ceil(RATE_HEADROOM * limit / LEAST_THROUGHPUT[kind])
        for kind, limit in limits.items()
        if limit is not None
    }
    if not useful:
        return request, ""
    kind = min(useful, key=lambda each: useful[each])
    name = f"max{kind.capitalize()}UnitsPerSecond"
    why = (
        f"more would idle at {limits[kind]:,.10g} {kind} units per second ({name}); "
        f"these are enough for {RATE_HEADROOM} times as many"
    )
    return min(most_workers(limits, request), useful[kind]), why

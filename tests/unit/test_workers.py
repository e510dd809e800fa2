"""How many children a run has: never more than requested, kept busy by its rate, and within half of the account."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from sluice.aws.clients import BOTO_CONFIG
from sluice.run_item.shares import UnitKind
from sluice.runs.workers import Quota, Workers, notes_of, read_quota, workers_for

ROOMY = Quota(1000)
Limits = Mapping[UnitKind, float | None]


def limits(read: float | None = None, write: float | None = None) -> Limits:
    return {UnitKind.READ: read, UnitKind.WRITE: write}


@pytest.mark.parametrize(
    ("requested", "unreserved", "used"),
    [(50, 1000, 50), (50, 100, 50), (50, 10, 5), (1, 10, 1), (50, 3, 1), (50, 0, 1)],
)
def test_half_of_the_account_is_left_to_everything_else(requested: int, unreserved: int, used: int) -> None:
    workers = workers_for("ranges", requested, Quota(unreserved))
    assert workers.number == used
    expected = f"requested {requested}, used {used}, because"
    assert [expected in note for note in workers.notes] == [True] * (used < requested)


def test_note_of_a_small_account_says_how_to_raise_it() -> None:
    (note,) = workers_for("ranges", 50, Quota(10)).notes
    assert note == (
        "maxConcurrency for ranges: requested 50, used 5, because the account's unreserved Lambda concurrency is 10 "
        "and a run takes half of it at most; docs/deployment.md says how to raise it"
    )


@pytest.mark.parametrize(
    ("requested", "given", "used"),
    [
        (50, limits(read=1), 1),
        (50, limits(read=20), 2),
        (50, limits(read=75), 4),
        (50, limits(read=10_000), 50),
        (4, limits(read=10_000), 4),
        (50, limits(write=1), 1),
        (50, limits(write=5_000), 20),
        (50, limits(write=100_000), 50),
        (50, limits(read=75, write=100_000), 4),
        (50, limits(read=100_000, write=250), 1),
        (10_000, limits(read=10**9), 10_000),
        (50, limits(), 50),
    ],
)
def test_no_more_workers_than_the_first_limit_keeps_busy(requested: int, given: Limits, used: int) -> None:
    workers = workers_for("segments", requested, ROOMY if requested < 1000 else Quota(100_000), given)
    assert (workers.number, len(workers.notes)) == (used, int(used < requested))


def test_note_of_a_low_rate_names_the_limit_and_what_it_may_be_raised_to() -> None:
    (note,) = workers_for("segments", 50, ROOMY, limits(read=30, write=40_000)).notes
    assert note == (
        "maxConcurrency for segments: requested 50, used 2, because more would idle at 30 read units per second "
        "(maxReadUnitsPerSecond); these are enough for 4 times as many"
    )


def test_only_what_decides_is_noted() -> None:
    (rate,) = workers_for("segments", 50, Quota(10), limits(read=30)).notes
    assert "used 2, because more would idle" in rate
    (account,) = workers_for("segments", 50, Quota(10), limits(write=5_000)).notes
    assert "requested 50, used 5, because the account's" in account


def test_account_that_cannot_be_read_leaves_what_was_requested_and_says_so() -> None:
    unknown = Quota(None, "AccessDeniedException: an SCP")
    workers = workers_for("files", 50, unknown)
    assert workers.number == 50
    assert workers.notes == (
        "maxConcurrency for files was not compared with the account's Lambda concurrency, which could not be read: "
        "AccessDeniedException: an SCP",
    )
    assert workers_for("files", 50, unknown, limits(read=30)).number == 2


def test_notes_of_two_maps_are_shown_once() -> None:
    workers = Workers(5, ("a",))
    assert notes_of([workers, workers, Workers(1, ("b",)), Workers(9)]) == ["a", "b"]


def settings(unreserved: int) -> dict[str, Any]:
    limit = {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": unreserved}
    return {"AccountLimit": limit, "AccountUsage": {"FunctionCount": 1}}


def test_quota_is_what_lambda_says_or_why_it_says_nothing() -> None:
    client = boto3.client("lambda", config=BOTO_CONFIG)
    with Stubber(client) as stubber:
        stubber.add_response("get_account_settings", settings(17), {})
        stubber.add_client_error("get_account_settings", "AccessDeniedException", "an SCP", http_status_code=403)
        assert read_quota(client) == Quota(17)
        denied = read_quota(client)
        stubber.assert_no_pending_responses()
    assert denied.unreserved is None
    assert "AccessDeniedException: an SCP" in denied.problem

"""Parts of slices that are tried more than once at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws

from sluice.errors import AccessDeniedError, ServiceUnavailableError
from sluice.runs.attempts import earlier_outcome, leave_part, leave_parts, was_tried_before
from sluice.runs.paths import Run

BUCKET = "data"
RUN = Run("distinct_keys", "night", "arn")
PART = f"{RUN.keys_prefix}000003-0001.jsonl"
OUTCOME = "distinct_keys/night/slices/keys/000003-0001.jsonl"


@pytest.fixture
def s3() -> Iterator[Any]:
    with mock_aws():
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        yield s3


def leave(s3: Any, progress: dict[str, Any], part: bytes) -> dict[str, Any]:
    """One attempt at the slice has ended."""
    return leave_part(s3, BUCKET, RUN, PART, progress=progress, part=part)


def text(s3: Any, key: str) -> bytes | None:
    """An object, if there is one."""
    try:
        body: bytes = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    except s3.exceptions.NoSuchKey:
        return None
    return body


def test_first_attempt_leaves_its_part_and_returns_its_progress(s3: Any) -> None:
    progress = {"done": True, "startKey": {"pk": {"S": "\U0001f600\n"}}}
    assert leave(s3, progress, b"a\nb\n") == progress
    assert text(s3, PART) == b"a\nb\n"


@pytest.mark.parametrize(("part", "late"), [(b"a\nb\n", b"a\n"), (b"", b"a\n"), (b"a\n", b"")])
def test_late_attempt_takes_over_the_outcome_of_the_first(s3: Any, part: bytes, late: bytes) -> None:
    leave(s3, {"slices": 1}, part)
    assert leave(s3, {"slices": 2}, late) == {"slices": 1}
    assert text(s3, PART) == (part or None)


def test_part_that_the_first_attempt_could_not_write_is_written_by_the_next(s3: Any) -> None:
    leave(s3, {}, b"a\n")
    s3.delete_object(Bucket=BUCKET, Key=PART)
    leave(s3, {}, b"b\n")
    assert text(s3, PART) == b"a\n"


def test_second_attempt_at_a_slice_finds_the_marker_of_the_first(s3: Any) -> None:
    assert [was_tried_before(s3, BUCKET, RUN.attempt_key(3, 1)) for _ in range(3)] == [False, True, True]


def test_outcome_of_several_parts_is_found_as_it_was_left(s3: Any) -> None:
    parts = {"a": b"1\n2\n", "b": b"", "c": b"3\n"}
    assert earlier_outcome(s3, BUCKET, OUTCOME) is None
    assert leave_parts(s3, BUCKET, OUTCOME, progress={"slices": 1}, parts=parts) == {"slices": 1}
    assert [text(s3, key) for key in parts] == [b"1\n2\n", None, b"3\n"]
    s3.delete_object(Bucket=BUCKET, Key="c")
    assert earlier_outcome(s3, BUCKET, OUTCOME) == {"slices": 1}
    assert text(s3, "c") == b"3\n"


@settings(max_examples=40)
@given(st.lists(st.binary(max_size=5).map(bytes.hex).map(str.encode), min_size=1, max_size=5))
def test_all_attempts_agree(bodies: list[bytes]) -> None:
    with mock_aws():
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        ends = [leave(s3, {"n": n}, each) for n, each in enumerate(bodies)]
        assert ends == [{"n": 0}] * len(bodies)
        assert text(s3, PART) == (bodies[0] or None)


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [("ConditionalRequestConflict", 409, ServiceUnavailableError), ("AccessDenied", 403, AccessDeniedError)],
)
def test_outcome_that_cannot_be_written_leaves_no_part(code: str, status: int, error: type[Exception]) -> None:
    s3 = boto3.client("s3")
    with Stubber(s3) as stubber:
        stubber.add_client_error("put_object", code, http_status_code=status)
        with pytest.raises(error) as raised:
            leave(s3, {}, b"a\n")
        stubber.assert_no_pending_responses()
    assert isinstance(raised.value.__cause__, ClientError)
    assert OUTCOME in str(raised.value)

"""The pinned bytes of an object, whatever becomes of the connection."""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterable
from typing import Any, cast

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    IncompleteReadError,
    ReadTimeoutError,
)
from hypothesis import given
from hypothesis import strategies as st

from sluice.aws.retry import RetryPolicy
from sluice.errors import (
    AccessDeniedError,
    ServiceUnavailableError,
    SluiceError,
    SourceChangedError,
    SourceMalformedError,
    UnexpectedResponseError,
)
from sluice.reading.streams import SourceStream, open_source
from tests.unit.sources import a_source

AT_ONCE = RetryPolicy(attempts=3, first_pause_seconds=0)
DATA = bytes(range(256)) * 40


class Body:
    """A body that breaks after `breaks_after` bytes: with an error, or None: by ending."""

    def __init__(self, data: bytes, breaks_after: int, error: Exception | None) -> None:
        self._data = data[:breaks_after]
        self._is_whole = breaks_after >= len(data)
        self._error = error

    def read(self, size: int) -> bytes:
        data, self._data = self._data[:size], self._data[size:]
        if not data and not self._is_whole and self._error:
            raise self._error
        return data

    def close(self) -> None:
        pass


class S3:
    """Serves one object; each of `breaks` says after how many bytes a response's body breaks, and how."""

    def __init__(self, data: bytes, breaks: Iterable[tuple[int, Exception | None]] = ()) -> None:
        self.requests: list[dict[str, Any]] = []
        self.etag = '"etag"'
        self._data = data
        self._breaks = iter(breaks)

    def get_object(self, **request: Any) -> dict[str, Any]:
        self.requests.append(request)
        first, last = request["Range"].removeprefix("bytes=").split("-")
        data = self._data[int(first) : int(last) + 1]
        breaks_after, error = next(self._breaks, (len(data), None))
        return {"Body": Body(data, breaks_after, error), "ETag": self.etag}


class RefusingS3:
    """Answers every request with an error."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def get_object(self, **_request: Any) -> dict[str, Any]:
        raise self._error


def refusal(code: str, status: int) -> ClientError:
    response: Any = {"Error": {"Code": code, "Message": ""}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "GetObject")


def opened(s3: object, start: int = 0, end: int | None = None, **source: Any) -> SourceStream:
    return open_source(cast("Any", s3), a_source(**{"size": len(DATA)} | source), start, end, AT_ONCE)


def read_all(stream: SourceStream, size: int = 1000) -> bytes:
    pieces = list(iter(lambda: stream.read(size), b""))
    stream.close()
    assert all(len(piece) <= size for piece in pieces)
    return b"".join(pieces)


def test_range_is_requested_with_the_pinned_version_and_etag() -> None:
    s3 = S3(DATA)
    assert read_all(opened(s3, 100, 5000, version_id="v1")) == DATA[100:5000]
    assert s3.requests == [
        {
            "Bucket": "bucket",
            "Key": "input/rows.csv",
            "Range": "bytes=100-4999",
            "IfMatch": '"etag"',
            "VersionId": "v1",
        }
    ]


def test_object_without_a_version_is_pinned_by_its_etag() -> None:
    s3 = S3(DATA)
    assert read_all(opened(s3)) == DATA
    assert "VersionId" not in s3.requests[0]


@pytest.mark.parametrize(("start", "end"), [(5, 5), (len(DATA), None), (len(DATA) + 5, None)])
def test_nothing_is_requested_when_there_is_nothing_to_read(start: int, end: int | None) -> None:
    s3 = S3(DATA)
    assert read_all(opened(s3, start, end)) == b""
    assert s3.requests == []


BREAKS: list[Exception | None] = [
    None,
    ReadTimeoutError(endpoint_url="s3"),
    ConnectionClosedError(endpoint_url="s3"),
    IncompleteReadError(actual_bytes=1, expected_bytes=2),
    ConnectionResetError(),
]


@pytest.mark.parametrize("error", BREAKS, ids=repr)
def test_broken_connection_is_taken_up_where_it_broke(error: Exception | None) -> None:
    s3 = S3(DATA, [(1, error), (3000, error), (0, error), (50, error), (0, error)])
    assert read_all(opened(s3, 10)) == DATA[10:]
    assert [each["Range"].partition("-")[0] for each in s3.requests] == [
        f"bytes={10 + offset}" for offset in (0, 1, 3001, 3001, 3051, 3051)
    ]


@pytest.mark.parametrize("error", BREAKS, ids=repr)
def test_reading_gives_up_after_breaks_without_a_byte_between(error: Exception | None) -> None:
    s3 = S3(DATA, [(7, error), *[(0, error)] * 3])
    with pytest.raises(ServiceUnavailableError, match=r"s3://bucket/input/rows\.csv: reading broke off at byte 7 "):
        read_all(opened(s3))
    assert len(s3.requests) == 3


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (refusal("PreconditionFailed", 412), SourceChangedError),
        (refusal("InvalidRange", 416), SourceChangedError),
        (refusal("NoSuchKey", 404), SourceChangedError),
        (refusal("NoSuchVersion", 404), SourceChangedError),
        (refusal("AccessDenied", 403), AccessDeniedError),
        (refusal("SlowDown", 503), ServiceUnavailableError),
        (refusal("InternalError", 500), ServiceUnavailableError),
        (refusal("Teapot", 418), UnexpectedResponseError),
        (EndpointConnectionError(endpoint_url="s3"), ServiceUnavailableError),
    ],
)
def test_refusal_has_a_name_and_names_the_object(error: Exception, expected: type[SluiceError]) -> None:
    with pytest.raises(expected, match=r"s3://bucket/input/rows\.csv"):
        read_all(opened(RefusingS3(error)))


def test_other_etag_is_a_changed_source() -> None:
    s3 = S3(DATA)
    s3.etag = '"other"'
    with pytest.raises(SourceChangedError, match=r"s3://bucket/input/rows\.csv \(version v1\) is no longer the object"):
        read_all(opened(s3, version_id="v1"))


def opened_gzip(compressed: bytes, start: int = 0, end: int | None = None) -> SourceStream:
    breaks = [(length, None) for length in (1, 2, 15)]
    return opened(S3(compressed, breaks), start, end, size=len(compressed), compression="gzip")


@given(
    st.lists(st.binary(max_size=50), max_size=5),
    st.integers(0, 300),
    st.none() | st.integers(0, 300),
    st.integers(1, 99),
)
def test_gzip_is_read_across_its_members(members: list[bytes], start: int, length: int | None, size: int) -> None:
    compressed = b"".join(gzip.compress(member) for member in members)
    end = None if length is None else start + length
    assert read_all(opened_gzip(compressed, start, end), size) == b"".join(members)[start:end]


def test_gzip_may_be_padded_with_zeros() -> None:
    assert read_all(opened_gzip(gzip.compress(DATA) + b"\0" * 600_000)) == DATA


def test_gzip_is_read_in_pieces_of_the_requested_size() -> None:
    assert read_all(opened_gzip(gzip.compress(b"0" * 10_000_000)), 4096) == b"0" * 10_000_000


@pytest.mark.parametrize("length", [1, 9, 12, 100, -1, -8])
def test_truncated_gzip_is_malformed(length: int) -> None:
    noise = random.Random(1).randbytes(5000)
    with pytest.raises(SourceMalformedError, match=r"rows\.csv: the gzip ends in the middle"):
        read_all(opened_gzip(gzip.compress(noise)[:length]))


def test_damaged_gzip_is_malformed() -> None:
    compressed = bytearray(gzip.compress(DATA))
    compressed[-6] ^= 1
    with pytest.raises(SourceMalformedError, match=r"rows\.csv: damaged gzip"):
        read_all(opened_gzip(bytes(compressed)))


def test_what_is_not_gzip_says_which_setting_to_change() -> None:
    with pytest.raises(SourceMalformedError, match=r"rows\.csv: not gzip; .* source\.compression none"):
        read_all(opened_gzip(b"a,b\n1,2\n" * 10))
    stored = gzip.compress(DATA)
    after = rf"rows\.csv has bytes after the end of the gzip data, from byte {len(stored)} on"
    with pytest.raises(SourceMalformedError, match=after):
        read_all(opened_gzip(stored + b"garbage"))

"""Objects of a slice: requested ahead, whole or to be streamed, with or without a request of their own."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import botocore.session
import pytest

from bench.null_endpoint import ETAG, NullServices, RepeatedRows, in_thread
from sluice.reading.object_gets import ObjectGets
from sluice.reading.object_reads import REQUESTS_AHEAD, ObjectRead, ObjectReads
from sluice.reading.source import Source
from tests.unit.sources import a_source

ROWS = b"g,x\na,1\n"
BODIES = {
    "a.csv": ROWS,
    "b.csv.gz": gzip.compress(ROWS),
    "large.csv": ROWS * 20,
    "bomb.csv.gz": gzip.compress(ROWS * 20),
}
WHOLE_MAX_BYTES = 100


@pytest.fixture(params=["requests", "botocore"])
def reads(request: pytest.FixtureRequest) -> Iterator[ObjectReads]:
    sources = {key: RepeatedRows(b"", body, 1) for key, body in BODIES.items()}
    with in_thread(NullServices([], sources)) as url:
        session = botocore.session.get_session()
        session.set_credentials("a", "b")
        client: Any = session.create_client("s3", "us-east-1", endpoint_url=url)
        gets = ObjectGets.like(session, lambda: client) if request.param == "requests" else ObjectGets(lambda: None)
        with ObjectReads(client, gets, WHOLE_MAX_BYTES) as reads:
            yield reads


def source(key: str) -> Source:
    return a_source(key=key, etag=ETAG, size=len(BODIES[key]), compression="gzip" if key.endswith(".gz") else "none")


def test_small_objects_are_whole_and_others_opened_when_they_are_read(reads: ObjectReads) -> None:
    found = [each for each in reads.each([source(key) for key in BODIES]) if isinstance(each, ObjectRead)]
    assert [each.data for each in found] == [ROWS, ROWS, None, None]
    for each in found:
        with closing(each.open_at(4)) as stream:
            assert stream.read(4) == ROWS[4:]


def test_answers_that_nobody_reads_are_let_go_of(reads: ObjectReads) -> None:
    several = reads.each([source("a.csv"), source("large.csv")] * REQUESTS_AHEAD)
    assert isinstance(next(several), ObjectRead)
    assert len(reads._ahead) == REQUESTS_AHEAD - 1
    reads.__exit__()
    assert not reads._ahead

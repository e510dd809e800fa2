"""The first rows of a result as `sluice run` and `watch` show them."""

import io
from typing import Any

import pytest
from botocore.response import StreamingBody

from sluice_cli.result_view import result_lines
from sluice_cli.stored_lines import BYTES_READ
from tests.unit.cli_aws import SUMMARY, StubbedAws, stubbed_aws

KEY = "object_aggregate/july/result.csv"


def summary(groups: int) -> dict[str, Any]:
    return SUMMARY | {"workflow": "object_aggregate", "result": {"csv": KEY, "groups": groups}}


def store(stubbed: StubbedAws, body: bytes) -> None:
    wanted = {"Bucket": "data", "Key": KEY, "Range": f"bytes=0-{BYTES_READ - 1}"}
    stubbed.s3.add_response("get_object", {"Body": StreamingBody(io.BytesIO(body), len(body))}, wanted)


def test_rows_are_shown_in_columns() -> None:
    with stubbed_aws() as stubbed:
        store(stubbed, b'STATION,rows,TEMP.mean\n"JAN MAYEN, NO",31,-3.25\n"A\nB",1,\n')
        assert result_lines(stubbed.aws, summary(2)) == [
            "",
            "STATION        rows  TEMP.mean",
            "JAN MAYEN, NO  31    -3.25",
            "A B            1",
        ]


def test_more_rows_than_are_shown_are_reported() -> None:
    with stubbed_aws() as stubbed:
        store(stubbed, b"g,rows\n" + b"".join(b"%s,1\n" % (b"x" * 99) for _ in range(20)))
        lines = result_lines(stubbed.aws, summary(5000))
        assert (len(lines), lines[-1]) == (15, "... 4,988 more rows")
        assert lines[2] == f"{'x' * 37}...  1"


def test_result_that_no_longer_exists_is_left_out() -> None:
    with stubbed_aws() as stubbed:
        stubbed.s3.add_client_error("get_object", "NoSuchKey", http_status_code=404)
        assert result_lines(stubbed.aws, summary(1)) == []


@pytest.mark.parametrize("reported", [SUMMARY, SUMMARY | {"result": None}, "no summary"])
def test_run_without_a_result_shows_none(reported: Any) -> None:
    with stubbed_aws() as stubbed:
        assert result_lines(stubbed.aws, reported) == []

"""The bare side of the comparison sends the very items of csv_load, each once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.bare_writes import bare_writes, flight_batches
from bench.flights import KEYS, NUMBERS, TEXTS
from bench.null_endpoint import NullServices, in_thread
from local_aws.access.credentials import RootCredentials
from local_aws.lifecycle import LocalAws

COLUMNS = [*NUMBERS, *TEXTS]


def flights(rows: int) -> bytes:
    lines = [",".join(COLUMNS)]
    for row in range(rows):
        cells = dict.fromkeys(COLUMNS, "NA") | {"carrier": "UA", "flight": str(row), "time_hour": "10", "origin": "EWR"}
        lines.append(",".join(cells[name] for name in COLUMNS))
    return "\n".join(lines).encode() + b"\n"


def test_batches_are_full_but_for_the_last_and_leave_missing_cells_out() -> None:
    batches = [json.loads(b"[" + batch + b"]") for batch in flight_batches(flights(60))]
    assert [len(batch) for batch in batches] == [25, 25, 10]
    assert batches[2][9]["PutRequest"]["Item"] == {
        "flight_id": {"S": "UA59"},
        "departure": {"S": "10#EWR"},
        "carrier": {"S": "UA"},
        "flight": {"N": "59"},
        "time_hour": {"S": "10"},
        "origin": {"S": "EWR"},
    }


@pytest.mark.parametrize("senders", [1, 4])
def test_each_batch_is_sent_once_by_however_many_senders(senders: int, tmp_path: Path) -> None:
    RootCredentials.new().write(tmp_path)
    services = NullServices(KEYS, keeps_batches=True)
    with in_thread(services) as url:
        aws = LocalAws(url, int(url.rpartition(":")[2]), pid=0, directory=tmp_path)
        assert bare_writes(aws, "flights", flight_batches(flights(110))).seconds(senders) > 0
    sent = [
        put["PutRequest"]["Item"] for body in services.batches for put in json.loads(body)["RequestItems"]["flights"]
    ]
    assert sorted(item["flight"]["N"] for item in sent) == sorted(map(str, range(110)))

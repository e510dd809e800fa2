"""What distinct_keys is compared with on real tables: the known ways to list keys, and the tables."""

from __future__ import annotations

import csv
import io
import json
from itertools import islice

import pytest

from bench.distinct_local import over_better
from bench.plain_scans import Listing, full_scan, skips, whole_table
from bench.real_tables import AIRPORTS_BY_COUNTRY, FLIGHTS_BY_DEST, FLIGHTS_BY_TAILNUM, WEATHER_BY_DAY, RealTable
from bench.scan_simulator import ScanCost
from sluice.dynamodb.keys import KeySchema
from sluice.mapping.encoders import encoder_for
from sluice.workflows.distinct_keys.segment_scan import SegmentScan
from tests.unit.fake_scan import FakeScan
from tests.unit.scan_slices import birds

ROWS = 2_000
KEYS = frozenset({("wren",), ("rook",), ("crow",)})


def flock() -> FakeScan:
    """1,000 items of 4 KiB of one key, two of the others."""
    table = birds({"wren": 1000, "rook": 1, "crow": 1})
    for number in range(1000):
        table.put({"pk": {"S": "wren"}, "sk": {"N": str(number)}}, size_bytes=4096)
    return table


def scan(table: FakeScan) -> SegmentScan:
    return whole_table(table.name, KeySchema.from_state([{"name": "pk", "type": "S"}, {"name": "sk", "type": "N"}]))


def test_full_scan_reads_everything_in_full_pages() -> None:
    table = flock()
    assert full_scan(scan(table), table) == Listing(KEYS, ScanCost(4, 1000 * 0.5 + 0.5))
    assert all("Limit" not in request for request in table.requests)


def test_skips_read_one_item_per_key_and_see_the_end() -> None:
    table = flock()
    assert skips(scan(table), table) == Listing(KEYS, ScanCost(4, 4 * 0.5))
    assert all(request["Limit"] == 1 for request in table.requests)


def test_empty_table_takes_one_request() -> None:
    table = birds({})
    assert skips(scan(table), table) == full_scan(scan(table), table) == Listing(frozenset(), ScanCost(1, 0.5))


def test_run_is_compared_with_the_better_of_the_others() -> None:
    assert over_better(ScanCost(10, 20.0), ScanCost(1, 100.0), ScanCost(20, 10.0)) == pytest.approx(40 / 50)


@pytest.mark.parametrize(
    "real", [FLIGHTS_BY_DEST, FLIGHTS_BY_TAILNUM, WEATHER_BY_DAY, AIRPORTS_BY_COUNTRY], ids=lambda real: real.partition
)
def test_real_rows_become_items_with_all_their_columns(real: RealTable) -> None:
    rows = csv.reader(io.StringIO(real.csv().decode(), newline=""))
    header = next(rows)
    schema = KeySchema.from_state([{"name": name, "type": "S"} for name in (real.partition, real.sort)])
    encode = encoder_for({"mapping": real.mapping}, tuple(header), schema)
    items = [json.loads(item) for row in islice(rows, ROWS) for _, item in encode(row)]
    assert len({(item[real.partition]["S"], item[real.sort]["S"]) for item in items}) == ROWS
    assert set(header) <= {name for item in items for name in item}

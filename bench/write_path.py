"""From CSV text to acknowledged BatchWriteItem: rows per CPU second, against boto3 and awswrangler."""

from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from bench.figures import Better, Measurement, figure
from bench.flights import KEYS, MAPPING, TABLE, flights_csv
from bench.loaders import pinned, with_awswrangler, with_batch_writer, with_sluice
from bench.null_endpoint import NullServices, in_process, in_thread
from sluice.dynamodb.items import comparable
from sluice.dynamodb.keys import KeySchema
from sluice.mapping.encoders import encoder_for
from sluice.reading.record_scanner import blocks
from sluice.reading.rows import parse

ROWS = 20_000
ROUNDS = 5
CHECKED_ROWS = 1_000
Loader = Callable[[str, str], None]


@figure("write_path_vs_batch_writer", goal=4, better=Better.HIGHER, unit="ratio")
def versus_batch_writer() -> Measurement:
    """Over boto3's Table.batch_writer with csv.DictReader."""
    return _compare("batch_writer", with_batch_writer)


@figure("write_path_vs_awswrangler", goal=4, better=Better.HIGHER, unit="ratio")
def versus_awswrangler() -> Measurement:
    """Over awswrangler's dynamodb.put_df on a DataFrame read from the same text."""
    return _compare("awswrangler", with_awswrangler)


def _compare(peer_name: str, peer: Loader) -> Measurement:
    os.environ.update(AWS_ACCESS_KEY_ID="bench", AWS_SECRET_ACCESS_KEY="bench")
    _check_same_items(peer)
    text = flights_csv(ROWS)
    ours, theirs = [], []
    with in_process(NullServices(KEYS)) as url:
        for _ in range(ROUNDS):
            ours.append(_rows_per_cpu_second(with_sluice, text, url))
            theirs.append(_rows_per_cpu_second(peer, text, url))
    detail: dict[str, Any] = {
        "rows": ROWS,
        "rounds": ROUNDS,
        "rowsPerCpuSecond": {"sluice": round(median(ours)), peer_name: round(median(theirs))},
        "ratios": [round(our / their, 2) for our, their in zip(ours, theirs, strict=True)],
        "sluiceStages": _stages(text),
    }
    return Measurement(median(ours) / median(theirs), detail)


def _check_same_items(peer: Loader) -> None:
    """Nothing is compared unless both send the same items."""
    text = flights_csv(CHECKED_ROWS)
    if _items_sent(with_sluice, text) != _items_sent(peer, text):
        raise AssertionError("the contestants do not send the same items")


def _items_sent(load: Loader, text: str) -> list[str]:
    services = NullServices(KEYS, keeps_batches=True)
    with in_thread(services) as url:
        load(text, url)
    puts = [put for body in services.batches for put in json.loads(body)["RequestItems"][TABLE]]
    items = [comparable({"M": put["PutRequest"]["Item"]})[1] for put in puts]
    return sorted(str(sorted(item.items())) for item in items)


def _rows_per_cpu_second(load: Loader, text: str, url: str) -> float:
    start = time.process_time()
    load(text, url)
    return ROWS / (time.process_time() - start)


def _stages(text: str) -> dict[str, int]:
    """Rows per CPU second of parsing alone and of encoding alone; writing is what remains of the whole."""
    header, source, data = pinned(text)
    start = time.process_time()
    parsed = [parse(block, source) for block in blocks(io.BytesIO(data[header:]), source.grammar, header, 1)]
    parse_seconds = time.process_time() - start
    encode = encoder_for({"mapping": MAPPING}, source.header, KeySchema.from_state(KEYS))
    start = time.process_time()
    for rows in parsed:
        for row in rows:
            encode(row)  # type: ignore[arg-type]
    encode_seconds = time.process_time() - start
    return {"parse": round(ROWS / parse_seconds), "encode": round(ROWS / encode_seconds)}

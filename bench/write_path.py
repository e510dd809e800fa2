"""From CSV text to acknowledged BatchWriteItem: rows per CPU second, against boto3 and awswrangler."""

from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from bench.figures import Better, Measurement, figure
from bench.flights import KEYS, MAPPING, TABLE, flights_csv, identified_csv
from bench.loaders import (
    ID_KEYS,
    pinned,
    with_awswrangler,
    with_batch_writer,
    with_batch_writer_by_id,
    with_sluice,
    with_types,
    with_update_item,
    with_updates,
)
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


@figure("write_path_vs_batch_writer", goal=8, better=Better.HIGHER, unit="ratio")
def versus_batch_writer() -> Measurement:
    """Over boto3's Table.batch_writer with csv.DictReader."""
    return _compare(Contest("batch_writer", with_sluice, with_batch_writer), _stages)


@figure("typed_write_path_vs_batch_writer", goal=8, better=Better.HIGHER, unit="ratio")
def typed_versus_batch_writer() -> Measurement:
    """The same with `types` in place of a mapping."""
    return _compare(Contest("batch_writer", with_types, with_batch_writer_by_id, identified_csv, ID_KEYS))


@figure("update_path_vs_boto3", goal=8, better=Better.HIGHER, unit="ratio")
def updates_versus_boto3() -> Measurement:
    """`write: update` over boto3's Table.update_item with csv.DictReader."""
    return _compare(Contest("update_item", with_updates, with_update_item, identified_csv, ID_KEYS))


@figure("write_path_vs_awswrangler", goal=4, better=Better.HIGHER, unit="ratio")
def versus_awswrangler() -> Measurement:
    """Over awswrangler's dynamodb.put_df on a DataFrame read from the same text."""
    return _compare(Contest("awswrangler", with_sluice, with_awswrangler), _stages)


@dataclass(frozen=True, slots=True)
class Contest:
    """Two loaders of one text. `text` makes it, of so many rows."""

    peer_name: str
    ours: Loader
    peer: Loader
    text: Callable[[int], str] = flights_csv
    keys: Sequence[dict[str, str]] = tuple(KEYS)


def _compare(contest: Contest, stages: Callable[[str], dict[str, int]] | None = None) -> Measurement:
    os.environ.update(AWS_ACCESS_KEY_ID="bench", AWS_SECRET_ACCESS_KEY="bench")
    _check_same_items(contest)
    text = contest.text(ROWS)
    ours, theirs = [], []
    with in_process(NullServices(list(contest.keys))) as url:
        for _ in range(ROUNDS):
            ours.append(_rows_per_cpu_second(contest.ours, text, url))
            theirs.append(_rows_per_cpu_second(contest.peer, text, url))
    detail: dict[str, Any] = {
        "rows": ROWS,
        "rounds": ROUNDS,
        "rowsPerCpuSecond": {"sluice": round(median(ours)), contest.peer_name: round(median(theirs))},
        "ratios": [round(our / their, 2) for our, their in zip(ours, theirs, strict=True)],
    }
    if stages:
        detail["sluiceStages"] = stages(text)
    return Measurement(median(ours) / median(theirs), detail)


def _check_same_items(contest: Contest) -> None:
    """Nothing is compared unless both send the same items."""
    text = contest.text(CHECKED_ROWS)
    if _items_sent(contest.ours, text, contest) != _items_sent(contest.peer, text, contest):
        raise AssertionError("the contestants do not send the same items")


def _items_sent(load: Loader, text: str, contest: Contest) -> list[str]:
    services = NullServices(list(contest.keys), keeps_batches=True)
    with in_thread(services) as url:
        load(text, url)
    items = [comparable({"M": item})[1] for body in services.batches for item in _items(json.loads(body))]
    return sorted(str(sorted(item.items())) for item in items)


def _items(request: dict[str, Any]) -> list[dict[str, Any]]:
    """The items that a BatchWriteItem puts, or the one that an UpdateItem with SET makes."""
    if "RequestItems" in request:
        return [put["PutRequest"]["Item"] for put in request["RequestItems"][TABLE]]
    pairs = [each.split("=") for each in request["UpdateExpression"].removeprefix("SET ").split(",")]
    names, values = request["ExpressionAttributeNames"], request["ExpressionAttributeValues"]
    return [request["Key"] | {names[name.strip()]: values[value.strip()] for name, value in pairs}]


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

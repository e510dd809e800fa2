"""The contestants: each loads a CSV's text into the table at an endpoint, as its users would write it."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from typing import Any

import boto3
import botocore.session

from bench.flights import KEYS, MAPPING, NUMBERS, TABLE, flight_keys
from sluice.aws.wire import Wire
from sluice.dynamodb.keys import KeySchema
from sluice.dynamodb.writers import WriteSpec, writer_for
from sluice.mapping.encoders import encoder_for
from sluice.reading.dialect import CSV, Dialect
from sluice.reading.record_scanner import blocks
from sluice.reading.source import ObjectPin, Source
from sluice.runs.range_progress import RangeProgress
from sluice.workflows.csv_load.slice import RangeSlice, Stretch

REGION = "us-east-1"


def with_sluice(text: str, url: str) -> None:
    """What transform_items does with a range once its bytes are there."""
    header, source, data = pinned(text)
    schema = KeySchema.from_state(KEYS)
    progress = RangeProgress(position=header, row=1)
    encode = encoder_for({"mapping": MAPPING}, source.header, schema)
    session = botocore.session.get_session()
    with (
        Wire.from_session(session, region=REGION, endpoint_url=url) as wire,
        writer_for(wire, TABLE, schema, WriteSpec()) as writer,
    ):
        rows = blocks(io.BytesIO(data[header:]), source.grammar, header, 1)
        RangeSlice(progress, writer).run([Stretch(source, encode, rows, header, 1)], lambda: False)


def with_batch_writer(text: str, url: str) -> None:
    """boto3's Table.batch_writer."""
    table = boto3.resource("dynamodb", region_name=REGION, endpoint_url=url).Table(TABLE)
    with table.batch_writer() as batch:
        for row in csv.DictReader(io.StringIO(text, newline="")):
            batch.put_item(Item=flight_item(row))


def flight_item(row: dict[str, str]) -> dict[str, Any]:
    """One row as boto3 takes it."""
    item: dict[str, Any] = {name: value for name, value in row.items() if value != ""}
    for name in NUMBERS:
        if name in item:
            item[name] = Decimal(item[name])
    item["flight_id"], item["departure"] = flight_keys(row)
    return item


def with_awswrangler(text: str, url: str) -> None:
    """awswrangler's dynamodb.put_df."""
    import awswrangler
    import pandas

    awswrangler.config.dynamodb_endpoint_url = url
    frame = pandas.read_csv(io.StringIO(text), dtype=str)
    frame["flight_id"] = frame["carrier"] + frame["flight"]
    frame["departure"] = frame["time_hour"] + "#" + frame["origin"]
    for name in NUMBERS:
        # DynamoDB's client takes no floats.
        frame[name] = frame[name].astype(object).map(Decimal, na_action="ignore")
    awswrangler.dynamodb.put_df(df=frame, table_name=TABLE, boto3_session=boto3.Session(region_name=REGION))


def pinned(text: str) -> tuple[int, Source, bytes]:
    """The CSV as the plan pins it: bytes of its header row, the source, its bytes."""
    data = text.encode()
    names = tuple(text[: text.index("\n")].split(","))
    source = Source(ObjectPin("b", "flights.csv", None, '"0"', len(data)), Dialect(CSV), names)
    return data.index(b"\n") + 1, source, data

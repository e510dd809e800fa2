"""The contestants: each loads a CSV's text into the table at an endpoint, as its users would write it."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import boto3
import botocore.session

from bench.flights import KEYS, MAPPING, NUMBERS, TABLE, flight_keys
from sluice.aws.wire import Wire
from sluice.dynamodb.keys import KeySchema
from sluice.dynamodb.writers import Write, WriteSpec, writer_for
from sluice.mapping.encoders import encoder_for
from sluice.reading.dialect import CSV, Dialect
from sluice.reading.record_scanner import blocks
from sluice.reading.source import ObjectPin, Source
from sluice.runs.range_progress import RangeProgress
from sluice.workflows.csv_load.slice import RangeSlice, Stretch
from sluice.workflows.csv_load.superseded import SupersededRows

REGION = "us-east-1"
# Flights by an id of their own, and the input that loads them without a mapping.
ID_KEYS = [{"name": "id", "type": "S"}]
TYPED: Mapping[str, Any] = {"keys": ["id"], "types": dict.fromkeys(NUMBERS, "N"), "omitEmpty": True}


def with_sluice(text: str, url: str) -> None:
    """What transform_items does with a range once its bytes are there."""
    load_range(text, url, {"mapping": MAPPING}, KEYS, WriteSpec())


def with_types(text: str, url: str) -> None:
    """The same with types instead of a mapping."""
    load_range(text, url, TYPED, ID_KEYS, WriteSpec())


def with_updates(text: str, url: str) -> None:
    """The same, updating items."""
    load_range(text, url, TYPED, ID_KEYS, WriteSpec(Write.UPDATE))


def load_range(
    text: str, url: str, load: Mapping[str, Any], keys: Sequence[Mapping[str, str]], spec: WriteSpec
) -> None:
    """Load a text as `load` says, whose fields are those of csv_load's input."""
    header, source, data = pinned(text)
    schema = KeySchema.from_state(keys)
    progress = RangeProgress(position=header, row=1)
    encode = encoder_for(load, source.header, schema)
    session = botocore.session.get_session()
    superseded = SupersededRows() if spec.last_wins else None
    with (
        Wire.from_session(session, region=REGION, endpoint_url=url) as wire,
        writer_for(wire, TABLE, schema, spec) as writer,
    ):
        rows = blocks(io.BytesIO(data[header:]), source.grammar, header, 1)
        RangeSlice(progress, writer, superseded).run([Stretch(source, encode, rows, header, 1)], lambda: False)


def with_batch_writer(text: str, url: str) -> None:
    """boto3's Table.batch_writer."""
    _with_batch_writer(text, url, flight_item)


def with_batch_writer_by_id(text: str, url: str) -> None:
    """The same, with items that have their columns' names and an id."""
    _with_batch_writer(text, url, typed_item)


def _with_batch_writer(text: str, url: str, item_of: Callable[[dict[str, str]], dict[str, Any]]) -> None:
    table = boto3.resource("dynamodb", region_name=REGION, endpoint_url=url).Table(TABLE)
    with table.batch_writer() as batch:
        for row in csv.DictReader(io.StringIO(text, newline="")):
            batch.put_item(Item=item_of(row))


def with_update_item(text: str, url: str) -> None:
    """boto3's Table.update_item, one after the other."""
    table = boto3.resource("dynamodb", region_name=REGION, endpoint_url=url).Table(TABLE)
    for row in csv.DictReader(io.StringIO(text, newline="")):
        item = typed_item(row)
        key = {"id": item.pop("id")}
        table.update_item(
            Key=key,
            UpdateExpression="SET " + ",".join(f"#{number}=:{number}" for number in range(len(item))),
            ExpressionAttributeNames={f"#{number}": name for number, name in enumerate(item)},
            ExpressionAttributeValues={f":{number}": value for number, value in enumerate(item.values())},
        )


def typed_item(row: dict[str, str]) -> dict[str, Any]:
    """One row as boto3 takes it, by its columns' names."""
    item: dict[str, Any] = {name: value for name, value in row.items() if value != ""}
    for name in NUMBERS:
        if name in item:
            item[name] = Decimal(item[name])
    return item


def flight_item(row: dict[str, str]) -> dict[str, Any]:
    """One row as boto3 takes it, with the keys of the mapping."""
    item = typed_item(row)
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

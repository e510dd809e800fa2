"""The contestants: each takes station files to the monthly temperatures of every station."""

from __future__ import annotations

import csv
import gzip
import io
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
import duckdb

from bench.daily_weather import HEADER, MISSING
from bench.null_endpoint import ETAG, NullServices, RepeatedRows, in_process
from sluice.aws.clients import BOTO_CONFIG
from sluice.reading.object_gets import ObjectGets
from sluice.workflows.object_aggregate.progress import BatchRequest
from sluice.workflows.object_aggregate.slice import work
from sluice.workflows.object_aggregate.tally import from_line

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

REGION = "us-east-1"
BUCKET = "bench"
# For each month and station: count, least, greatest, sum.
Answer = Mapping[tuple[str, str], tuple[int, float, float, float]]

_GROUPED = """
SELECT strftime(DATE, '%Y-%m') AS month, CAST(STATION AS VARCHAR) AS station,
       count(TEMP), min(TEMP), max(TEMP), sum(TEMP), avg(TEMP)
FROM read_csv(?{types}) WHERE TEMP <> {missing} GROUP BY ALL
"""


@dataclass(frozen=True, slots=True)
class Weather:
    """The same files, as objects of an endpoint and in a folder."""

    s3: S3Client
    gets: ObjectGets
    sizes: Mapping[str, int]
    folder: Path

    @property
    def paths(self) -> list[Path]:
        """The files."""
        return [self.folder / key for key in self.sizes]

    def bodies(self) -> Iterator[bytes]:
        """The objects, one after the other."""
        return (self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in self.sizes)

    def event(self) -> dict[str, Any]:
        """The payload of aggregate_objects."""
        return aggregate_event([{"key": key, "size": size, "etag": ETAG} for key, size in self.sizes.items()])


def aggregate_event(objects: list[dict[str, Any]], **changed: Any) -> dict[str, Any]:
    """The temperatures by month and station, but for what is changed of the aggregation."""
    layout = {"format": "csv", "delimiter": ",", "quote": '"', "headers": None, "encoding": "utf-8"}
    aggregation = {
        "bucket": BUCKET,
        "prefix": "",
        "suffix": ".csv",
        "layout": layout,
        "groupBy": ["DATE:month", "STATION"],
        "measures": [{"column": "TEMP", "statistics": ["count", "min", "max", "mean", "sum"]}],
        "missing": [MISSING],
        "where": [],
        "top": None,
    }
    run = {
        "workflow": "object_aggregate",
        "name": "bench",
        "executionArn": "arn:aws:states:us-east-1:0:execution:m:bench",
    }
    return {"run": run, "aggregation": aggregation | changed, "objects": objects, "progress": None}


@contextmanager
def weather(files: Mapping[str, bytes], folder: Path) -> Iterator[Weather]:
    """The files in the folder, and behind the null endpoint."""
    for key, body in files.items():
        (folder / key).write_bytes(body)
    with in_process(NullServices([], {key: RepeatedRows(b"", body, 1) for key, body in files.items()})) as url:
        session = botocore.session.get_session()
        session.set_credentials("bench", "bench")
        of_session = boto3.Session(botocore_session=session, region_name=REGION)
        s3 = of_session.client("s3", endpoint_url=url, config=BOTO_CONFIG)
        sizes = {key: len(body) for key, body in files.items()}
        yield Weather(s3, ObjectGets.like(session, lambda: s3), sizes, folder)


def by_sluice(through: Weather) -> bytes:
    """One slice of aggregate_objects: its part, decompressed."""
    kept = KeptParts(through.s3)
    request = BatchRequest.from_event(through.event())
    progress = work(kept, through.gets, BUCKET, request, lambda: False)  # type: ignore[arg-type]
    if not progress["done"] or progress["rows"]["read"] != progress["rows"]["aggregated"]:
        raise AssertionError(f"the slice came to {progress}")
    return gzip.decompress(kept.bodies[request.run.batch_part_key(progress["batch"], 0)])


def answer_of(part: bytes) -> Answer:
    """What a part says."""
    answer = {}
    for (month, station), tally in map(from_line, part.splitlines()):
        (measure,) = tally.measures
        answer[month, station] = (
            measure.count,
            float(measure.low or 0),
            float(measure.high or 0),
            float(measure.total),
        )
    return answer


class KeptParts:
    """An S3 client that keeps what is put."""

    def __init__(self, s3: S3Client) -> None:
        self._s3 = s3
        self.bodies: dict[str, bytes] = {}

    def put_object(self, **request: Any) -> Any:
        """Put, and keep."""
        self.bodies[request["Key"]] = request["Body"]
        return self._s3.put_object(**request)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._s3, name)


def by_dictreader(bodies: Iterable[bytes]) -> Answer:
    """What a first version of such a function looks like."""
    temperatures: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for body in bodies:
        for row in csv.DictReader(io.StringIO(body.decode())):
            value = float(row["TEMP"])
            if value != float(MISSING):
                temperatures[row["DATE"][:7], row["STATION"]].append(value)
    return {key: (len(each), min(each), max(each), sum(each)) for key, each in temperatures.items()}


def by_duckdb(through: Weather, *, types_are_given: bool = False) -> Answer:
    """DuckDB's own reader and doubles, with all threads that it wants."""
    numbers = {"TEMP": "DOUBLE", "DATE": "DATE"}
    columns = {name: numbers.get(name, "VARCHAR") for name in HEADER}
    types = f", header=true, auto_detect=false, quote='\"', columns={columns}" if types_are_given else ""
    with duckdb.connect() as connection:
        query = _GROUPED.format(types=types, missing=MISSING)
        rows = connection.execute(query, [str(through.folder / "*.csv")]).fetchall()
    return {(month, station): (count, low, high, total) for month, station, count, low, high, total, _mean in rows}

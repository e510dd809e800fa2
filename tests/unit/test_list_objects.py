"""ListObjects: every object of the source once, in batches; what a file names wrong is named by its line."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from sluice import errors
from sluice.errors import FileDamagedError, InvalidInputError, SourceNotFoundError
from sluice.runs.input import ToleratedFailures
from sluice.runs.paths import Run
from sluice.workflows.object_map import inventory
from sluice.workflows.object_map.input import Filters
from sluice.workflows.object_map.listing import Listing
from sluice.workflows.object_map.objects import is_taken
from tests.fixtures import EVENTS, expected_error, fixture
from tests.unit.lambda_context import Context

BUCKET = "sluice-data-000000000000-us-east-1"
USUAL = fixture("list_objects", "usual")
PLANNED, RUN = USUAL["planned"], Run.from_state(USUAL["run"])
NO_FILTERS = {"prefix": "input/", "suffix": "", "minBytes": 0}


class Bucket:
    """The data bucket in moto, and the function."""

    def __init__(self) -> None:
        self.s3: Any = boto3.client("s3")
        self.s3.create_bucket(Bucket=BUCKET)

    def put(self, sizes: dict[str, int]) -> None:
        """Objects below input/ by their size."""
        for key, size in sizes.items():
            self.s3.put_object(Bucket=BUCKET, Key=f"input/{key}", Body=b"x" * size)

    def list_slice(self, listing: Any, context: Context, run: dict[str, Any], **planned: Any) -> dict[str, Any]:
        """One slice; `planned` changes the plan."""
        filters = PLANNED["filters"] | NO_FILTERS | planned.pop("filters", {})
        event = {"run": run, "planned": PLANNED | planned | {"filters": filters}, "listing": listing}
        found: dict[str, Any] = import_module("list_objects.handler").lambda_handler(event, context)
        return found

    def list_all(self, *, context: Context | None = None, run: dict[str, Any] | None = None, **planned: Any) -> Any:
        """Slices to the end; returns the last one's result and the batches."""
        context, run, listing = context or Context(), run or USUAL["run"], None
        while listing is None or not listing["done"]:
            listing = self.list_slice(listing, context, run, **dict(planned))
        return listing, self.batches(run)

    def batches(self, run: dict[str, Any]) -> list[Any]:
        """The lines that the Map reads."""
        manifest = self.read(Run.from_state(run).listing_key).decode().split()
        keys = [uri.removeprefix(f"s3://{BUCKET}/") for uri in manifest]
        return [json.loads(line) for key in keys for line in self.read(key).splitlines()]

    def read(self, key: str) -> bytes:
        """An object."""
        body: bytes = self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return body

    def list_file(self, body: str, **planned: Any) -> Any:
        """The objects that a file names."""
        self.s3.put_object(Bucket=BUCKET, Key="input/list.jsonl", Body=body.encode())
        source = {"kind": "objects", "bucket": BUCKET, "key": "input/list.jsonl"}
        return self.list_all(source=source, **{"filters": {"prefix": ""}, **planned})


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with mock_aws():
        boto3.client("dynamodb").create_table(
            TableName="runs-table",
            KeySchema=[{"AttributeName": "run", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "run", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield Bucket()


def names(batches: list[Any]) -> list[list[str]]:
    return [[each["Key"].removeprefix("input/") for each in batch["objects"]] for batch in batches]


@pytest.mark.parametrize("path", sorted((EVENTS / "list_objects").glob("*.json")), ids=lambda path: path.stem)
def test_fixture_ends_as_it_is_named(bucket: Bucket, path: Path) -> None:
    handler = import_module("list_objects.handler").lambda_handler
    event, error = fixture("list_objects", path.stem), expected_error(path)
    if error is None:
        assert handler(event, Context())["done"]
        return
    with pytest.raises(getattr(errors, error)):
        handler(event, Context())


def test_batches_have_each_object_once_and_as_s3_lists_it(bucket: Bucket) -> None:
    bucket.put({"a": 1, "b": 2, "c": 3, "d": 4, "e": 5})
    listing, batches = bucket.list_all(batchSize=2)
    assert names(batches) == [["a", "b"], ["c", "d"], ["e"]]
    assert [each["batch"] for each in batches] == [0, 1, 2]
    first = batches[0]["objects"][0]
    head = bucket.s3.head_object(Bucket=BUCKET, Key="input/a")
    assert (first["Bucket"], first["Size"], first["ETag"]) == (BUCKET, 1, head["ETag"])
    assert (first["StorageClass"], first["VersionId"]) == ("STANDARD", None)
    assert (listing["objects"], listing["bytes"], listing["seen"], listing["batches"]) == (5, 15, 5, 3)


def test_batch_ends_before_it_has_more_bytes_than_allowed(bucket: Bucket) -> None:
    bucket.put({"a": 3, "b": 3, "c": 1, "d": 10, "e": 1})
    _, batches = bucket.list_all(batchSize=100, maxBatchBytes=6)
    assert names(batches) == [["a", "b"], ["c"], ["d"], ["e"]]


def test_batch_fits_into_the_input_of_a_child(bucket: Bucket) -> None:
    bucket.put({f"{'🗻' * 240}{number:03}": 0 for number in range(200)})
    listing, batches = bucket.list_all(batchSize=500)
    assert listing["objects"] == 200
    assert len(batches) > 1
    assert all(len(json.dumps(batch, ensure_ascii=False).encode()) < 200_000 for batch in batches)


def test_slices_together_list_what_one_lists(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket.put({f"{number:03}": number for number in range(25)})
    _, whole = bucket.list_all(batchSize=5)
    client = import_module("sluice.aws.clients").s3_client()
    paginate = client.get_paginator
    monkeypatch.setattr(client, "get_paginator", lambda name: SmallPages(paginate(name)))
    listing, batches = bucket.list_all(context=Context(remaining_milliseconds=0), batchSize=5)
    assert listing["slices"] > 3
    assert [each for batch in names(batches) for each in batch] == [each for batch in names(whole) for each in batch]
    assert [each["batch"] for each in batches] == list(range(listing["batches"]))


class SmallPages:
    """Pages of five keys."""

    def __init__(self, paginator: Any) -> None:
        self.paginator = paginator

    def paginate(self, **options: Any) -> Any:
        """As the paginator."""
        return self.paginator.paginate(**options, PaginationConfig={"PageSize": 5})


@pytest.mark.parametrize(
    ("filters", "taken"),
    [
        ({}, "abcd"),
        ({"suffix": "b"}, "b"),
        ({"minBytes": 2}, "bcd"),
        ({"minBytes": 2, "maxBytes": 3}, "bc"),
        ({"modifiedSince": 4e9}, ""),
        ({"modifiedSince": 1.0}, "abcd"),
        ({"storageClasses": ["GLACIER"]}, ""),
        ({"storageClasses": ["GLACIER", "STANDARD"]}, "abcd"),
    ],
)
def test_filters_leave_out_objects_and_count_them(bucket: Bucket, filters: dict[str, Any], taken: str) -> None:
    bucket.put({"a": 1, "b": 2, "c": 3, "d": 4})
    listing, batches = bucket.list_all(filters=filters)
    assert "".join(each for batch in names(batches) for each in batch) == taken
    assert (listing["seen"], listing["objects"]) == (4, len(taken))


def test_file_names_objects_in_its_order(bucket: Bucket) -> None:
    line = {"Bucket": BUCKET, "Key": "input/ü", "ETag": "abc", "Size": 3, "VersionId": "v", "more": 1}
    body = json.dumps(line) + '\r\n\n{"Bucket": "' + BUCKET + '", "Key": "input/b"}'
    listing, batches = bucket.list_file(body)
    (batch,) = batches
    assert [each["Key"] for each in batch["objects"]] == ["input/ü", "input/b"]
    assert (batch["objects"][0]["ETag"], batch["objects"][0]["VersionId"]) == ('"abc"', "v")
    assert batch["objects"][1]["Size"] is None
    assert listing["bytes"] == 3


@pytest.mark.parametrize("lines", [1, 999, 1000, 1001, 2500])
def test_file_is_read_slice_by_slice(bucket: Bucket, lines: int) -> None:
    body = "".join(json.dumps({"Bucket": BUCKET, "Key": f"input/ü{number}"}) + "\n" for number in range(lines))
    listing, batches = bucket.list_file(body, context=Context(remaining_milliseconds=0))
    assert [each for batch in names(batches) for each in batch] == [f"ü{number}" for number in range(lines)]
    assert listing["slices"] >= lines // 1000


@pytest.mark.parametrize(
    ("line", "field", "words"),
    [
        ("{", "objects.key", "line 2 of s3://"),
        ("[1]", "objects.key", "must be an object, not a list"),
        ('{"Key": "k"}', "objects.key", "has no Bucket"),
        ('{"Bucket": "' + BUCKET + '"}', "objects.key", "has no Key"),
        ('{"Bucket": "' + BUCKET + '", "Key": "k", "Size": "3"}', "objects.key", "Size in line 2"),
        ('{"Bucket": "' + BUCKET + '", "Key": "k", "LastModified": "x"}', "objects.key", "must be a time such as"),
        ('{"Bucket": "others", "Key": "k"}', "objects.key", "SourceBucketPattern: there are none"),
        ('{"Bucket": "' + BUCKET + '", "Key": "k"}', "minBytes", "needs Size of each object, and line 2"),
    ],
)
def test_line_that_names_no_object_is_an_error_before_any_is_touched(
    bucket: Bucket, line: str, field: str, words: str
) -> None:
    first = {"Bucket": BUCKET, "Key": "input/a", "Size": 1}
    with pytest.raises(InvalidInputError) as refused:
        bucket.list_file(f"{json.dumps(first)}\n{line}\n", filters={"prefix": "", "minBytes": 1})
    assert refused.value.field == field
    assert words in str(refused.value)


def test_objects_of_the_data_bucket_that_are_not_users_are_not_deleted(bucket: Bucket) -> None:
    bounds = PLANNED["bounds"] | {"ownPrefixes": ["input/", "output/"]}
    line = json.dumps({"Bucket": BUCKET, "Key": "csv_load/run/summary.json"})
    with pytest.raises(InvalidInputError, match="must begin with input/ or output/ in the data bucket"):
        bucket.list_file(line, bounds=bounds)


def resumed(bucket: Bucket, outcomes: dict[int, dict[str, Any]], **planned: Any) -> Any:
    """The listing of a run that resumes one whose batches have these outcomes."""
    for batch, outcome in outcomes.items():
        body = json.dumps({"written": 0, "skipped": 0, "undone": [], "results": []} | outcome).encode()
        bucket.s3.put_object(Bucket=BUCKET, Key=RUN.batch_outcome_key(batch), Body=body)
    return bucket.list_all(run=USUAL["run"] | {"name": "second"}, resumedRun=RUN.name, **planned)


def test_resumed_run_takes_what_has_no_outcome_and_what_failed(bucket: Bucket) -> None:
    bucket.put({f"{number}": 1 for number in range(8)})
    bucket.list_all(batchSize=2)
    undone = [
        {"index": 0, "outcome": "failed", "error": "e", "message": "m"},
        {"index": 1, "outcome": "rejected", "error": "e", "message": "m"},
    ]
    outcomes: dict[int, Any] = {0: {"written": 2}, 2: {"undone": undone}, 3: {"written": 1, "skipped": 1}}
    listing, batches = resumed(bucket, outcomes, batchSize=10)
    assert names(batches) == [["2", "3", "4"]]
    assert listing["before"] == {"read": 5, "written": 3, "skipped": 1, "rejected": 1, "failed": 0}
    with pytest.raises(InvalidInputError, match="fixture was resumed by second: resume that run instead"):
        bucket.list_all(run=USUAL["run"] | {"name": "third"}, resumedRun=RUN.name)


def test_resumed_run_that_is_listed_in_slices_takes_the_same(bucket: Bucket) -> None:
    bucket.put({f"{number:03}": 1 for number in range(600)})
    bucket.list_all(batchSize=1)
    context = Context(remaining_milliseconds=0)
    listing, batches = resumed(bucket, {number: {"written": 1} for number in range(0, 600, 2)}, context=context)
    assert [each for batch in names(batches) for each in batch] == [f"{number:03}" for number in range(1, 600, 2)]
    assert listing["slices"] > 2
    assert listing["before"]["written"] == 300


@given(
    st.dictionaries(st.integers(1, 9), st.integers(1, 9), min_size=1),
    st.integers(0, 100),
    st.integers(0, 100),
)
def test_tolerated_batches_are_as_many_as_can_fail_whatever_their_sizes(
    sizes: dict[int, int], percentage: int, count: int
) -> None:
    """One more failed batch has more objects than are tolerated, however few objects the failed ones have."""
    each = sorted(size for size, number in sizes.items() for _ in range(number))
    listing = replace(
        Listing(), objects=sum(each), batch_sizes=Counter({str(size): number for size, number in sizes.items()})
    )
    tolerated = min(sum(each) * percentage / 100, count)
    batches = listing.tolerated_batches(ToleratedFailures(percentage, count))
    assert sum(each[:batches]) <= tolerated
    assert batches == len(each) or sum(each[: batches + 1]) > tolerated


@pytest.mark.parametrize(("moment", "taken"), [("2026-11-30T12:00:00Z", True), ("2026-11-30T11:59:59.999Z", False)])
def test_objects_modified_at_the_time_itself_are_taken(moment: str, taken: bool) -> None:
    each = {"Key": "k", "Size": 1, "LastModified": moment, "StorageClass": "STANDARD"}
    assert is_taken(Filters(modified_since=1796040000.0), each) is taken


SCHEMA = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag, StorageClass"
ROW = (BUCKET, "input/a", "v1", "true", "false", "3", "2026-11-29T10:00:00.000Z", "abc", "STANDARD")


def row(**changed: str) -> tuple[str, ...]:
    names = [each.strip() for each in SCHEMA.split(",")]
    return tuple(changed.get(name, value) for name, value in zip(names, ROW, strict=True))


def put_inventory(bucket: Bucket, *files: list[tuple[str, ...]], **manifest: Any) -> None:
    """A report as S3 Inventory leaves it: every field in quotes, keys URL-encoded."""
    listed = []
    for number, rows in enumerate(files):
        text = "".join(",".join(f'"{each}"' for each in fields) + "\n" for fields in rows)
        body = gzip.compress(text.encode())
        key = f"input/inventory/data/{number}.csv.gz"
        bucket.s3.put_object(Bucket=BUCKET, Key=key, Body=body)
        listed.append({"key": key, "size": len(body), "MD5checksum": hashlib.md5(body).hexdigest()})
    whole = {
        "sourceBucket": BUCKET,
        "destinationBucket": f"arn:aws:s3:::{BUCKET}",
        "version": "2016-11-30",
        "creationTimestamp": "1514944800000",
        "fileFormat": "CSV",
        "fileSchema": SCHEMA,
        "files": listed,
    }
    body = json.dumps(whole | manifest).encode()
    bucket.s3.put_object(Bucket=BUCKET, Key="input/inventory/manifest.json", Body=body)


def list_inventory(bucket: Bucket, **planned: Any) -> Any:
    source = {"kind": "inventory", "bucket": BUCKET, "key": "input/inventory/manifest.json"}
    return bucket.list_all(source=source, **{"filters": {"prefix": ""}, **planned})


def test_inventory_lists_the_latest_versions_with_decoded_keys(bucket: Bucket) -> None:
    rows = [
        row(),
        row(Key="input/b%20c+d%2Be%C3%BC%2Cf%22g"),
        row(Key="input/old", IsLatest="false"),
        row(Key="input/gone", IsDeleteMarker="true"),
    ]
    put_inventory(bucket, rows, [row(Key="input/z", VersionId="", StorageClass="GLACIER", Size="")])
    listing, (batch,) = list_inventory(bucket)
    assert names([batch]) == [["a", 'b c d+eü,f"g', "z"]]
    first, _, last = batch["objects"]
    assert (first["Size"], first["ETag"], first["VersionId"]) == (3, '"abc"', "v1")
    assert (last["Size"], last["VersionId"], last["StorageClass"]) == (None, None, "GLACIER")
    assert (listing["objects"], listing["bytes"]) == (3, 6)


def test_inventory_is_read_slice_by_slice(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory, "INVENTORY_PAGE", 2)
    sizes = {"a": 5, "b": 0, "c": 4}
    put_inventory(bucket, *([row(Key=f"input/{file}{number}") for number in range(sizes[file])] for file in sizes))
    listing, batches = list_inventory(bucket, context=Context(remaining_milliseconds=0))
    expected = [f"{file}{number}" for file in sizes for number in range(sizes[file])]
    assert [each for batch in names(batches) for each in batch] == expected
    assert listing["slices"] > 4


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        ({"fileFormat": "Parquet"}, "is of a report in Parquet; configure the inventory's format as CSV"),
        ({"fileSchema": "Key, Size"}, "without Bucket and Key"),
        ({"files": None, "fileFormat": "ORC"}, "is of a report in ORC"),
    ],
)
def test_report_that_cannot_be_read_is_an_error(bucket: Bucket, manifest: dict[str, Any], words: str) -> None:
    put_inventory(bucket, [row()], **manifest)
    with pytest.raises(InvalidInputError, match=words) as refused:
        list_inventory(bucket)
    assert refused.value.field == "inventory.key"


@pytest.mark.parametrize("body", [b"", b"[1]", b'{"files": []}', b"\xff"])
def test_file_that_is_no_manifest_is_an_error(bucket: Bucket, body: bytes) -> None:
    bucket.s3.put_object(Bucket=BUCKET, Key="input/inventory/manifest.json", Body=body)
    with pytest.raises(InvalidInputError, match=r"is not a manifest\.json of S3 Inventory"):
        list_inventory(bucket)


def test_file_of_a_report_that_is_damaged_is_an_error(bucket: Bucket) -> None:
    put_inventory(bucket, [row()])
    key = "input/inventory/data/0.csv.gz"
    whole = bucket.read(key)
    for body, words in (
        (whole[:-9], "0.csv.gz: "),
        (b"no gzip", "0.csv.gz: "),
        (gzip.compress(gzip.decompress(whole), compresslevel=1, mtime=1), "its MD5 is .*, and .* in the manifest"),
    ):
        bucket.s3.put_object(Bucket=BUCKET, Key=key, Body=body)
        with pytest.raises(FileDamagedError, match=words):
            list_inventory(bucket)
    bucket.s3.delete_object(Bucket=BUCKET, Key=key)
    with pytest.raises(SourceNotFoundError, match=r"there is no object .*, which .*manifest\.json names"):
        list_inventory(bucket)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (("a", "b"), "row 1 of .* has 2 fields, and the manifest 9"),
        (row(Size="many"), "row 1 of .*: many is not a size"),
        (row(LastModifiedDate="today"), "row 1 of .*: today is not a time"),
    ],
)
def test_row_of_a_report_that_is_wrong_is_named(bucket: Bucket, fields: tuple[str, ...], words: str) -> None:
    put_inventory(bucket, [fields])
    with pytest.raises(FileDamagedError, match=words):
        list_inventory(bucket)


def test_objects_of_an_inventory_are_bounded_as_those_of_a_list_are(bucket: Bucket) -> None:
    put_inventory(bucket, [row(Bucket="others")])
    with pytest.raises(InvalidInputError, match=r"inventory\.key: row 1 of .*: others is not among the buckets"):
        list_inventory(bucket)

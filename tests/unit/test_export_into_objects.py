"""Records of an export into objects for analytics."""

from __future__ import annotations

import base64
import gzip
import json
import random
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given

from sluice.dynamodb.plain import plain_json
from sluice.dynamodb.values import encode_attributes
from sluice.errors import RejectError, ServiceUnavailableError, SourceNotFoundError
from sluice.runs.attempts import leave_parts
from sluice.workflows.export_process.object_sink import SINK_PART_BYTES, GzipUpload
from tests.unit import plain_values
from tests.unit.export_files import MICROS, Json, bird, birds, changed, compact, items, key_of
from tests.unit.file_slices import (
    CHANGES,
    DATA_BUCKET,
    FULL,
    NEW_ONLY,
    OBJECTS,
    RUN,
    TYPED_OBJECTS,
    Slices,
    counts,
    slices,
)

OBJECT = "output/birds/u2wo.jsonl.gz"
EVERY_TYPE: Json = {
    "pk": {"S": 'é☃ "\u0001'},
    "n": {"N": "12345678901234567890123456789012345678"},
    "e": {"N": "1E+100"},
    "b": {"B": "aGVsbG8="},
    "yes": {"BOOL": True},
    "no": {"BOOL": False},
    "nothing": {"NULL": True},
    "list": {"L": [{"N": "-0.5"}, {"M": {"M": {"S": ""}}}, {"L": []}]},
    "map": {"M": {}},
    "texts": {"SS": ["a", "b"]},
    "numbers": {"NS": ["1", "2.5"]},
    "binaries": {"BS": ["AQ=="]},
}


@pytest.fixture
def aws() -> Iterator[Slices]:
    with slices() as started:
        yield started


def test_plain_values_have_no_types_and_every_digit(aws: Slices) -> None:
    assert counts(aws.process(items([EVERY_TYPE]), FULL, OBJECTS)) == (1, 1, 0, 0, 0)
    body = gzip.decompress(aws.object(OBJECT)).decode()
    assert '"n":12345678901234567890123456789012345678,"e":1E+100' in body
    line = json.loads(body)
    assert line == {
        "change": "PUT",
        "writeTimestampMicros": MICROS,
        "keys": None,
        "item": {
            "pk": 'é☃ "\u0001',
            "n": 12345678901234567890123456789012345678,
            "e": 1e100,
            "b": "aGVsbG8=",
            "yes": True,
            "no": False,
            "nothing": None,
            "list": [-0.5, {"M": ""}, []],
            "map": {},
            "texts": ["a", "b"],
            "numbers": [1, 2.5],
            "binaries": ["AQ=="],
        },
    }


def is_same(found: Any, value: Any) -> bool:
    """Whether JSON holds the plain value; a set in any order."""
    match value:
        case bytes():
            return bool(found == base64.b64encode(value).decode())
        case set():
            elements = {base64.b64encode(each).decode() if isinstance(each, bytes) else each for each in value}
            return sorted(found) == sorted({each if isinstance(each, str) else Decimal(str(each)) for each in elements})
        case list():
            return len(found) == len(value) and all(map(is_same, found, value))
        case dict():
            return found.keys() == value.keys() and all(is_same(found[name], each) for name, each in value.items())
        case bool() | str() | None:
            return found is value or found == value
        case _:
            return bool(found == Decimal(str(value)))


@given(plain_values.items)
def test_plain_json_of_any_item_is_what_it_holds(item: dict[str, Any]) -> None:
    typed = {name: json.loads(value) for name, value in encode_attributes(item).items()}
    assert is_same(json.loads(plain_json(typed), parse_int=Decimal, parse_float=Decimal), item)


@pytest.mark.parametrize(
    "item",
    [
        {"a": {"N": "one"}},
        {"a": {"N": "0x1"}},
        {"a": {"X": "1"}},
        {"a": {"S": 1}},
        {"a": {"M": "x"}},
        {"a": {"S": "x", "N": "1"}},
        {"a": {"L": 1}},
        {"a": {"NS": ["01"]}},
    ],
)
def test_what_is_no_dynamodb_json_is_rejected(item: Any) -> None:
    with pytest.raises(RejectError, match="no item in DynamoDB JSON") as caught:
        plain_json(item)
    assert caught.value.reason == "RecordInvalid"


@pytest.mark.parametrize("sink", [OBJECTS, TYPED_OBJECTS])
def test_changes_are_reported_with_both_images(aws: Slices, sink: Json) -> None:
    old, new = bird("wren", 1), bird("wren", 2)
    records = [changed(key_of(old), *images) for images in [(None, new), (old, new), (old, None)]]
    assert counts(aws.process(records, CHANGES, sink)) == (3, 3, 0, 0, 0)
    if sink is OBJECTS:
        old, new = {"pk": "wren", "n": 1}, {"pk": "wren", "n": 2}
    usual = {"writeTimestampMicros": MICROS, "keys": {"pk": old["pk"]}}
    assert aws.lines(OBJECT) == [
        {"change": "INSERT", **usual, "item": new},
        {"change": "UPDATE", **usual, "item": new, "oldItem": old},
        {"change": "DELETE", **usual, "item": None, "oldItem": old},
    ]


@pytest.mark.parametrize("sink", [OBJECTS, TYPED_OBJECTS])
def test_view_of_new_images_does_not_tell_an_insert_from_an_update(aws: Slices, sink: Json) -> None:
    records = [changed({"pk": {"S": "a"}}, None, bird("a")), changed({"pk": {"S": "b"}}, None, None)]
    aws.process(records, NEW_ONLY, sink)
    assert [line["change"] for line in aws.lines(OBJECT)] == ["PUT", "DELETE"]


def test_raw_values_are_those_of_the_file(aws: Slices) -> None:
    aws.process(items([EVERY_TYPE]), FULL, TYPED_OBJECTS)
    assert aws.lines(OBJECT)[0]["item"] == EVERY_TYPE


def test_unreadable_records_are_rejects(aws: Slices) -> None:
    progress = aws.process([*items(birds(2)), b"{", {"Item": {"a": {"N": "x"}}}], FULL, OBJECTS)
    assert (counts(progress), progress["reasons"]) == ((4, 2, 0, 2, 0), {"RecordInvalid": 2})
    assert [each["row"] for each in aws.rejects(progress)] == [3, 4]
    assert len(aws.lines(OBJECT)) == 2


@pytest.mark.parametrize("records", [[], [b"{"]])
def test_file_without_lines_leaves_no_object(aws: Slices, records: list[bytes]) -> None:
    aws.process(records, CHANGES, OBJECTS)
    assert aws.keys("output/") == []


def test_later_slices_have_objects_of_their_own(aws: Slices) -> None:
    event = aws.event(aws.put(items(birds(600))), FULL, OBJECTS)
    assert counts(aws.whole(event, time_is_up_after=0)) == (600, 600, 0, 0, 0)
    keys = [OBJECT, OBJECT.replace("u2wo", "u2wo-1"), OBJECT.replace("u2wo", "u2wo-2")]
    assert aws.keys("output/") == sorted(keys)
    assert [line["item"]["n"] for key in keys for line in aws.lines(key)] == list(range(600))


def test_slice_that_is_tried_again_makes_the_same_object(aws: Slices) -> None:
    event = aws.event(aws.put(items(birds(600))), FULL, OBJECTS)
    first = aws.slice(event, time_is_up_after=0)
    before = aws.lines(OBJECT)
    aws.s3.delete_object(Bucket=DATA_BUCKET, Key=OBJECT)
    assert aws.slice(event) == first
    assert aws.lines(OBJECT) == before
    assert first["counts"]["read"] == 250


def test_attempt_that_another_one_has_overtaken_makes_no_object(aws: Slices) -> None:
    event = aws.event(aws.put(items(birds(5))), FULL, OBJECTS)

    class Overtaken:
        """The other attempt ends after this one has looked for it."""

        def __getattr__(self, name: str) -> Any:
            if name == "put_object":
                other = {"position": 1}
                leave_parts(s3, DATA_BUCKET, RUN.part_outcome_key(3, 0), progress=other, parts={})
            return getattr(s3, name)

    s3, aws.s3 = aws.s3, Overtaken()  # type: ignore[assignment]
    with pytest.raises(ServiceUnavailableError, match="another attempt at the slice finished first"):
        aws.slice(event)
    aws.s3 = s3
    assert aws.keys("output/") == []


def test_rejects_fed_back_make_an_object_of_the_runs_name(aws: Slices) -> None:
    line = compact({"record": changed({"pk": {"S": "a"}}, None, bird("a"))}) + b"\n"
    file = aws.put([line], "earlier/rejects.jsonl")
    aws.whole(aws.event(file, CHANGES | {"lines": "rejects"}, OBJECTS))
    assert aws.keys("output/") == [f"output/birds/{RUN.name}.jsonl.gz"]


# The upload.


def test_large_object_goes_in_parts_and_is_seen_when_it_is_complete(aws: Slices) -> None:
    noise = random.Random(1).randbytes(5 * SINK_PART_BYTES // 2)
    upload = GzipUpload(aws.s3, DATA_BUCKET, "output/noise.gz")
    for start in range(0, len(noise), 1 << 20):
        upload.write(noise[start : start + (1 << 20)])
    assert aws.keys("output/") == []
    upload.complete()
    upload.abort()
    assert gzip.decompress(aws.object("output/noise.gz")) == noise
    etag = aws.s3.head_object(Bucket=DATA_BUCKET, Key="output/noise.gz")["ETag"]
    assert etag.endswith('-3"')


def test_upload_that_is_given_up_leaves_nothing(aws: Slices) -> None:
    upload = GzipUpload(aws.s3, DATA_BUCKET, "output/noise.gz")
    upload.write(random.Random(1).randbytes(SINK_PART_BYTES + (1 << 20)))
    assert len(aws.s3.list_multipart_uploads(Bucket=DATA_BUCKET)["Uploads"]) == 1
    upload.abort()
    assert "Uploads" not in aws.s3.list_multipart_uploads(Bucket=DATA_BUCKET)
    upload.abort()


def test_bucket_that_is_missing_is_named(aws: Slices) -> None:
    sink = OBJECTS | {"bucket": "nowhere"}
    with pytest.raises(SourceNotFoundError, match="there is no bucket nowhere"):
        aws.process(items(birds(1)), FULL, sink)
    upload = GzipUpload(aws.s3, "nowhere", "x.gz")
    with pytest.raises(SourceNotFoundError, match="there is no bucket nowhere"):
        upload.write(random.Random(1).randbytes(SINK_PART_BYTES + (1 << 20)))
    upload.abort()

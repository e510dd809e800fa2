"""Records of an export into a table, as they stand in their file."""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from sluice import errors
from sluice.aws.pipeline import RequestPipeline
from sluice.aws.retry import RetryPolicy
from sluice.dynamodb.batch_writer import PUT, BatchRequests, ChangeBatches
from sluice.dynamodb.keys import KeySchema
from sluice.dynamodb.table_writer import WriteOutcome
from sluice.errors import AccessDeniedError, CountsDoNotReconcileError, SluiceError, ThrottledError
from sluice.workflows.export_process.table_sinks import ChangeRequests
from sluice.workflows.export_process.tally import RecordOrigin, RecordTally
from tests.unit.export_files import BUCKET, MICROS, Json, bird, birds, changed, compact, items, key_of
from tests.unit.fake_dynamodb import TABLE, Fault, throttle, wire_to
from tests.unit.file_slices import CHANGES, FULL, GUARDED, KEY, KEYS, NEW_ONLY, RUN, TABLE_SINK, Slices, counts, slices


@pytest.fixture
def aws() -> Iterator[Slices]:
    with slices() as started:
        yield started


def test_full_export_is_put_as_it_stands(aws: Slices) -> None:
    strange = '{"Item":{"pk":{"S":"Ω"},"n":{"N":"1.50"},"x":{"S":"\\u0001 \\"☃"}}}'.encode()
    progress = aws.process([*items(birds(60)), strange], FULL)
    assert (counts(progress), progress["writeUnits"], progress["row"]) == ((61, 61, 0, 0, 0), 61.0, 62)
    assert len(aws.fake.seen) == 3
    assert any(strange[:-1].removeprefix(b'{"Item":') in seen.raw for seen in aws.fake.seen)
    assert aws.held()["tit 7"] == bird("tit 7", 7)


def test_incremental_export_puts_new_images_and_deletes_the_others(aws: Slices) -> None:
    aws.process(items(birds(4)), FULL)
    changes = [
        changed(key_of(bird("tit 0")), bird("tit 0"), bird("tit 0", 10)),
        changed(key_of(bird("tit 1")), bird("tit 1", 1), None),
        changed(key_of(bird("emu")), None, bird("emu", 5)),
        changed(key_of(bird("dodo")), bird("dodo"), None),
    ]
    assert counts(aws.process(changes)) == (4, 4, 0, 0, 0)
    held = {name: item["n"]["N"] for name, item in aws.held().items()}
    assert held == {"tit 0": "10", "tit 2": "2", "tit 3": "3", "emu": "5"}


def test_view_without_old_images_deletes_by_keys_alone(aws: Slices) -> None:
    aws.process(items(birds(2)), FULL)
    aws.process([changed(key_of(bird("tit 0")), None, None), changed(key_of(bird("emu")), None, bird("emu"))], NEW_ONLY)
    assert sorted(aws.held()) == ["emu", "tit 1"]


@pytest.mark.parametrize("records", [[], [b""], [b"", b""]])
def test_file_without_records_is_done_at_once(aws: Slices, records: list[bytes]) -> None:
    file = aws.put(records) | {"itemCount": 0}
    progress = aws.whole(aws.event(file, CHANGES, TABLE_SINK))
    assert (counts(progress), progress["done"], aws.fake.seen) == ((0, 0, 0, 0, 0), True, [])
    # The outcome of the slice is all that it leaves.
    assert aws.keys("") == ["export_process/a-run/slices/00000003-000000"]


def test_last_line_may_lack_its_newline(aws: Slices) -> None:
    body = gzip.compress(b"\n".join(map(compact, items(birds(3)))))
    aws.s3.put_object(Bucket=BUCKET, Key=KEY, Body=body)
    file = aws.put(items(birds(3)), "other.json.gz") | {"dataFileS3Key": KEY}
    assert counts(aws.whole(aws.event(file, FULL, TABLE_SINK, verify=False))) == (3, 3, 0, 0, 0)


def test_key_that_a_file_has_twice_is_written_in_the_files_order(aws: Slices) -> None:
    records = items([bird("wren", 1), *birds(20), bird("wren", 2), bird("wren", 3)])
    assert counts(aws.process(records, FULL)) == (23, 23, 0, 0, 0)
    assert aws.held()["wren"] == bird("wren", 3)


def test_refused_and_unreadable_records_are_rejects_and_the_others_are_written(aws: Slices) -> None:
    refused = bird("dodo", refuse={"S": "no such bird"})
    lines: list[Any] = [*items(birds(30)), {"Item": refused}, b'{"Item":', {"Metadata": {}}, *items([bird("emu")])]
    progress = aws.process(lines, FULL)
    assert counts(progress) == (34, 31, 0, 3, 0)
    assert progress["reasons"] == {"WriteRejected": 1, "RecordInvalid": 2}
    first, second, third = aws.rejects(progress)
    assert first == {
        "row": 31,
        "error": "WriteRejected",
        "message": "ValidationException: no such bird",
        "file": KEY,
        "record": {"Item": refused},
    }
    assert (second["row"], second["record"], third["record"]) == (32, '{"Item":', {"Metadata": {}})


def test_reject_that_is_not_utf8_keeps_its_bytes_as_escapes(aws: Slices) -> None:
    (reject,) = aws.rejects(aws.process([b'{"Item":"\xff"'], FULL))
    assert reject["record"].encode("utf-8", "surrogateescape") == b'{"Item":"\xff"'


def test_rejects_fed_back_are_processed_again(aws: Slices) -> None:
    record = changed(key_of(bird("wren")), None, bird("wren", 1))
    lines = [
        compact({"row": 9, "error": "X", "message": "y", "file": KEY, "record": each}) + b"\n" for each in (record, "{")
    ]
    file = aws.put(lines, "export_process/earlier/rejects.jsonl")
    progress = aws.whole(aws.event(file, CHANGES | {"lines": "rejects"}, TABLE_SINK))
    assert counts(progress) == (2, 1, 0, 1, 0)
    assert aws.held() == {"wren": bird("wren", 1)}
    assert aws.rejects(progress)[0]["row"] == 2


# A table in trouble.


def test_whatever_happens_to_requests_the_table_ends_as_the_file_says(aws: Slices) -> None:
    aws.fake.faults.extend(
        [
            Fault(unprocessed=7),
            throttle(),
            Fault(500, "InternalServerError", is_applied=True),
            Fault(is_cut=True),
            Fault(413, body=b""),
            Fault(400, "ThrottlingException"),
            Fault(unprocessed=25),
            Fault(unprocessed=3),
        ]
    )
    changes = [
        changed(key_of(bird(f"tit {n}")), bird(f"tit {n}"), bird(f"tit {n}", n) if n % 3 else None) for n in range(400)
    ]
    progress = aws.process(changes)
    assert counts(progress) == (400, 400, 0, 0, 0)
    assert sorted(aws.held()) == sorted(f"tit {n}" for n in range(400) if n % 3)


def test_guarded_puts_come_through_whatever_happens_to_requests(aws: Slices) -> None:
    # Those that are refused come first: DynamoDB refuses no request that it has carried out.
    aws.fake.faults.extend([Fault(400, "ValidationException"), Fault(400, "ValidationException"), throttle()])
    aws.fake.faults.extend([Fault(500, "InternalServerError", is_applied=True), Fault(is_cut=True), throttle()])
    progress = aws.process(items(birds(40)), FULL, GUARDED)
    assert counts(progress) == (40, 38, 0, 2, 0)
    assert len(aws.held()) == 38


@pytest.mark.parametrize("sink", [TABLE_SINK, GUARDED])
def test_record_that_is_refused_at_the_second_attempt_is_a_reject(aws: Slices, sink: Json) -> None:
    aws.fake.faults.extend([throttle(), Fault(400, "ValidationException")])
    assert counts(aws.process(items(birds(1)), FULL, sink)) == (1, 0, 0, 1, 0)


@pytest.mark.parametrize("sink", [TABLE_SINK, GUARDED])
@pytest.mark.parametrize(
    ("faults", "error"),
    [
        ([Fault(400, "AccessDeniedException")] * 3, AccessDeniedError),
        ([Fault(400, "ResourceNotFoundException")] * 3, errors.TableNotFoundError),
        ([Fault(400, "UnknownOperationException")] * 3, errors.WireError),
        (
            [throttle(), Fault(400, "UnknownOperationException"), Fault(400, "UnknownOperationException")],
            errors.WireError,
        ),
        ([throttle()] * 30, ThrottledError),
    ],
)
def test_error_of_a_request_is_the_slices(
    aws: Slices, sink: Json, faults: list[Fault], error: type[SluiceError]
) -> None:
    aws.fake.faults.extend(faults)
    aws.retries = RetryPolicy(attempts=2, first_pause_seconds=0)
    with pytest.raises(error):
        aws.process(items(birds(10)), FULL, sink)


def test_table_that_cannot_be_reached_is_named(aws: Slices) -> None:
    event = aws.event(aws.put(items(birds(1))), FULL, TABLE_SINK)
    aws.fake.url = "http://127.0.0.1:1"
    aws.retries = RetryPolicy(attempts=2, first_pause_seconds=0)
    with pytest.raises(errors.ServiceUnavailableError):
        aws.slice(event)


def test_changes_that_nobody_accounts_for_are_an_error(aws: Slices) -> None:
    class Forgetful(ChangeBatches):
        """Loses sight of what it could not write at once."""

        def settle(self, *_given: Any) -> WriteOutcome:
            return WriteOutcome()

    aws.fake.faults.append(Fault(unprocessed=1))
    with wire_to(aws.fake.url, aws.retries) as wire:
        writes = Forgetful(BatchRequests(wire, TABLE, KeySchema.from_state(KEYS)))
        requests = ChangeRequests(wire, writes, RecordTally(KEY))
        requests.send([PUT % compact(bird("wren"))], [1], lambda row: RecordOrigin(row, b""))
        with pytest.raises(CountsDoNotReconcileError, match="1 records written, 0 accounted for"):
            requests.flush()
        requests.close()


def test_error_releases_what_was_requested(aws: Slices) -> None:
    aws.fake.faults.append(Fault(400, "AccessDeniedException"))
    with wire_to(aws.fake.url, aws.retries) as wire:
        answers: list[Any] = []
        pipeline: RequestPipeline[int] = RequestPipeline(
            wire, "PutItem", lambda *answer: answers.append(answer), limit=2
        )
        body = compact({"TableName": TABLE, "Item": bird("wren")})
        pipeline.send(body, 1)
        # The fault is that of the first request to arrive.
        while not aws.fake.seen:
            time.sleep(0.001)
        aws.fake.url = "http://127.0.0.1:1"
        with wire_to(aws.fake.url, aws.retries) as nowhere:
            lost: RequestPipeline[int] = RequestPipeline(
                nowhere, "PutItem", lambda *answer: answers.append(answer), limit=2
            )
            lost.send(body, 3)
            lost.close()
        pipeline.send(body, 2)
        with pytest.raises(AccessDeniedError):
            pipeline.send(body, 3)
        pipeline.close()
        pipeline.drain()
    assert answers == []


# The guard.


def test_guard_keeps_later_writes_whatever_the_order(aws: Slices) -> None:
    windows = [
        [changed({"pk": {"S": "wren"}}, None, bird("wren", 1), MICROS + 1)],
        [changed({"pk": {"S": "wren"}}, bird("wren", 1), None, MICROS + 2)],
        [changed({"pk": {"S": "wren"}}, None, bird("wren", 3), MICROS + 3)],
    ]
    full = items([bird("wren", 0), bird("emu", 0)])
    for order in [(0, 1, 2), (2, 1, 0), (1, 2, 0, 1, 2), (2, 0, 1, 0)]:
        aws.fake.items.clear()
        for position, window in enumerate(order):
            progress = aws.process(windows[window], CHANGES, GUARDED)
            assert counts(progress)[0] == 1
            if position == 1:
                aws.process(full, FULL, GUARDED)
        assert aws.held()["wren"] == bird("wren", 3, WriteTimestampMicros={"N": str(MICROS + 3)})
        assert aws.held()["emu"] == bird("emu", 0, WriteTimestampMicros={"N": str(MICROS)})


def test_skipped_record_is_counted_and_costs_the_larger_item(aws: Slices) -> None:
    later = aws.put([changed({"pk": {"S": "a"}}, None, bird("a", song={"S": "x" * 3000}), MICROS + 1)])
    aws.whole(aws.event(later, CHANGES, GUARDED) | {"run": replace(RUN, name="another-run").to_state()})
    progress = aws.process([changed({"pk": {"S": "a"}}, None, bird("a"), MICROS)], CHANGES, GUARDED)
    assert (counts(progress), progress["writeUnits"]) == ((1, 0, 1, 0, 0), 3.0)


def test_tombstone_has_the_key_the_time_and_its_end(aws: Slices) -> None:
    aws.process([changed({"pk": {"S": "a"}}, bird("a"), None)], CHANGES, GUARDED)
    expires_at = MICROS // 1_000_000 + 35 * 24 * 3600
    assert aws.held() == {
        "a": {
            "pk": {"S": "a"},
            "WriteTimestampMicros": {"N": str(MICROS)},
            "TombstoneExpiresAt": {"N": str(expires_at)},
        }
    }


@pytest.mark.parametrize("text", ["x", "\x01"])
@pytest.mark.parametrize("name", ["WriteTimestampMicros", "TombstoneExpiresAt"])
def test_item_with_an_attribute_of_the_guards_name_is_rejected(aws: Slices, text: str, name: str) -> None:
    own = bird("a", note={"S": text}) | {name: {"N": "1"}}
    inside = bird("b", note={"M": {name: {"S": text}}})
    records = [changed(key_of(item), None, item) for item in (own, inside)]
    progress = aws.process(records, CHANGES, GUARDED)
    (reject,) = aws.rejects(progress)
    assert f"the item has an attribute {name} of its own, which the guard would overwrite" in reject["message"]
    assert counts(progress) == (2, 1, 0, 1, 0)
    assert aws.held() == {"b": inside | {"WriteTimestampMicros": {"N": str(MICROS)}}}


@pytest.mark.parametrize("new", [None, bird("a")])
def test_record_without_a_time_cannot_be_guarded(aws: Slices, new: Json | None) -> None:
    record = changed({"pk": {"S": "a"}}, None, new) | {"Metadata": {}}
    (reject,) = aws.rejects(aws.process([record], CHANGES, GUARDED))
    assert "has no WriteTimestampMicros" in reject["message"]

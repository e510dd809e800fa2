"""The writers against a fake table that throttles, refuses, loses connections and answers late."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from decimal import Decimal
from threading import active_count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.aws.retry import RetryPolicy
from sluice.aws.wire import Wire
from sluice.dynamodb.batch_writer import BATCH_BYTES, BATCH_ROWS, BatchWriter
from sluice.dynamodb.conditional_writers import ConditionalWriter
from sluice.dynamodb.items import Item
from sluice.dynamodb.keys import KeySchema
from sluice.dynamodb.writers import OnConflict, Writer, WriteSpec, writer_for
from sluice.errors import (
    AccessDeniedError,
    CountsDoNotReconcileError,
    TableNotFoundError,
    ThrottledError,
    UnexpectedResponseError,
    WireError,
)
from sluice.rejects import Reason
from tests.unit.fake_dynamodb import (
    TABLE,
    FakeDynamoDB,
    Fault,
    expected_signature,
    serving,
    throttle,
    wire_to,
)

SCHEMA = KeySchema.from_state([{"name": "pk", "type": "S"}])
HASTY = RetryPolicy(attempts=4, first_pause_seconds=0)
PATIENT = RetryPolicy(attempts=100, first_pause_seconds=0)
Attributes = dict[str, dict[str, Any]]


@pytest.fixture
def fake() -> Iterator[FakeDynamoDB]:
    with serving(FakeDynamoDB()) as started:
        yield started
    assert started.problems == []


@pytest.fixture
def wire(fake: FakeDynamoDB) -> Iterator[Wire]:
    wire = wire_to(fake.url, HASTY)
    yield wire
    wire.close()


def item(attributes: Attributes) -> Item:
    return Item((attributes["pk"]["S"],), json.dumps(attributes).encode())


def bird(name: str, number: int = 0, **more: dict[str, Any]) -> Attributes:
    return {"pk": {"S": name}, "n": {"N": str(number)}, **more}


def refused_bird(name: str, number: int = 0) -> Attributes:
    return bird(name, number, refuse={"S": "One or more parameter values were invalid"})


def replacing(wire: Wire) -> Writer:
    return writer_for(wire, TABLE, SCHEMA, WriteSpec())


def keeping(wire: Wire, *, is_repeat: bool = False) -> Writer:
    return writer_for(wire, TABLE, SCHEMA, WriteSpec(on_conflict=OnConflict.KEEP), may_be_repeated=lambda: is_repeat)


def rejecting(wire: Wire, *, is_repeat: bool = False) -> Writer:
    return writer_for(wire, TABLE, SCHEMA, WriteSpec(on_conflict=OnConflict.REJECT), may_be_repeated=lambda: is_repeat)


def write(writer: Writer, rows: Iterable[Attributes]) -> Writer:
    with writer:
        for number, row in enumerate(rows, start=1):
            writer.put(item(row), number)
    return writer


def held(fake: FakeDynamoDB) -> dict[str, str]:
    return {stored["pk"]["S"]: stored["n"]["N"] for stored in fake.items.values()}


def test_replace_writes_batches_of_25_and_sums_their_units(fake: FakeDynamoDB, wire: Wire) -> None:
    outcome = write(replacing(wire), [bird(f"tit {number}") for number in range(60)]).outcome
    assert sorted(len(seen.body["RequestItems"][TABLE]) for seen in fake.seen) == [10, 25, 25]
    assert all(seen.body["ReturnConsumedCapacity"] == "TOTAL" for seen in fake.seen)
    assert (outcome.written, outcome.requests, outcome.write_units) == (60, 3, 60.0)
    assert all(seen.headers["authorization"] == expected_signature(seen, fake.url) for seen in fake.seen)


def test_replace_sends_the_items_bytes_as_they_are(fake: FakeDynamoDB, wire: Wire) -> None:
    body = '{"pk":{"S":"Star"},  "n":{"N":"1.0"},"x":{"S":"ü\\u0001☃"}}'.encode()
    with replacing(wire) as writer:
        writer.put(Item(("Star",), body), 1)
    assert body in fake.seen[0].raw


def test_replace_keeps_large_items_in_requests_of_bounded_size(fake: FakeDynamoDB, wire: Wire) -> None:
    rows = [bird(f"emu {number}", song={"S": "x" * 390_000}) for number in range(6)]
    assert write(replacing(wire), rows).outcome.written == 6
    assert max(len(seen.raw) for seen in fake.seen) < BATCH_BYTES + 2000


def test_replace_sends_an_item_larger_than_a_batch_alone(fake: FakeDynamoDB, wire: Wire) -> None:
    rows = [bird("wren"), bird("emu", song={"S": "x" * BATCH_BYTES}), bird("robin")]
    assert write(replacing(wire), rows).outcome.written == 3
    assert sorted(len(seen.body["RequestItems"][TABLE]) for seen in fake.seen) == [1, 1, 1]


def test_replace_lets_the_later_of_two_rows_win_within_a_batch(fake: FakeDynamoDB, wire: Wire) -> None:
    outcome = write(replacing(wire), [bird("wren", 1), bird("robin", 2), bird("wren", 3)]).outcome
    assert held(fake) == {"wren": "3", "robin": "2"}
    assert (outcome.written, outcome.superseded, len(fake.seen)) == (2, 1, 1)


def test_replace_lets_the_later_of_two_rows_win_across_batches(fake: FakeDynamoDB, wire: Wire) -> None:
    fake.faults.append(Fault(delay_seconds=0.05))
    rows = [bird(f"tit {number % 30}", number) for number in range(90)]
    assert write(replacing(wire), rows).outcome.accounted == 90
    assert held(fake) == {f"tit {number}": str(number + 60) for number in range(30)}


def test_replace_holds_a_bounded_number_of_rows_with_one_key(fake: FakeDynamoDB, wire: Wire) -> None:
    outcome = write(replacing(wire), [bird("wren", number) for number in range(2 * BATCH_ROWS + 1)]).outcome
    assert held(fake) == {"wren": str(2 * BATCH_ROWS)}
    assert (outcome.written, outcome.superseded) == (3, 2 * BATCH_ROWS - 2)


def test_unprocessed_items_alone_are_sent_again(fake: FakeDynamoDB, wire: Wire) -> None:
    fake.faults.extend([Fault(unprocessed=20), Fault(unprocessed=3)])
    outcome = write(replacing(wire), [bird(f"tit {number}", number) for number in range(25)]).outcome
    assert [len(seen.body["RequestItems"][TABLE]) for seen in fake.seen] == [25, 20, 3]
    assert (outcome.written, outcome.requests, outcome.throttled, outcome.write_units) == (25, 3, 2, 25.0)


def test_unprocessed_items_are_recognised_by_key_when_numbers_return_in_normal_form() -> None:
    schema = KeySchema.from_state([{"name": "pk", "type": "S"}, {"name": "sk", "type": "N"}])
    with serving(FakeDynamoDB(key_names=("pk", "sk"))) as fake, wire_to(fake.url, HASTY) as wire:
        fake.faults.append(Fault(unprocessed=2))
        with writer_for(wire, TABLE, schema, WriteSpec()) as writer:
            for number, text in enumerate(["01.50", "1E2", "-0.0"]):
                attributes = bird("wren", number, sk={"N": text})
                writer.put(Item(("wren", text), json.dumps(attributes).encode()), number)
        assert writer.outcome.written == 3
    assert {dict([("S", None), *key])["N"] for key in fake.items} == {
        Decimal("1.5"),
        Decimal(100),
        Decimal(0),
    }


def test_unprocessed_rounds_with_progress_leave_the_retries_untouched(fake: FakeDynamoDB, wire: Wire) -> None:
    fake.faults.extend(Fault(unprocessed=left) for left in range(24, 0, -1))
    assert write(replacing(wire), [bird(f"tit {number}") for number in range(25)]).outcome.requests == 25


def test_unprocessed_rounds_without_progress_end_as_throttled(fake: FakeDynamoDB, wire: Wire) -> None:
    fake.faults.extend([Fault(unprocessed=2)] * 4)
    with pytest.raises(ThrottledError):
        write(replacing(wire), [bird("wren"), bird("robin")])
    assert len(fake.seen) == 4


@pytest.mark.parametrize(
    "puts",
    [
        [{"PutRequest": {"Item": {"pk": {"S": "dodo"}}}}],
        [{"DeleteRequest": {"Key": {"pk": {"S": "wren"}}}}],
        [{"PutRequest": {"Item": {"name": {"S": "wren"}}}}],
    ],
)
def test_unprocessed_item_that_was_not_sent_is_unexpected(
    fake: FakeDynamoDB, wire: Wire, puts: list[dict[str, Any]]
) -> None:
    fake.faults.append(Fault(body=json.dumps({"UnprocessedItems": {TABLE: puts}}).encode()))
    with pytest.raises(UnexpectedResponseError):
        write(replacing(wire), [bird("wren")])


def test_replace_rejects_only_the_items_that_dynamodb_refuses(fake: FakeDynamoDB, wire: Wire) -> None:
    rows = [refused_bird(f"dodo {n}") if n in {4, 5, 17} else bird(f"tit {n}") for n in range(1, 26)]
    outcome = write(replacing(wire), rows).outcome
    assert sorted(each.origin for each in outcome.rejected) == [4, 5, 17]
    assert {each.reason for each in outcome.rejected} == {Reason.WRITE_REJECTED}
    assert "ValidationException: One or more parameter values were invalid" in outcome.rejected[0].message
    assert outcome.written == len(fake.items) == 22


@pytest.mark.parametrize("name", ["ItemCollectionSizeLimitExceededException", "SerializationException"])
def test_replace_rejects_an_item_refused_by_another_name(fake: FakeDynamoDB, wire: Wire, name: str) -> None:
    fake.faults.append(Fault(400, name))
    assert len(write(replacing(wire), [bird("wren")]).outcome.rejected) == 1


def test_replace_halves_a_request_that_is_too_large(fake: FakeDynamoDB, wire: Wire) -> None:
    fake.faults.append(Fault(413, body=b""))
    assert write(replacing(wire), [bird("wren"), bird("robin")]).outcome.written == 2
    assert len(fake.seen) == 3


def test_row_superseded_by_one_that_is_refused_is_written(fake: FakeDynamoDB, wire: Wire) -> None:
    rows = [bird("wren", 1), bird("wren", 2), refused_bird("wren", 3), refused_bird("wren", 4)]
    outcome = write(replacing(wire), rows).outcome
    assert held(fake) == {"wren": "2"}
    assert (outcome.written, outcome.superseded, [each.origin for each in outcome.rejected]) == (1, 1, [4, 3])


@pytest.mark.parametrize("make", [replacing, keeping])
@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("AccessDeniedException", AccessDeniedError),
        ("ResourceNotFoundException", TableNotFoundError),
        ("UnknownOperationException", WireError),
    ],
)
def test_error_of_a_request_reaches_the_caller_from_then_on(
    fake: FakeDynamoDB, wire: Wire, make: Any, name: str, error: type[Exception]
) -> None:
    fake.faults.extend([Fault(400, name)] * 40)
    threads = active_count()
    writer = make(wire)
    with pytest.raises(error):
        write(writer, [bird(f"tit {number}") for number in range(2000)])
    with pytest.raises(error):
        writer.flush()
    assert active_count() <= threads + fake.connections


def test_keep_leaves_an_existing_item_alone_and_skips_the_row(fake: FakeDynamoDB, wire: Wire) -> None:
    write(keeping(wire), [bird("wren", 1)])
    outcome = write(keeping(wire), [bird("wren", 2), bird("robin", 3)]).outcome
    assert held(fake) == {"wren": "1", "robin": "3"}
    assert (outcome.written, outcome.skipped, outcome.rejected) == (1, [1], [])


def test_conditional_put_that_was_refused_costs_the_larger_item(fake: FakeDynamoDB, wire: Wire) -> None:
    write(keeping(wire), [bird("wren", song={"S": "x" * 3000}), bird("robin")])
    outcome = write(keeping(wire), [bird("wren"), bird("robin", song={"S": "x" * 1024})]).outcome
    assert outcome.write_units == 3 + 2


def test_reject_turns_a_row_whose_key_is_taken_into_a_reject(fake: FakeDynamoDB, wire: Wire) -> None:
    outcome = write(rejecting(wire), [bird("wren", 1), bird("wren", 2)]).outcome
    assert held(fake) == {"wren": "1"}
    assert [(each.origin, each.reason) for each in outcome.rejected] == [(2, Reason.ITEM_EXISTS)]


def test_conditional_put_of_an_item_that_dynamodb_refuses_is_a_reject(fake: FakeDynamoDB, wire: Wire) -> None:
    outcome = write(keeping(wire), [refused_bird("dodo"), bird("wren")]).outcome
    assert [(each.origin, each.reason) for each in outcome.rejected] == [(1, Reason.WRITE_REJECTED)]
    assert outcome.written == 1


EVERY_TYPE = bird(
    "wren",
    mass={"N": "1.50"},
    eggs={"NS": ["1", "2.0"]},
    songs={"SS": ["a", "b"]},
    prints={"BS": ["AQ==", "Ag=="]},
    nest={"M": {"height": {"N": "1E1"}, "tree": {"L": [{"BOOL": True}, {"NULL": True}, {"B": "AQ=="}]}}},
)
EVERY_TYPE_AS_STORED = bird(
    "wren",
    mass={"N": "1.5"},
    eggs={"NS": ["2", "1"]},
    songs={"SS": ["b", "a"]},
    prints={"BS": ["Ag==", "AQ=="]},
    nest={"M": {"tree": {"L": [{"BOOL": True}, {"NULL": True}, {"B": "AQ=="}]}, "height": {"N": "10"}}},
)


@pytest.mark.parametrize("make", [keeping, rejecting])
def test_repeat_takes_an_equal_item_for_its_own(fake: FakeDynamoDB, wire: Wire, make: Any) -> None:
    write(replacing(wire), [EVERY_TYPE_AS_STORED, bird("robin", 1)])
    outcome = write(make(wire, is_repeat=True), [EVERY_TYPE, bird("robin", 2)]).outcome
    assert (outcome.written, len(outcome.skipped) + len(outcome.rejected)) == (1, 1)


def test_first_attempt_skips_an_equal_item(fake: FakeDynamoDB, wire: Wire) -> None:
    write(keeping(wire), [bird("wren")])
    assert write(keeping(wire), [bird("wren")]).outcome.skipped == [1]


@pytest.mark.parametrize("make", [keeping, rejecting])
@pytest.mark.parametrize(
    "fault", [Fault(500, "InternalServerError", is_applied=True), Fault(is_cut=True, is_applied=True)]
)
def test_lost_answer_to_a_put_that_was_carried_out_counts_as_written(
    fake: FakeDynamoDB, wire: Wire, make: Any, fault: Fault
) -> None:
    fake.faults.append(fault)
    outcome = write(make(wire), [bird("wren", 1), bird("wren", 2)]).outcome
    assert (outcome.written, len(outcome.skipped) + len(outcome.rejected), outcome.requests) == (1, 1, 3)
    assert held(fake) == {"wren": "1"}


def test_throttled_puts_are_counted(fake: FakeDynamoDB, wire: Wire) -> None:
    fake.faults.extend([throttle(), throttle("ThrottlingException")])
    outcome = write(keeping(wire), [bird("wren")]).outcome
    assert (outcome.written, outcome.requests, outcome.throttled) == (1, 3, 2)


def test_rejected_rows_that_were_taken_still_count(fake: FakeDynamoDB, wire: Wire) -> None:
    with replacing(wire) as writer:
        writer.put(item(refused_bird("dodo")), 1)
        writer.flush()
        assert [each.origin for each in writer.outcome.take_rejected()] == [1]
        writer.put(item(bird("wren")), 2)
        writer.flush()
    assert (writer.outcome.rejected, writer.outcome.accounted) == ([], 2)


def test_skipped_rows_that_were_taken_still_count(fake: FakeDynamoDB, wire: Wire) -> None:
    with keeping(wire) as writer:
        for number in range(3):
            writer.put(item(bird("wren")), number)
        writer.flush()
        assert writer.outcome.take_skipped() == [1, 2]
    assert (writer.outcome.skipped, writer.outcome.accounted) == ([], 3)


def test_flush_raises_when_rows_are_unaccounted_for(fake: FakeDynamoDB, wire: Wire) -> None:
    writer = replacing(wire)
    writer.put(item(bird("wren")), 1)
    writer.outcome.written -= 1
    with pytest.raises(CountsDoNotReconcileError, match="1 rows put, 0 accounted for"):
        writer.flush()
    writer.outcome.written += 1
    with writer:
        writer.put(item(bird("robin")), 2)
    assert writer.outcome.written == 2


def test_error_in_the_callers_block_leaves_without_flushing(fake: FakeDynamoDB, wire: Wire) -> None:
    def rows() -> Iterator[Attributes]:
        yield bird("wren")
        raise EOFError

    with pytest.raises(EOFError):
        write(replacing(wire), rows())
    assert fake.seen == []


FAULTS = st.one_of(
    st.builds(throttle),
    st.just(Fault(500, "InternalServerError")),
    st.just(Fault(500, "InternalServerError", is_applied=True)),
    st.just(Fault(503, body=b"<html>")),
    st.booleans().map(lambda is_applied: Fault(is_cut=True, is_applied=is_applied)),
    st.builds(Fault, unprocessed=st.integers(0, 25)),
    st.builds(Fault, delay_seconds=st.sampled_from([0.001, 0.003])),
    st.just(Fault()),
)
ROWS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 9).map(lambda n: n == 0)), max_size=120)


@pytest.fixture(scope="module")
def table() -> Iterator[FakeDynamoDB]:
    with serving(FakeDynamoDB()) as started:
        yield started


@settings(max_examples=60)
@given(
    rows=ROWS,
    faults=st.lists(FAULTS, max_size=30),
    on_conflict=st.sampled_from(OnConflict),
    threads=st.integers(1, 5),
)
def test_table_ends_as_if_rows_were_written_one_by_one_whatever_goes_wrong(
    table: FakeDynamoDB,
    rows: list[tuple[int, bool]],
    faults: list[Fault],
    on_conflict: OnConflict,
    threads: int,
) -> None:
    table.items.clear()
    table.faults.clear()
    table.faults.extend(faults)
    birds = [
        (refused_bird if is_refused else bird)(f"tit {key}", number) for number, (key, is_refused) in enumerate(rows)
    ]
    wire = wire_to(table.url, PATIENT)
    writer = (
        BatchWriter(wire, TABLE, SCHEMA, threads)
        if on_conflict is OnConflict.REPLACE
        else ConditionalWriter(
            wire,
            TABLE,
            SCHEMA,
            rejects_existing=on_conflict is OnConflict.REJECT,
            may_be_repeated=lambda: False,
            threads=threads,
        )
    )
    with wire:
        outcome = write(writer, birds).outcome
    expected, written, skipped, rejected = one_by_one(birds, on_conflict)
    assert held(table) == expected
    assert table.problems == []
    # A row that would have been refused may be superseded before it is sent.
    unsent = outcome.superseded if on_conflict is OnConflict.REPLACE else 0
    origins = [each.origin - 1 for each in outcome.rejected]
    assert outcome.accounted == len(rows)
    assert len(outcome.skipped) == skipped
    assert written <= outcome.written + outcome.superseded <= written + unsent
    assert set(origins) <= rejected
    assert len(set(origins)) == len(origins)


def one_by_one(birds: list[Attributes], on_conflict: OnConflict) -> tuple[dict[str, str], int, int, set[int]]:
    """What the table holds, how many rows are written and skipped, and which are rejected."""
    table: dict[str, str] = {}
    written = skipped = 0
    rejected = set()
    for number, row in enumerate(birds):
        name = row["pk"]["S"]
        if "refuse" in row or (on_conflict is OnConflict.REJECT and name in table):
            rejected.add(number)
        elif on_conflict is OnConflict.KEEP and name in table:
            skipped += 1
        else:
            table[name] = row["n"]["N"]
            written += 1
    return table, written, skipped, rejected

"""PlanTransform: all that can be checked before an item is read, and the segments that there are to do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from sluice import errors
from sluice.dynamodb.writers import OnConflict
from sluice.errors import AccessDeniedError, InvalidInputError, PointInTimeRecoveryError, SettingError
from sluice.runs.counts import Counts
from sluice.runs.paths import Run
from sluice.runs.segments import SEGMENTS_WHEN_UNKNOWN
from sluice.runs.workers import Quota, workers_for
from sluice.settings import RunSettings
from sluice.workflows.table_transform.handover import Purpose, RunFiles
from sluice.workflows.table_transform.input import TransformInput, TransformJob
from sluice.workflows.table_transform.journal import EntryKind, JournalStore, SliceJournal
from sluice.workflows.table_transform.plan import SAMPLE, TransformPlan, plan_transform
from sluice.workflows.table_transform.progress import Changes, Done, TransformProgress, Unsettled
from sluice.workflows.table_transform.requests import ItemFilter
from tests.fixtures import EVENTS, expected_error, fixture
from tests.unit.fake_tables import FakeTable, FakeTables, Json, denied
from tests.unit.lambda_context import Context
from tests.unit.plain_items import schema_of

USUAL = fixture("plan_transform", "usual")
RUN = Run.from_state(USUAL["run"])
BUCKET = "sluice-data-000000000000-us-east-1"
RUN_TABLE = "runs-table"


def request(**fields: Any) -> TransformInput:
    """An input with these fields."""
    return TransformInput.from_input({"table": "airports", "transform": "airports_geohash", **fields})


def test_input_has_defaults_that_change_nothing() -> None:
    given = request()
    assert (given.mode, given.target, given.where, given.segments, given.max_concurrency) == (
        "dryRun",
        None,
        None,
        None,
        50,
    )
    assert (given.verify_sample, given.resumed_run, given.without_backup, given.changes_table) == (
        None,
        None,
        False,
        False,
    )
    assert (given.on_conflict, given.deletes_source) == (OnConflict.REPLACE, False)


def test_input_is_taken_as_it_is_given() -> None:
    given = request(
        target="nests",
        onConflict="keep",
        deleteSource=True,
        mode="apply",
        where={"expression": "#s = :s", "names": {"#s": "status"}, "values": {":s": {"S": "open"}}},
        verify={"sample": 5},
        resume={"run": "earlier"},
    )
    assert given.where == ItemFilter("#s = :s", {"#s": "status"}, {":s": {"S": "open"}})
    assert (given.verify_sample, given.resumed_run, given.changes_table) == (5, "earlier", True)
    assert request(verify={}).verify_sample == 1_000
    assert request(mode="apply").changes_table
    assert not request(mode="apply", target="nests").changes_table


VALUES: Json = {
    ":s": {"S": "a"},
    ":n": {"N": "1"},
    ":b": {"B": "AA=="},
    ":t": {"BOOL": True},
    ":z": {"NULL": True},
    ":l": {"L": [{"M": {"x": {"NS": ["1"]}}}]},
    ":e": {"SS": []},
}


def test_filter_may_compare_with_any_value() -> None:
    where = request(where={"expression": "a = :s", "values": VALUES}).where
    assert where is not None
    assert where.values == VALUES


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"table": "a/b"}, "table: a/b is not a table name"),
        ({"mapping": {"a": "b"}}, "mapping: give one of transform and mapping"),
        ({"transform": None}, "transform: give one of transform and mapping"),
        ({"transform": None, "mapping": {}}, "mapping: must be an object that says"),
        ({"transform": 5}, "transform: must be a string, not a number"),
        ({"target": "airports"}, "target: airports is the table itself"),
        ({"target": "arn:aws:dynamodb:us-east-1:000000000000:table/airports"}, "is the table itself"),
        ({"onConflict": "keep"}, "onConflict: means nothing without a target"),
        ({"deleteSource": False}, "deleteSource: means nothing without a target"),
        ({"target": "nests", "onConflict": "merge"}, "onConflict: must be one of replace, keep, reject"),
        ({"mode": "go"}, "mode: must be one of dryRun, apply, not go"),
        ({"segments": 10_001}, "segments: must be from 1 to 10,000"),
        ({"maxWriteUnitsPerSecond": 0}, "maxWriteUnitsPerSecond: must be from 1"),
        ({"verify": {"sample": 0}}, "verify.sample: must be from 1 to 10,000"),
        ({"resume": {}}, "resume.run: is required"),
        ({"resume": {"run": "a", "from": 1}}, "resume.from: unknown field"),
        ({"where": {}}, "where.expression: is required"),
        ({"where": {"expression": "a", "names": []}}, "where.names: must be an object, not a list"),
        ({"where": {"expression": "a", "names": {"a": "b"}}}, "where.names: a must be a placeholder such as #status"),
        ({"where": {"expression": "a", "names": {"#0": "b"}}}, "where.names: #0 must be a placeholder such as #status"),
        ({"where": {"expression": "a", "names": {"#a": 5}}}, "where.names.#a: must be an attribute's name"),
        ({"where": {"expression": "a", "names": {"#a": ""}}}, "where.names.#a: must be an attribute's name"),
        (
            {"where": {"expression": "a", "values": {":1": {"S": ""}}}},
            "where.values: :1 must be a placeholder such as :stat",
        ),
        ({"where": {"expression": "a", "values": {":a": "b"}}}, "where.values.:a: must be one value in DynamoDB JSON"),
        ({"where": {"expression": "a", "values": {":a": {}}}}, "where.values.:a: must be one value in DynamoDB JSON"),
        ({"where": {"expression": "a", "values": {":a": {"X": ""}}}}, "where.values.:a: X is not a DynamoDB type"),
        (
            {"where": {"expression": "a", "values": {":a": {"N": 1}}}},
            "where.values.:a.N: a number where a string belongs",
        ),
        (
            {"where": {"expression": "a", "values": {":a": {"BOOL": "true"}}}},
            "where.values.:a.BOOL: a string where a boolean belongs",
        ),
        (
            {"where": {"expression": "a", "values": {":a": {"L": [{"M": {"x": 1}}]}}}},
            "where.values.:a.L[0].M.x: must be one value",
        ),
        (
            {"where": {"expression": "a", "values": {":a": {"NS": ["1", 2]}}}},
            "where.values.:a.NS[1]: a number where a string belongs",
        ),
    ],
)
def test_wrong_input_is_named(fields: Json, message: str) -> None:
    with pytest.raises(InvalidInputError) as raised:
        request(**fields)
    assert message in str(raised.value)


# Plans of tables as DynamoDB describes them.


@pytest.fixture
def aws() -> Iterator[Any]:
    """The tables airports and nests, the first with point-in-time recovery; the bucket."""
    with mock_aws():
        dynamodb = boto3.client("dynamodb")
        for name, key in (("airports", "icao"), ("nests", "id"), (RUN_TABLE, "run")):
            dynamodb.create_table(
                TableName=name,
                BillingMode="PAY_PER_REQUEST",
                KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
            )
        dynamodb.update_continuous_backups(
            TableName="airports", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
        )
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        yield dynamodb


def tables() -> FakeTables:
    made = FakeTables(airports=FakeTable(schema_of(icao="S")))
    made.tables["airports"].put({"icao": {"S": "EDDM"}, "status": {"S": "open"}})
    return made


def plan(aws: Any, **fields: Any) -> TransformPlan:
    given = request(**fields)
    children = workers_for("segments", given.max_concurrency, Quota(1000), given.spent_limits).number
    return plan_transform(aws, tables().call, given, RUN, children=children, earlier=None)


def test_plan_is_what_children_get_to_know(aws: Any) -> None:
    where = {"expression": "#s = :s", "names": {"#s": "status"}, "values": {":s": {"S": "open"}}}
    planned = plan(aws, target="nests", where=where, transform=None, mapping={"id": "{icao}"}, onConflict="keep")
    state = planned.to_state(RUN, BUCKET)
    assert state == {
        "transform": {
            "formatVersion": 3,
            "table": {"name": "airports", "keys": [{"name": "icao", "type": "S"}]},
            "target": {"name": "nests", "keys": [{"name": "id", "type": "S"}]},
            "way": {"mapping": {"id": "{icao}"}},
            "where": where,
            "mode": "dryRun",
            "totalSegments": SEGMENTS_WHEN_UNKNOWN,
            "onConflict": "keep",
            "deleteSource": False,
            "runItem": {
                "readUnitsPerSecond": None,
                "writeUnitsPerSecond": None,
                "workers": SEGMENTS_WHEN_UNKNOWN,
            },
            "samplePerSegment": -(-SAMPLE // SEGMENTS_WHEN_UNKNOWN),
            "itemBytes": None,
            "indexes": {"table": {}, "target": {}},
            "undoes": [],
        },
        "plan": {"bucket": BUCKET, "key": "table_transform/fixture/segments.jsonl", "segments": SEGMENTS_WHEN_UNKNOWN},
        "maxConcurrency": 50,
    }
    assert TransformJob.from_state(json.loads(json.dumps(state["transform"]))) == planned.job


def test_sample_is_as_large_as_what_is_to_be_verified(aws: Any) -> None:
    assert plan(aws, segments=7, verify={"sample": 1_000}).job.sample_per_segment == 143
    assert plan(aws, segments=1_000).job.sample_per_segment == 1


def test_limits_are_for_as_many_children_as_they_feed(aws: Any) -> None:
    planned = plan(aws, segments=4, maxReadUnitsPerSecond=100, maxWriteUnitsPerSecond=600, mode="apply")
    assert planned.children == 3
    assert planned.job.run_item == {
        "readUnitsPerSecond": 100,
        "writeUnitsPerSecond": 600,
        "workers": 3,
    }
    few = plan(aws, segments=4, maxReadUnitsPerSecond=100)
    assert (few.children, few.run_item.workers) == (6, 4)


def test_dry_run_has_no_fewer_children_for_a_limit_on_writes(aws: Any) -> None:
    limit = {"maxWriteUnitsPerSecond": 2.5}
    assert (plan(aws, **limit).children, plan(aws, mode="apply", **limit).children) == (50, 1)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"transform": "missing"}, "transform: there is no transform 'missing'"),
        ({"transform": None, "mapping": {"icao": "x"}}, "mapping.icao: is part of the table's key"),
        ({"transform": None, "mapping": {"name": "x"}, "target": "nests"}, "mapping: has no id"),
        (
            {"transform": None, "mapping": {"name": "x" * 210_000}},
            "mapping: together with the rest of the plan it takes 210,",
        ),
        ({"where": {"expression": "#s = :s"}}, "where: DynamoDB refuses it: not used or not defined"),
    ],
)
def test_what_cannot_go_well_is_refused_beforehand(aws: Any, fields: Json, message: str) -> None:
    with pytest.raises(InvalidInputError) as raised:
        plan(aws, **fields)
    assert message in str(raised.value)


def test_filter_that_must_not_be_tried_is_reported_as_that(aws: Any) -> None:
    wire = tables()
    wire.before = denied
    given = request(where={"expression": "attribute_exists(icao)"})
    with pytest.raises(AccessDeniedError):
        plan_transform(aws, wire.call, given, RUN, children=1, earlier=None)


@pytest.mark.parametrize("fields", [{}, {"target": "nests", "deleteSource": True}])
def test_table_is_changed_only_with_a_backup(aws: Any, fields: Json) -> None:
    assert plan(aws, mode="apply", **fields).job.mode == "apply"
    aws.update_continuous_backups(
        TableName="airports", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False}
    )
    assert plan(aws, **fields).job.is_dry_run
    assert plan(aws, mode="apply", target="nests").job.target is not None
    assert plan(aws, mode="apply", withoutBackup=True, **fields).job.mode == "apply"
    with pytest.raises(PointInTimeRecoveryError, match=r"airports is off.*withoutBackup: true"):
        plan(aws, mode="apply", **fields)


# The function.


@pytest.fixture
def handler(aws: Any) -> Any:
    return import_module("plan_transform.handler").lambda_handler


def event(name: str = "fixture", **fields: Any) -> Json:
    arn = f"arn:aws:states:us-east-1:000000000000:execution:sluice-table_transform:{name}"
    return {
        "run": {"workflow": "table_transform", "name": name, "executionArn": arn},
        "input": {
            name: value
            for name, value in {"table": "airports", "transform": "airports_geohash", **fields}.items()
            if value is not None
        },
    }


def lines(planned: Json) -> list[Json]:
    """The segments' lines."""
    plan_object = planned["plan"]
    body = boto3.client("s3").get_object(Bucket=plan_object["bucket"], Key=plan_object["key"])["Body"].read()
    return [json.loads(line) for line in body.splitlines()]


def leave_cursor(name: str, segment: int, progress: TransformProgress) -> None:
    key = f"table_transform/{name}/cursors/{segment:06d}.json"
    boto3.client("s3").put_object(Bucket=BUCKET, Key=key, Body=json.dumps(progress.to_state()).encode())


def test_segments_are_shuffled_and_the_same_when_planned_again(handler: Any) -> None:
    first = lines(handler(event(segments=40), Context()))
    assert sorted(each["segment"] for each in first) == list(range(40))
    assert [each["segment"] for each in first] != list(range(40))
    assert {each["progress"] for each in first} == {None}
    assert lines(handler(event(segments=40), Context())) == first


def test_answer_has_what_the_state_machine_needs(handler: Any, aws: Any) -> None:
    given: Json = {"rejectsTolerated": "5%", "toleratedFailurePercentage": 10, "maxWriteUnitsPerSecond": 7}
    planned = handler(event(verify={"sample": 3}, mode="apply", **given), Context())
    assert (planned["rejectsTolerated"], planned["toleratedFailurePercentage"]) == ({"percentage": 5.0}, 10)
    assert (planned["verify"], planned["resumed"], planned["maxConcurrency"]) == ({"sample": 3}, None, 1)
    item = aws.get_item(TableName=RUN_TABLE, Key={"run": {"S": "table_transform/fixture"}})["Item"]
    assert item["writeUnitsPerSecond"] == {"N": "7"}


def test_dry_run_has_nothing_to_verify(handler: Any) -> None:
    assert handler(event(verify={"sample": 3}), Context())["verify"] is None


def done(read: int, **more: Any) -> Done:
    return Done(counts=Counts(read=read, written=read), changes=Changes(changed=read), scanned=read, **more)


def test_resumed_run_does_what_is_left_and_knows_what_was_done(handler: Any) -> None:
    handler(event("first", segments=4), Context())
    leave_cursor("first", 0, TransformProgress(is_done=True, done=done(10, read_units=1.0)))
    leave_cursor("first", 2, TransformProgress({"icao": {"S": "K"}}, slices=3, done=done(5), reject_slices=(1,)))
    second = handler(event("second", resume={"run": "first"}), Context())
    assert second["resumed"] == {"run": "first", "done": done(15, read_units=1.0).to_state()}
    assert (second["transform"]["totalSegments"], second["plan"]["segments"]) == (4, 3)
    progresses = {each["segment"]: TransformProgress.from_state(each["progress"]) for each in lines(second)}
    assert progresses == {
        1: TransformProgress(),
        2: TransformProgress({"icao": {"S": "K"}}),
        3: TransformProgress(),
    }
    leave_cursor("second", 1, TransformProgress(is_done=True, done=done(7)))
    leave_cursor("second", 2, TransformProgress(is_done=True, done=done(2)))
    third = handler(event("third", resume={"run": "second"}), Context())
    assert third["resumed"] == {"run": "second", "done": done(24, read_units=1.0).to_state()}
    assert [each["segment"] for each in lines(third)] == [3]


def test_run_that_has_done_all_leaves_nothing_but_its_counts(handler: Any) -> None:
    handler(event("first", segments=1), Context())
    leave_cursor("first", 0, TransformProgress(is_done=True, done=done(7)))
    second = handler(event("second", resume={"run": "first"}), Context())
    assert (second["plan"]["segments"], lines(second)) == (0, [])
    assert second["resumed"] == {"run": "first", "done": done(7).to_state()}


def journal(name: str, segment: int = 0) -> JournalStore:
    return JournalStore(boto3.client("s3"), BUCKET, replace(RUN, name=name), segment)


def test_resumed_run_takes_over_what_was_announced(handler: Any) -> None:
    """A worker of the earlier run that is still there can announce nothing more."""
    handler(event("first", segments=1, mode="apply"), Context())
    worker = SliceJournal(journal("first"), 0)
    worker.begin()
    worker.append(EntryKind.PAGE, {}, b"")
    second = handler(event("second", resume={"run": "first"}, mode="apply"), Context())
    (line,) = lines(second)
    progress = TransformProgress.from_state(line["progress"])
    assert progress.unsettled == (Unsettled("first", 0, 0, 2),)
    with pytest.raises(errors.RunContinuedError, match="run second continues this run"):
        worker.append(EntryKind.PAGE, {}, b"")
    with pytest.raises(errors.RunContinuedError):
        SliceJournal(journal("first"), 0).begin()
    # The step may be tried again.
    assert lines(handler(event("second", resume={"run": "first"}, mode="apply"), Context())) == [line]


def test_slice_that_ended_unseen_counts_for_the_run_that_ended_it(handler: Any) -> None:
    handler(event("first", segments=1, mode="apply"), Context())
    worker = SliceJournal(journal("first"), 0)
    worker.begin()
    ended = TransformProgress({"icao": {"S": "K"}}, slices=1, done=done(3))
    worker.append(EntryKind.END, {"progress": ended.to_state(), "parts": {"rejects": 0, "sample": 0, "void": 0}}, b"")
    second = handler(event("second", resume={"run": "first"}, mode="apply"), Context())
    assert second["resumed"]["done"] == done(3).to_state()
    assert lines(second)[0]["progress"]["startKey"] == {"icao": {"S": "K"}}


def test_run_is_resumed_by_one_other(handler: Any) -> None:
    handler(event("first", segments=1), Context())
    handler(event("second", resume={"run": "first"}), Context())
    with pytest.raises(InvalidInputError, match=r"resume\.run: first was resumed by second: resume that run instead"):
        handler(event("third", resume={"run": "first"}), Context())


def test_run_that_resumed_another_and_left_no_plan_is_superseded(handler: Any) -> None:
    handler(event("first", segments=1), Context())
    RunFiles(boto3.client("s3"), BUCKET, replace(RUN, name="second")).hand_over("first", Purpose.RESUME)
    third = handler(event("third", resume={"run": "first"}), Context())
    assert third["plan"]["segments"] == 1
    with pytest.raises(InvalidInputError, match=r"first was resumed by third"):
        handler(event("second", resume={"run": "first"}), Context())


def undo(name: str, of: str, **fields: Any) -> Json:
    return {**event(name), "input": {"undo": {"run": of}, **fields}}


def test_undo_takes_the_tables_and_the_segments_of_the_run(handler: Any) -> None:
    given = {"target": "nests", "deleteSource": True, "segments": 3, "mode": "apply", "transform": None}
    handler(event("first", mapping={"id": "{icao}"}, **given), Context())
    planned = handler(undo("back", "first"), Context())
    job = TransformJob.from_state(planned["transform"])
    assert (job.undoes, job.total_segments, job.mode) == (("first",), 3, "dryRun")
    assert job.target is not None
    assert (job.table.name, job.target.name, job.deletes_source) == ("airports", "nests", True)
    applied = handler(undo("back2", "first", mode="apply"), Context())
    assert applied["transform"]["undoes"] == ["first"]
    with pytest.raises(InvalidInputError, match="first was undone by back2"):
        handler(event("more", resume={"run": "first"}, mapping={"id": "{icao}"}, **given), Context())
    # An undo that has to be done again, and one that is undone.
    handler(undo("back3", "first", mode="apply"), Context())
    assert handler(undo("again", "back3"), Context())["transform"]["undoes"] == ["back3"]


def test_undo_covers_the_runs_that_the_run_resumed(handler: Any) -> None:
    handler(event("first", segments=1, mode="apply"), Context())
    handler(event("second", mode="apply", resume={"run": "first"}), Context())
    assert handler(undo("back", "second"), Context())["transform"]["undoes"] == ["first", "second"]


def test_undo_waits_for_workers_that_were_interrupted(handler: Any) -> None:
    handler(event("first", segments=1, mode="apply"), Context())
    SliceJournal(journal("first"), 0).begin()
    assert handler(undo("dry", "first"), Context())["plan"]["segments"] == 1
    with pytest.raises(InvalidInputError, match=r"undo\.run: workers of first that were interrupted may still write"):
        handler(undo("back", "first", mode="apply"), Context())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "first is a dry run, which changed nothing"),
        ({"mode": "apply", "target": "nests"}, "first put items with onConflict replace"),
    ],
)
def test_what_cannot_be_undone_is_refused(handler: Any, given: Json, message: str) -> None:
    handler(event("first", transform=None, mapping={"id": "{icao}"}, **given), Context())
    with pytest.raises(InvalidInputError, match=message):
        handler(undo("back", "first"), Context())


def test_undo_has_its_tables_from_the_run() -> None:
    with pytest.raises(InvalidInputError, match="table: means nothing for an undo"):
        TransformInput.from_input({"undo": {"run": "first"}, "table": "airports"})


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"table": "nests"}, "table"),
        ({"mode": "apply"}, "mode"),
        ({"segments": 5}, "segments"),
        ({"target": "nests"}, "target"),
        ({"transform": None, "mapping": {"a": "b"}}, "transform"),
    ],
)
def test_run_is_resumed_with_its_own_input(handler: Any, fields: Json, field: str) -> None:
    handler(event("first", segments=4, withoutBackup=True), Context())
    with pytest.raises(InvalidInputError, match=f"{field}: differs from that of first"):
        handler(event("second", resume={"run": "first"}, withoutBackup=True, **fields), Context())


def test_run_that_there_is_not_is_named(handler: Any) -> None:
    with pytest.raises(InvalidInputError, match=r"resume\.run: night is not a run of table_transform that left a plan"):
        handler(event(resume={"run": "night"}), Context())


def test_missing_bucket_is_no_missing_run(aws: Any) -> None:
    with pytest.raises(errors.UnexpectedResponseError, match="NoSuchBucket"):
        RunFiles(boto3.client("s3"), "other", replace(RUN, name="b")).read("a", "resume.run")


@pytest.mark.parametrize("path", sorted((EVENTS / "plan_transform").glob("*.json")), ids=lambda path: path.stem)
def test_fixture_ends_as_it_is_named(handler: Any, aws: Any, path: Path) -> None:
    aws.update_continuous_backups(
        TableName="airports", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False}
    )
    error = expected_error(path)
    if error is None:
        assert handler(fixture("plan_transform", path.stem), Context())["plan"]["segments"] == SEGMENTS_WHEN_UNKNOWN
        return
    with pytest.raises(getattr(errors, error)):
        handler(fixture("plan_transform", path.stem), Context())


def test_setting_that_is_missing_is_named() -> None:
    with pytest.raises(SettingError, match="RUN_TABLE"):
        RunSettings.from_env({})
    assert RunSettings.from_env({"RUN_TABLE": "t"}).table == "t"

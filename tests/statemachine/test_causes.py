"""Causes of Fail states: Step Functions takes 32,768 characters after escaping, whatever the message is."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local_aws.stepfunctions.errors import MAXIMUM_CAUSE_CHARACTERS
from local_aws.stepfunctions.jsonata_expressions import evaluate
from sluice.rejects import Reason
from sluice.runs.columns_found import ALL_COLUMNS, ColumnsFound
from sluice.runs.counts import Counts
from sluice.runs.outcomes import message_in
from sluice.runs.range_progress import RangeProgress
from sluice.workflows.table_transform.progress import Changes, Done, TransformProgress
from tests.statemachine.definitions import NAMES, all_states, definition

HOSTILE = ('"', "\\", "\x01", "\n", "\U0001f600", "ü", '{"', "</script>", "a")
# An execution has 25,000 events, and each slice takes seven of them.
SLICES = 25_000 // 7
MOST = 10**15
# The columns of a mapping that is as large as a plan may be.
COLUMNS = [f"a column with a long name {number:04}" for number in range(2_000)]
RESULTS = {"bucket": "b" * 63, "prefix": "p" * 100}


def _fails() -> list[Any]:
    found = []
    for machine in NAMES:
        for name, state in all_states(definition(machine)):
            if state["Type"] == "Fail" and state.get("Cause", "").startswith("{%"):
                found.append(pytest.param(state["Cause"][2:-2].strip(), id=f"{machine}-{name}"))
    return found


FAILS = _fails()
RANGES = [each for each in FAILS if each.id in ("csv_load-RangeFailed", "export_process-FileFailed")]
SEGMENTS = [each for each in FAILS if each.id == "table_transform-SegmentFailed"]


def cause_of(expression: str, message: str, progress: Any = None, counts: Any = None) -> str:
    """The cause that the state makes of an error with this message."""
    error = {"Error": "E", "Cause": message, "name": "E", "message": message}
    known = {**error, "error": error, "problem": message, "progress": progress}
    known |= {"counts": counts, "results": RESULTS} if counts else {}
    found: str = evaluate(expression, {"states": {"input": known}, "failure": error, "processFailure": error})
    return found


def escaped(text: str) -> int:
    """Characters after escaping, each character that is not ASCII as an escape, too."""
    return len(json.dumps(text)) - 2


def largest_range() -> dict[str, Any]:
    """What the slices of a child have done that has come to the end of its history."""
    return RangeProgress(
        position=MOST,
        row=MOST,
        slices=SLICES,
        counts=Counts(MOST, MOST, MOST, MOST),
        write_units=1e17 / 3,
        reject_slices=tuple(range(SLICES)),
        reasons=Counter(dict.fromkeys(map(str, Reason), MOST)),
    ).to_state()


def largest_segment() -> dict[str, Any]:
    """The same of a table's segment; its sample has up to 1,000 items, and its start key control characters."""
    reasons = Counter(dict.fromkeys(map(str, Reason), MOST))
    done = Done(
        Counts(MOST, MOST, MOST, MOST), Changes(MOST, MOST, MOST, MOST), MOST, 1e17 / 3, 1e17 / 3, 1e17 / 3, reasons
    )
    key = {"pk": {"S": "\x01" * 2048}, "sk": {"S": "\x01" * 1024}}
    slices = tuple(range(SLICES))
    return TransformProgress(
        key, slices=SLICES, done=done, reject_slices=slices, sample_slices=slices[-1000:]
    ).to_state()


@pytest.mark.parametrize("expression", FAILS)
@pytest.mark.parametrize("character", HOSTILE)
def test_no_cause_is_longer_than_step_functions_takes(expression: str, character: str) -> None:
    found = cause_of(expression, "why: " + character * 30_000)
    assert escaped(found) <= MAXIMUM_CAUSE_CHARACTERS
    assert "why: " in found


@pytest.mark.parametrize("expression", FAILS)
def test_short_causes_are_whole(expression: str) -> None:
    assert 'no "x"\\ in 😀' in message_in(cause_of(expression, 'no "x"\\ in 😀'))


@pytest.mark.parametrize("expression", RANGES)
@pytest.mark.parametrize("character", HOSTILE)
def test_largest_progress_of_a_range_is_whole_beside_any_message(expression: str, character: str) -> None:
    reported = reported_with(expression, largest_range(), character)
    assert reported["progress"] == largest_range()


@pytest.mark.parametrize("expression", SEGMENTS)
@pytest.mark.parametrize("character", HOSTILE)
def test_largest_progress_of_a_segment_is_whole_but_for_what_its_cursor_has(expression: str, character: str) -> None:
    """The segment's cursor has the key; the columns only matter where all segments succeed."""
    found = ColumnsFound(frozenset(COLUMNS), tuple(COLUMNS[:30])).to_state()
    reported = reported_with(expression, largest_segment() | {"columns": found}, character)
    assert reported["progress"] == largest_segment() | {"startKey": None, "columns": ALL_COLUMNS.to_state()}


def test_columns_that_no_row_of_a_range_has_had_leave_room_for_the_cause() -> None:
    (expression,) = (str(each.values[0]) for each in RANGES if each.id == "csv_load-RangeFailed")
    largest = largest_range()
    findings = largest["findings"] | {"unseen": COLUMNS}
    assert reported_with(expression, largest | {"findings": findings}, "a")["progress"] == largest


def reported_with(expression: str, progress: dict[str, Any], character: str) -> dict[str, Any]:
    found = cause_of(expression, "why: " + character * 30_000, progress)
    assert escaped(found) <= MAXIMUM_CAUSE_CHARACTERS
    reported: dict[str, Any] = json.loads(found)
    assert reported["cause"].startswith("why: " + character)
    return reported


def test_child_that_failed_in_its_first_slice_has_no_progress() -> None:
    for each in (*RANGES, *SEGMENTS):
        assert json.loads(cause_of(str(each.values[0]), "x")) == {"progress": None, "cause": "x"}


texts = st.lists(st.tuples(st.text(max_size=5), st.sampled_from([1, 100, 3_000, 30_000])), max_size=6).map(
    lambda pieces: "".join(text * times for text, times in pieces)
)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([each.values[0] for each in FAILS]), texts)
def test_any_text_is_cut_at_its_end_only(expression: Any, text: str) -> None:
    found = cause_of(expression, text, {"counts": 1})
    assert escaped(found) <= MAXIMUM_CAUSE_CHARACTERS
    kept = json.loads(found)["cause"] if "'progress'" in expression else found
    assert text.startswith(kept)


def test_counts_of_failed_rows_stand_behind_any_message() -> None:
    (expression,) = (each.values[0] for each in FAILS if each.id == "csv_load_direct-LoadFailed")
    found = cause_of(str(expression), '"' * 30_000, counts={"read": 10**9, "failed": 7})
    assert " 7 of 1000000000 rows are in batches that failed: s3://" in found
    assert escaped(found) <= MAXIMUM_CAUSE_CHARACTERS


@pytest.mark.parametrize("machine", NAMES)
def test_no_state_takes_a_cause_for_json(machine: str) -> None:
    """A cause that was cut is not valid JSON."""
    assert "$parse($states.errorOutput.Cause)" not in json.dumps(definition(machine))


@pytest.mark.parametrize("message", ['no "x"\\ \n 😀", "errorType', "", *(each * 30_000 for each in HOSTILE)])
def test_table_export_takes_lambdas_message_out_of_a_whole_cause(message: str) -> None:
    states = dict(all_states(definition("table_export")))
    expression = states["PlanExport"]["Catch"][0]["Assign"]["failure"]["message"][2:-2].strip()
    cause = json.dumps({"errorMessage": message, "errorType": "E", "stackTrace": ["}"]})
    assert evaluate(expression, {"states": {"errorOutput": {"Error": "E", "Cause": cause}}}) == message
    cut = cause[: len(message)] or "x"
    assert evaluate(expression, {"states": {"errorOutput": {"Error": "E", "Cause": cut}}}) == cut


def test_message_of_a_cause_that_was_cut_is_read() -> None:
    whole = json.dumps({"errorMessage": 'no "x"\\ \U0001f600 ü', "errorType": "E"})
    assert message_in(whole) == 'no "x"\\ \U0001f600 ü'
    for end in range(len('{"errorMessage": "'), len(whole)):
        assert 'no "x"\\ \U0001f600 ü'.startswith(message_in(whole[:end]).encode("utf-8", "ignore").decode())
    assert message_in('{"errorMes') == '{"errorMes'
    assert message_in("not valid JSON") == "not valid JSON"
    assert message_in(None) == ""

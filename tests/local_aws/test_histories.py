"""Histories, variables, paths and waits as they are recorded on AWS, on a started local AWS."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from local_aws.stepfunctions.scope import MAXIMUM_HISTORY_EVENTS
from tests.local_aws.conftest import Client, Run

PASS = {"Type": "Pass", "End": True}
LARGE = "{% $pad('', 262000, 'x') %}"
ENTERED = "An error occurred while executing the state 'Only' (entered at the event id #2). "
History = Callable[[dict[str, Any]], list[dict[str, Any]]]


@pytest.fixture
def history(client: Client) -> History:
    """The events of an execution that has ended."""

    def get(execution: dict[str, Any]) -> list[dict[str, Any]]:
        pages = client("stepfunctions").get_paginator("get_execution_history")
        found = pages.paginate(executionArn=execution["executionArn"], maxResults=1000)
        return [event for page in found for event in page["events"]]

    return get


@pytest.fixture
def run_path_state(run_machine: Run) -> Run:
    """Runs a machine of this one state in JSONPath."""

    def run(state: dict[str, Any], data: Any = None) -> dict[str, Any]:
        ending = {} if state["Type"] == "Fail" else {"End": True}
        machine = {"QueryLanguage": "JSONPath", "StartAt": "Only", "States": {"Only": {**state, **ending}}}
        return run_machine(machine, data)

    return run


def links(events: list[dict[str, Any]]) -> list[tuple[int, str]]:
    return [(event["previousEventId"], event["type"]) for event in events]


def test_events_tell_that_their_data_is_whole(run_machine: Run, history: History) -> None:
    state = {**PASS, "Assign": {"answer": 42, "name": "x"}, "Output": "{% $states.input %}"}
    events = history(run_machine({"StartAt": "Only", "States": {"Only": state}}, {"a": 1}))
    whole = {"truncated": False}
    assert events[0]["executionStartedEventDetails"]["inputDetails"] == whole
    assert events[1]["stateEnteredEventDetails"] == {"name": "Only", "input": '{"a":1}', "inputDetails": whole}
    assert events[2]["stateExitedEventDetails"] == {
        "name": "Only",
        "output": '{"a":1}',
        "outputDetails": whole,
        "assignedVariables": {"answer": "42", "name": '"x"'},
        "assignedVariablesDetails": whole,
    }
    assert events[3]["executionSucceededEventDetails"]["outputDetails"] == whole


def test_a_state_without_assign_tells_of_no_variables(run_machine: Run, history: History) -> None:
    states = {"First": {"Type": "Pass", "Assign": {"a": 1}, "Next": "Only"}, "Only": PASS}
    events = history(run_machine({"StartAt": "First", "States": states}))
    assert "assignedVariables" not in events[4]["stateExitedEventDetails"]


def test_iterations_follow_each_other(run_machine: Run, history: History) -> None:
    inner = {"ProcessorConfig": {"Mode": "INLINE"}, "StartAt": "P", "States": {"P": PASS}}
    state = {"Type": "Map", "Items": [1, 2], "MaxConcurrency": 1, "ItemProcessor": inner, "End": True}
    events = history(run_machine({"StartAt": "Only", "States": {"Only": state}}))
    assert links(events) == [
        (0, "ExecutionStarted"),
        (0, "MapStateEntered"),
        (2, "MapStateStarted"),
        (3, "MapIterationStarted"),
        (4, "PassStateEntered"),
        (5, "PassStateExited"),
        (6, "MapIterationSucceeded"),
        (6, "MapIterationStarted"),
        (8, "PassStateEntered"),
        (9, "PassStateExited"),
        (10, "MapIterationSucceeded"),
        (11, "MapStateSucceeded"),
        (11, "MapStateExited"),
        (13, "ExecutionSucceeded"),
    ]


def test_branches_begin_at_their_state(run_machine: Run, history: History) -> None:
    branches = [{"StartAt": name, "States": {name: PASS}} for name in ("P", "Q")]
    state = {"Type": "Parallel", "Branches": branches, "End": True}
    events = history(run_machine({"StartAt": "Only", "States": {"Only": state}}))
    entered = {event["id"]: event["previousEventId"] for event in events if event["type"] == "PassStateEntered"}
    exited = {event["id"]: event["previousEventId"] for event in events if event["type"] == "PassStateExited"}
    assert set(entered.values()) == {3}
    assert set(exited.values()) == set(entered)
    assert links(events)[-3:] == [
        (max(exited), "ParallelStateSucceeded"),
        (max(exited), "ParallelStateExited"),
        (9, "ExecutionSucceeded"),
    ]


def test_a_failure_without_a_name_has_details(run_machine: Run, history: History) -> None:
    events = history(run_machine({"StartAt": "Only", "States": {"Only": {"Type": "Fail"}}}))
    assert events[-1]["executionFailedEventDetails"] == {}


def test_the_longest_history_ends_with_the_failure(run_machine: Run, history: History) -> None:
    states = {
        "Count": {"Type": "Pass", "Assign": {"n": "{% $exists($n) ? $n + 1 : 1 %}"}, "Next": "Again"},
        "Again": {"Type": "Choice", "Choices": [{"Condition": "{% false %}", "Next": "End"}], "Default": "Count"},
        "End": PASS,
    }
    ended = run_machine({"StartAt": "Count", "States": states})
    assert (ended["status"], ended["error"]) == ("FAILED", "States.Runtime")
    events = history(ended)
    assert (len(events), events[-1]["type"]) == (MAXIMUM_HISTORY_EVENTS, "ExecutionFailed")
    assert "maximum number of history events" in events[-1]["executionFailedEventDetails"]["cause"]


def test_one_assign_holds_256_kib(run_state: Run) -> None:
    half = "{% $pad('', 131000, 'x') %}"
    assert run_state({"Type": "Pass", "Assign": {"a": half, "b": half}})["status"] == "SUCCEEDED"
    ended = run_state({"Type": "Pass", "Assign": {"a": half, "b": half, "c": "{% $pad('', 1000, 'x') %}"}})
    assert (ended["status"], ended["error"]) == ("FAILED", "States.DataLimitExceeded")


def test_all_variables_hold_10_mib(run_machine: Run) -> None:
    def machine(count: int) -> dict[str, Any]:
        states = {
            f"S{number}": {
                "Type": "Pass",
                "Assign": {f"v{number}": "{% $pad('', 262000, 'x') %}"},
                "Next": f"S{number + 1}",
            }
            for number in range(count)
        }
        return {"StartAt": "S0", "States": {**states, f"S{count}": {**PASS, "Output": 1}}}

    assert run_machine(machine(40))["status"] == "SUCCEEDED"
    ended = run_machine(machine(41))
    assert (ended["status"], ended["error"]) == ("FAILED", "States.DataLimitExceeded")


@pytest.mark.parametrize("path", ["$.items[*]", "$.none.items[*]", "$.none[1:]", "$.none[*].value", "$..none"])
def test_paths_to_any_number_of_values_may_find_none(run_path_state: Run, path: str) -> None:
    state = {"Type": "Pass", "Parameters": {"found.$": path}}
    assert run_path_state(state, {"a": 1})["output"] == {"found": []}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"InputPath": "$.none"}, "Invalid path '$.none' : No results for path: $['none']"),
        ({"OutputPath": "$.a.none"}, "Invalid path '$.a.none' : No results for path: $['a']['none']"),
        ({"InputPath": "$.none.such"}, "Invalid path '$.none.such' : Missing property in path $['none']"),
        (
            {"Parameters": {"value.$": "$.none"}},
            "The JSONPath '$.none' specified for the field 'value.$' could not be found in the input "
            '\'{"a":{"b":1}}\'',
        ),
    ],
)
def test_paths_to_nothing_are_reported(run_path_state: Run, fields: dict[str, Any], expected: str) -> None:
    ended = run_path_state({"Type": "Pass", **fields}, {"a": {"b": 1}})
    assert (ended["error"], ended["cause"]) == ("States.Runtime", ENTERED + expected)


@pytest.mark.parametrize("field", ["ErrorPath", "CausePath"])
def test_a_failures_paths_to_nothing_are_reported(run_path_state: Run, field: str) -> None:
    ended = run_path_state({"Type": "Fail", field: "$.none"}, {"a": 1})
    expected = f"The JSONPath '$.none' specified for the field '{field}' could not be found in the input '{{\"a\":1}}'"
    assert (ended["error"], ended["cause"]) == ("States.Runtime", ENTERED + expected)


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("SecondsPath", -1, "The SecondsPath parameter references a negative value: $.v == -1"),
        ("SecondsPath", 1.5, "The SecondsPath parameter cannot be parsed as a long value: $.v == 1.5"),
        *(
            (
                "TimestampPath",
                stamp,
                "The TimestampPath parameter does not reference a valid ISO-8601 extended offset date-time format "
                f"string: $.v == {stamp}",
            )
            for stamp in ("2016-12-05 21:29:29Z", "2016-12-05T21:29:29", "2016-13-05T21:29:29Z", "2016-12-05T25:29:29Z")
        ),
        ("TimestampPath", "2999-01-01T00:00:00Z", "Wait state delay is too long."),
    ],
)
def test_waits_that_cannot_be(run_path_state: Run, field: str, value: Any, expected: str) -> None:
    ended = run_path_state({"Type": "Wait", field: "$.v"}, {"v": value})
    assert (ended["error"], ended["cause"]) == ("States.Runtime", ENTERED + expected)


def test_a_wrong_timestamp_of_jsonata_has_a_location(run_state: Run, history: History) -> None:
    events = history(run_state({"Type": "Wait", "Timestamp": "{% 'soon' %}"}))
    (failed,) = [event for event in events if event["type"] == "EvaluationFailed"]
    assert failed["evaluationFailedEventDetails"]["location"] == "Timestamp"


def test_a_negative_concurrency_is_refused(run_path_state: Run) -> None:
    inner = {"ProcessorConfig": {"Mode": "INLINE"}, "StartAt": "P", "States": {"P": PASS}}
    state = {"Type": "Map", "ItemsPath": "$.items", "MaxConcurrencyPath": "$.n", "ItemProcessor": inner}
    ended = run_path_state(state, {"items": [1], "n": -1})
    assert (ended["status"], ended["error"]) == ("FAILED", "States.Runtime")


def test_a_child_has_the_name_of_its_own_machine(run_state: Run, client: Client) -> None:
    processor = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "P",
        "States": {"P": {**PASS, "Output": "{% $states.context.StateMachine.Name %}"}},
    }
    ended = run_state({"Type": "Map", "Items": [1], "Label": "Each", "ItemProcessor": processor})
    machine = ended["stateMachineArn"].rpartition(":")[2]
    assert ended["output"] == [f"{machine}/Each"]
    (run,) = client("stepfunctions").list_map_runs(executionArn=ended["executionArn"])["mapRuns"]
    (child,) = client("stepfunctions").list_executions(mapRunArn=run["mapRunArn"])["executions"]
    found = client("stepfunctions").describe_state_machine_for_execution(executionArn=child["executionArn"])
    assert (found["name"], found["label"], found["mapRunArn"]) == (f"{machine}/Each", "Each", run["mapRunArn"])
    assert found["stateMachineArn"] == f"{ended['stateMachineArn']}/Each"
    assert json.loads(found["definition"])["StartAt"] == "P"

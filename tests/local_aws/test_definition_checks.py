"""Which definitions Step Functions refuses, and with which words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError, WaiterError

from local_aws.stepfunctions.definition_checks.validation import definition_refusal, diagnose
from tests.local_aws.broken_definitions import (
    PASS,
    Broken,
    calling,
    choosing,
    distributed,
    machine,
    output,
    path_task,
    reading,
    task,
    waiting,
)
from tests.local_aws.broken_states import BROKEN_STATES
from tests.local_aws.broken_workflows import BROKEN_WORKFLOWS, START_SYNC
from tests.local_aws.conftest import ROLE, Client
from tests.validate.filled import Definition, filled_definitions

BROKEN = (*BROKEN_STATES, *BROKEN_WORKFLOWS)
# AWS accepts these, strange as some are.
ACCEPTED: dict[str, dict[str, Any]] = {
    "Retry at once": task(Retry=[{"ErrorEquals": ["E"], "IntervalSeconds": 0, "MaxAttempts": 0}]),
    "timeout of the machine is 0": machine(PASS, TimeoutSeconds=0),
    "End is false beside Next": machine({"Type": "Pass", "End": False, "Next": "T"}),
    "comments everywhere": choosing({"Condition": True, "Next": "T", "Comment": "c"}),
    "paths that are null": machine({**PASS, "InputPath": None, "ResultPath": None}, "JSONPath"),
    "intrinsic in an error": machine({"Type": "Fail", "ErrorPath": "States.Format('{}', $.e)"}, "JSONPath"),
    "result writer that is empty": distributed(ResultWriter={}),
    "tolerance of half a percent": distributed(ToleratedFailurePercentage=0.5),
    "Parquet": reading({"InputType": "PARQUET"}),
    "nanoseconds": waiting(Timestamp="2024-12-05T21:29:29.243167252Z"),
    "null for a text": calling("arn:aws:states:::aws-sdk:sqs:sendMessage", {"QueueUrl": None, "MessageBody": "b"}),
    "text for a boolean": calling("arn:aws:states:::aws-sdk:s3:listObjectsV2", {"Bucket": "b", "FetchOwner": "true"}),
    "dynamic field": path_task(Parameters={"FunctionName.$": "$.f"}),
    "name in a predicate": output("{% $states.input.items[value > 3].{'n': name} %}"),
    "$eval, which fails when it runs": output("{% $eval('1') %}"),
    "undefined variable": output("{% $nowhere %}"),
    ".sync in a STANDARD machine": START_SYNC,
    "JSONata state in a JSONPath machine": machine({**PASS, "QueryLanguage": "JSONata", "Output": 1}, "JSONPath"),
}


@pytest.mark.parametrize("broken", BROKEN, ids=lambda each: each.title)
def test_diagnosis_names_code_message_and_location(broken: Broken) -> None:
    found = diagnose(json.dumps(broken.definition), broken.machine_type)
    assert [(each.code, each.location) for each in found][:1] == [(broken.code, broken.location)], found
    assert found[0].message.startswith(broken.expected)
    assert found[0].message


def test_broken_definitions_are_many_and_differ() -> None:
    assert len({json.dumps([each.definition, each.machine_type]) for each in BROKEN}) == len(BROKEN) >= 60


@pytest.mark.parametrize("definition", ACCEPTED.values(), ids=ACCEPTED)
def test_accepts_what_aws_accepts(definition: dict[str, Any]) -> None:
    assert diagnose(json.dumps(definition)) == ()


@pytest.mark.parametrize("definition", filled_definitions(), ids=lambda each: each.file)
def test_accepts_the_definitions_of_sluice(definition: Definition) -> None:
    assert definition_refusal(definition.text) is None


def test_all_errors_are_reported_at_once() -> None:
    definition = {"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "X"}, "B": PASS}}
    expected = (
        "Invalid State Machine Definition: 'MISSING_TRANSITION_TARGET: Missing 'Next' target: X at /States/A/Next, "
        'MISSING_TRANSITION_TARGET: State "B" is not reachable. at /States/B\''
    )
    assert definition_refusal(json.dumps(definition)) == expected


def test_missing_end_stands_beside_a_missing_target() -> None:
    found = diagnose(
        json.dumps(machine({"Type": "Pass", "Next": "X"}) | {"States": {"S": {"Type": "Pass", "Next": "X"}}})
    )
    assert [each.code for each in found] == ["MISSING_TRANSITION_TARGET", "MISSING_END_STATE"]
    assert str(found[1]) == "MISSING_END_STATE: Workflow has no terminal state at null"


@pytest.mark.parametrize("text", ["{", "not a definition"])
def test_text_that_is_no_json_is_named_with_its_position(text: str) -> None:
    (found,) = diagnose(text)
    assert found.code == "INVALID_JSON_DESCRIPTION"
    assert found.location is not None
    assert found.location.startswith(f'[Source: (String)"{text}"; line: 1, column: ')


@pytest.mark.parametrize("text", [" ", "[]", '"S"'])
def test_json_that_is_no_object_has_no_position(text: str) -> None:
    (found,) = diagnose(text)
    assert (found.message, found.location) == ("Definition must be a valid JSON object", None)


def test_create_and_update_refuse_and_change_nothing(client: Client, name: str) -> None:
    stepfunctions = client("stepfunctions")
    broken = json.dumps({"States": {"S": PASS}})
    with pytest.raises(ClientError) as refused:
        stepfunctions.create_state_machine(name=name, definition=broken, roleArn=ROLE)
    assert refused.value.response["Error"] == {
        "Code": "InvalidDefinition",
        "Message": "Invalid State Machine Definition: "
        "'SCHEMA_VALIDATION_FAILED: These fields are required: [StartAt] at /'",
    }
    right = json.dumps(machine(PASS))
    arn = stepfunctions.create_state_machine(name=name, definition=right, roleArn=ROLE)["stateMachineArn"]
    with pytest.raises(stepfunctions.exceptions.InvalidDefinition):
        stepfunctions.update_state_machine(stateMachineArn=arn, definition=broken)
    assert stepfunctions.describe_state_machine(stateMachineArn=arn)["definition"] == right


def test_express_machine_refuses_sync_at_creation_and_update(client: Client, name: str) -> None:
    stepfunctions = client("stepfunctions")
    waits = json.dumps(START_SYNC)
    given = {"name": name, "roleArn": ROLE, "type": "EXPRESS"}
    with pytest.raises(stepfunctions.exceptions.InvalidDefinition, match=r"does not support '\.sync'"):
        stepfunctions.create_state_machine(definition=waits, **given)
    arn = stepfunctions.create_state_machine(definition=json.dumps(machine(PASS)), **given)["stateMachineArn"]
    with pytest.raises(stepfunctions.exceptions.InvalidDefinition, match=r"does not support '\.sync'"):
        stepfunctions.update_state_machine(stateMachineArn=arn, definition=waits)


def test_validate_gives_diagnostics(client: Client) -> None:
    validate = client("stepfunctions").validate_state_machine_definition
    answer = validate(definition=json.dumps(START_SYNC), type="EXPRESS")
    assert (answer["result"], answer["truncated"]) == ("FAIL", False)
    assert answer["diagnostics"] == [
        {
            "severity": "ERROR",
            "code": "SCHEMA_VALIDATION_FAILED",
            "message": "Express state machine does not support '.sync' service integration",
            "location": "/States/S/Resource",
        }
    ]
    accepted = validate(definition=json.dumps(START_SYNC))
    assert (accepted["result"], accepted["diagnostics"]) == ("OK", [])


def test_validate_cuts_off_at_max_results(client: Client) -> None:
    validate = client("stepfunctions").validate_state_machine_definition
    definition = json.dumps(machine({**PASS, "InputPath": "$", "ResultPath": "$", "Result": 1}))
    one = validate(definition=definition, maxResults=1)
    assert (len(one["diagnostics"]), one["truncated"]) == (1, True)
    every = validate(definition=definition, maxResults=0)
    assert (len(every["diagnostics"]), every["truncated"]) == (3, False)


def test_stack_with_a_broken_definition_fails(client: Client, name: str) -> None:
    cloudformation = client("cloudformation")
    properties = {"RoleArn": ROLE, "StateMachineType": "EXPRESS", "DefinitionString": json.dumps(START_SYNC)}
    resources = {"Machine": {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}}
    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps({"Resources": resources}))
    with pytest.raises(WaiterError):
        cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    reasons = [each.get("ResourceStatusReason", "") for each in events if each["LogicalResourceId"] == "Machine"]
    assert any("does not support '.sync' service integration" in each for each in reasons), reasons

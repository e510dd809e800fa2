"""Broken Maps, resources and transitions, each with what Step Functions says about it."""

from __future__ import annotations

from tests.local_aws.broken_definitions import (
    END,
    LAMBDA,
    PASS,
    PUT_OBJECT,
    Broken,
    calling,
    choosing,
    distributed,
    inner,
    machine,
    mapping,
    reading,
    task,
    without,
)

MAPS = (
    Broken(
        "no processor",
        machine({"Type": "Map", "End": True}),
        "This object should have only one of the following fields: [ItemProcessor, Iterator]",
        "/States/S",
    ),
    Broken(
        "two processors",
        mapping(Iterator=END),
        "There should only be one of the following fields: [ItemProcessor, Iterator]",
        "/States/S",
    ),
    Broken(
        "mode",
        mapping({"Mode": "PARALLEL"}),
        "Value should be one of the following: [INLINE, DISTRIBUTED]",
        "/States/S/ItemProcessor/ProcessorConfig/Mode",
    ),
    Broken(
        "no execution type",
        mapping({"Mode": "DISTRIBUTED"}),
        "These fields are required: [ExecutionType]",
        "/States/S/ItemProcessor/ProcessorConfig",
    ),
    Broken(
        "execution type of INLINE",
        mapping({"Mode": "INLINE", "ExecutionType": "EXPRESS"}),
        "Field 'ExecutionType' is not supported",
        "/States/S/ItemProcessor/ProcessorConfig",
    ),
    Broken(
        "reader",
        reading({"InputType": "JSON"}, "arn:aws:states:::s3:headObject"),
        "The field 'Resource' does not match any of the allowed values",
        "/States/S/ItemReader/Resource",
    ),
    Broken(
        "input type",
        reading({"InputType": "XML"}),
        "Value should be one of the following: [CSV, JSON, JSONL, PARQUET, MANIFEST]",
        "/States/S/ItemReader/ReaderConfig/InputType",
    ),
    Broken(
        "no header location",
        reading({"InputType": "CSV"}),
        "The field 'CSVHeaderLocation' is required",
        "/States/S/ItemReader/ReaderConfig",
    ),
    Broken(
        "no headers",
        reading({"InputType": "CSV", "CSVHeaderLocation": "GIVEN"}),
        "These fields are required: [CSVHeaders]",
        "/States/S/ItemReader/ReaderConfig",
    ),
    Broken(
        "most items",
        reading({"InputType": "JSON", "MaxItems": 100_000_001}),
        "Maximum value is 100000000",
        "/States/S/ItemReader/ReaderConfig/MaxItems",
    ),
    Broken(
        "writer",
        distributed(ResultWriter={"WriterConfig": {"OutputType": "CSV"}}),
        "Value should be one of the following: [JSON, JSONL]",
        "/States/S/ResultWriter/WriterConfig/OutputType",
    ),
    Broken("empty label", distributed(Label=""), "Label cannot be empty", "/States/S/Label"),
    Broken("long label", distributed(Label="x" * 41), "Label cannot exceed 40 characters", "/States/S/Label"),
    Broken("space in a label", distributed(Label="a b"), "Label contains invalid character: ' '", "/States/S/Label"),
    Broken("tab in a label", distributed(Label="a\tb"), "Label contains invalid character: '\t'", "/States/S/Label"),
    Broken(
        "control in a label", distributed(Label="\x9f"), "Label contains invalid character: '\x9f'", "/States/S/Label"
    ),
    Broken("no branches", inner("Branches", []), "Value cannot be empty", "/States/S/Branches"),
    Broken(
        "branch without StartAt",
        inner("Branches", [without(END, "StartAt")]),
        "These fields are required: [StartAt]",
        "/States/S/Branches[0]",
    ),
)

RESOURCES = (
    Broken("no Resource", machine({"Type": "Task", "End": True}), "These fields are required: [Resource]", "/States/S"),
    Broken("no ARN", calling("call", {}), "The resource provided call is not recognized.", "/States/S/Resource"),
    Broken(
        "optimised action",
        calling("arn:aws:states:::dynamodb:query", {}),
        "The resource provided arn:aws:states:::dynamodb:query is not recognized.",
        "/States/S/Resource",
    ),
    Broken(
        "optimised service",
        calling("arn:aws:states:::rds:query", {}),
        "The resource provided arn:aws:states:::rds:query is not recognized.",
        "/States/S/Resource",
    ),
    Broken(
        "function's action",
        calling("arn:aws:states:::lambda:listFunctions", {}),
        "The resource provided arn:aws:states:::lambda:listFunctions is not recognized.",
        "/States/S/Resource",
    ),
    Broken(
        "SDK action",
        calling("arn:aws:states:::aws-sdk:dynamodb:scanAll", {}),
        "The resource provided arn:aws:states:::aws-sdk:dynamodb:scanAll is not recognized.",
        "/States/S/Resource",
    ),
    Broken(
        "missing SDK field",
        calling(PUT_OBJECT, {"bucket": "b", "Key": "k", "Body": "x"}),
        "The field 'Bucket' is required but was missing",
        "/States/S/Arguments",
    ),
    Broken(
        "body of putObject",
        calling(PUT_OBJECT, {"Bucket": "b", "Key": "k"}),
        "The field 'Body' is required but was missing",
        "/States/S/Arguments",
    ),
    Broken(
        "case of an SDK field",
        calling(PUT_OBJECT, {"Bucket": "b", "Key": "k", "Body": "x", "contentType": "t"}),
        "The field \"contentType\" is not supported by Step Functions. Did you mean 'ContentType'?",
        "/States/S/Arguments",
    ),
    Broken(
        "nested SDK field",
        calling(
            "arn:aws:states:::aws-sdk:sqs:sendMessage",
            {"QueueUrl": "q", "MessageBody": "b", "MessageAttributes": {"k": {"DataType": "String", "Bogus": "x"}}},
        ),
        'The field "Bogus" is not supported by Step Functions',
        "/States/S/Arguments",
    ),
    Broken(
        "number for a text",
        calling(PUT_OBJECT, {"Bucket": 123, "Key": "k", "Body": "x"}),
        "The value for the field 'Bucket' must be a STRING",
        "/States/S/Arguments",
    ),
    Broken(
        "text for a number",
        calling("arn:aws:states:::aws-sdk:sqs:sendMessage", {"QueueUrl": "q", "MessageBody": "b", "DelaySeconds": "2"}),
        "The value for the field 'DelaySeconds' must be an INTEGER",
        "/States/S/Arguments",
    ),
    Broken(
        "no function",
        calling(LAMBDA, {"Payload": {}}),
        "The field 'FunctionName' is required but was missing",
        "/States/S/Arguments",
    ),
    Broken(
        "credentials",
        task(Credentials={}),
        "The field 'RoleArn' is required but was missing",
        "/States/S/Credentials",
    ),
)

START_SYNC = calling("arn:aws:states:::states:startExecution.sync:2", {"StateMachineArn": "x"})
EXPRESS = (
    Broken(
        ".sync",
        START_SYNC,
        "Express state machine does not support '.sync' service integration",
        "/States/S/Resource",
        machine_type="EXPRESS",
    ),
    Broken(
        "task token",
        calling(f"{LAMBDA}.waitForTaskToken", {"FunctionName": "f"}),
        "Express state machine does not support '.waitForTaskToken' service integration ",
        "/States/S/Resource",
        machine_type="EXPRESS",
    ),
    Broken(
        "activity",
        calling("arn:aws:states:us-east-1:000000000000:activity:a", {}),
        "Express state machine does not support Activity ARN",
        "/States/S/Resource",
        machine_type="EXPRESS",
    ),
    Broken(
        "Distributed Map",
        distributed(),
        "The field 'Mode' with value 'DISTRIBUTED' is not supported inside 'EXPRESS' state machines",
        "/States/S/ItemProcessor/ProcessorConfig/Mode",
        machine_type="EXPRESS",
    ),
    Broken(
        ".sync in EXPRESS children",
        inner(
            "ItemProcessor",
            {
                "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"},
                **{name: START_SYNC[name] for name in ("StartAt", "States")},
            },
        ),
        "Express state machine does not support '.sync' service integration",
        "/States/S/ItemProcessor/States/S/Resource",
    ),
)

MISSING = "MISSING_TRANSITION_TARGET"
TRANSITIONS = (
    Broken("StartAt", machine(PASS, StartAt="X"), "Missing 'Next' target: X", "/StartAt", MISSING),
    Broken("Next", machine({"Type": "Pass", "Next": "X"}), "Missing 'Next' target: X", "/States/S/Next", MISSING),
    Broken(
        "Default",
        machine({"Type": "Choice", "Choices": [{"Condition": True, "Next": "T"}], "Default": "X"}),
        "Missing 'Next' target: X",
        "/States/S/Default",
        MISSING,
    ),
    Broken(
        "Next of a rule",
        choosing({"Condition": True, "Next": "X"}),
        "Missing 'Next' target: X",
        "/States/S/Choices[0]/Next",
        MISSING,
    ),
    Broken(
        "Next of a catcher",
        without(task(Catch=[{"ErrorEquals": ["E"], "Next": "X"}]), "States", "T"),
        "Missing 'Next' target: X",
        "/States/S/Catch[0]/Next",
        MISSING,
    ),
    Broken(
        "target outside the branch",
        inner("Branches", [{"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "S"}}}]),
        "Missing 'Next' target: S",
        "/States/S/Branches[0]/States/A/Next",
        MISSING,
    ),
    Broken(
        "unreachable",
        {"StartAt": "S", "States": {"S": PASS, "T": PASS}},
        'State "T" is not reachable.',
        "/States/T",
        MISSING,
    ),
    Broken(
        "unreachable loop",
        {"StartAt": "S", "States": {"S": PASS, "A": {"Type": "Pass", "Next": "A"}}},
        'State "A" is not reachable.',
        "/States/A",
        MISSING,
    ),
    Broken(
        "no end",
        {"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Pass", "Next": "A"}}},
        "Workflow has no terminal state",
        None,
        "MISSING_END_STATE",
    ),
    Broken(
        "duplicate name",
        inner("ItemProcessor", {"StartAt": "S", "States": {"S": PASS}}),
        "Duplicate State name: S",
        "/States/S/ItemProcessor/States/S",
        "DUPLICATE_STATE_NAME",
    ),
    Broken(
        "long name",
        {"StartAt": "n" * 81, "States": {"n" * 81: PASS}},
        f"State name '{'n' * 81}' exceeds the 80-character limit",
        f"/States/{'n' * 81}",
        "INVALID_STATE_NAME",
    ),
)

BROKEN_WORKFLOWS = (*MAPS, *RESOURCES, *EXPRESS, *TRANSITIONS)

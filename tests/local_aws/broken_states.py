"""Broken states, each with what Step Functions says about it."""

from __future__ import annotations

from tests.local_aws.broken_definitions import (
    ALONE,
    END,
    ONE_CHOICE,
    PASS,
    RFC3339,
    Broken,
    choosing,
    distributed,
    inner,
    machine,
    mapping,
    output,
    path_task,
    retrying,
    task,
    waiting,
    without,
)

STRUCTURE = (
    Broken("nothing", {}, "These fields are required: [States, StartAt]", "/"),
    Broken("no StartAt", without(machine(PASS), "StartAt"), "These fields are required: [StartAt]", "/"),
    Broken("no States", {"StartAt": "S"}, "These fields are required: [States]", "/"),
    Broken("empty States", {"StartAt": "S", "States": {}}, "Value cannot be empty", "/States"),
    Broken("unknown field of the machine", machine(PASS, Timeout=3), "Field 'Timeout' is not supported", "/"),
    Broken("version", machine(PASS, Version="2.0"), "Value should be one of the following: [1.0]", "/Version"),
    Broken(
        "query language",
        machine(PASS, "JMESPath"),
        "Value should be one of the following: [JSONPath, JSONata]",
        "/QueryLanguage",
    ),
    Broken("no Type", machine({"End": True}), "These fields are required: [Type]", "/States/S"),
    Broken(
        "unknown Type",
        machine({"Type": "Sleep", "End": True}),
        "The field 'Type' should have one of these values: [Task, Wait, Pass, Succeed, Fail, Choice, Parallel, Map]",
        "/States/S/Type",
    ),
    Broken("state is a text", {"StartAt": "S", "States": {"S": "x"}}, "Expected value of type Object", "/States/S"),
    Broken("misspelt field", task(Timeout=3), "Field 'Timeout' is not supported", "/States/S"),
    Broken(
        "TimeoutSeconds of a Map", mapping(TimeoutSeconds=3), "Field 'TimeoutSeconds' is not supported", "/States/S"
    ),
    Broken("Catch of a Pass", machine({**PASS, "Catch": []}), "Field 'Catch' is not supported", "/States/S"),
    Broken("Next of a Fail", machine({"Type": "Fail", "Next": "T"}), "Field 'Next' is not supported", "/States/S"),
    Broken(
        "neither Next nor End",
        machine({"Type": "Pass"}),
        "This object should have only one of the following fields: [Next, End]",
        "/States/S",
    ),
    Broken(
        "Next and End",
        machine({**PASS, "Next": "T"}),
        "There should only be one of the following fields: [Next, End]",
        "/States/S",
    ),
    Broken("End is a text", machine({"Type": "Pass", "End": "yes"}), "Expected value of type Boolean", "/States/S/End"),
    Broken("Next is a number", machine({"Type": "Pass", "Next": 1}), "Expected value of type String", "/States/S/Next"),
)

LANGUAGES = (
    Broken(
        "JSONPath in JSONata",
        task(ResultPath="$.r"),
        "The QueryLanguage is set to 'JSONata', but field 'ResultPath' is only supported for the 'JSONPath' ",
        "/States/S",
    ),
    Broken(
        "JSONata in JSONPath",
        path_task(Output="x"),
        "The QueryLanguage is set to 'JSONPath', but field 'Output' is only supported for the 'JSONata' QueryLanguage",
        "/States/S",
    ),
    Broken(
        "downgrade",
        machine({**PASS, "QueryLanguage": "JSONPath"}),
        "'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine",
        "/States/S",
    ),
    Broken(
        "query language of a processor",
        inner("ItemProcessor", {**END, "QueryLanguage": "JSONata"}),
        "Field 'QueryLanguage' is not supported",
        "/States/S/ItemProcessor",
    ),
    Broken(
        "path without $",
        machine({**PASS, "InputPath": "x"}, "JSONPath"),
        "Value must be a valid JSONPath.",
        "/States/S/InputPath",
    ),
    Broken(
        "path to many places",
        machine({**PASS, "ResultPath": "$.a[*]"}, "JSONPath"),
        "Value is not a Reference Path",
        "/States/S/ResultPath",
    ),
    Broken(
        "template",
        path_task(Parameters={"FunctionName": "f", "Payload": {"x.$": "y"}}),
        "The value for the field 'x.$' must be a valid JSONPath or a valid intrinsic function call",
        "/States/S/Parameters/Payload",
    ),
    Broken(
        "unknown intrinsic",
        path_task(Parameters={"FunctionName.$": "States.Nothing()"}),
        "The value for the field 'FunctionName.$' must be a valid JSONPath or a valid intrinsic function call",
        "/States/S/Parameters",
    ),
)

EXPRESSIONS = (
    Broken("syntax", output("{% 1 + %}"), "", "/States/S/Output/v", "INVALID_JSONATA_EXPRESSION"),
    Broken(
        "open end",
        output("{% $states.input"),
        "JSONata string must start with {% and end with %}",
        "/States/S/Output/v",
    ),
    Broken(
        "name at the top",
        output("{% phone %}"),
        "Reference to 'phone' at the top level is not supported.",
        "/States/S/Output/v",
        "UNSUPPORTED_JSONATA_EXPRESSION",
    ),
    Broken(
        "name in a function's body",
        output("{% $map([1], function($v) { $v + b }) %}"),
        "Reference to 'b' at the top level is not supported.",
        "/States/S/Output/v",
        "UNSUPPORTED_JSONATA_EXPRESSION",
    ),
    Broken(
        "$$", output("{% $$ %}"), "Reference to '$$' is not", "/States/S/Output/v", "UNSUPPORTED_JSONATA_EXPRESSION"
    ),
    Broken(
        "errorOutput outside Catch",
        output("{% $states.errorOutput %}"),
        "Field '$states.errorOutput' does not exist.",
        "/States/S/Output/v",
        "UNSUPPORTED_JSONATA_EXPRESSION",
    ),
    Broken(
        "result in Arguments",
        task(Arguments={"FunctionName": "{% $states.result.f %}"}),
        "Field '$states.result' does not exist.",
        "/States/S/Arguments/FunctionName",
        "UNSUPPORTED_JSONATA_EXPRESSION",
    ),
    Broken(
        "reserved variable",
        machine({**PASS, "Assign": {"states": 1}}),
        "Cannot assign to reserved variable '$states'.",
        "/States/S/Assign/states",
        "RESERVED_VARIABLE_NAME",
    ),
    Broken(
        "name of a variable",
        machine({**PASS, "Assign": {"a-b": 1}}),
        "Invalid variable name 'a-b': the variable name contains invalid characters.",
        "/States/S/Assign/a-b",
        "INVALID_VARIABLE_NAME",
    ),
)

NUMBERS = (
    Broken("timeout of 0", task(TimeoutSeconds=0), "Minimum value is 1", "/States/S/TimeoutSeconds"),
    Broken("timeout", task(TimeoutSeconds=10**9), "Maximum value is 99999999", "/States/S/TimeoutSeconds"),
    Broken("timeout is a text", task(TimeoutSeconds="3"), "Expected value of type Integer", "/States/S/TimeoutSeconds"),
    Broken("heartbeat", task(HeartbeatSeconds=0), "Minimum value is 1", "/States/S/HeartbeatSeconds"),
    Broken("negative wait", waiting(Seconds=-1), "Minimum value is 0", "/States/S/Seconds"),
    Broken("date", waiting(Timestamp="2026-01-01"), RFC3339, "/States/S/Timestamp"),
    Broken("month", waiting(Timestamp="2016-13-05T21:29:29Z"), RFC3339, "/States/S/Timestamp"),
    Broken("hour", waiting(Timestamp="2016-12-05T25:29:29Z"), RFC3339, "/States/S/Timestamp"),
    Broken("offset", waiting(Timestamp="2026-01-01T00:00:00+01:00"), RFC3339, "/States/S/Timestamp"),
    Broken(
        "no wait", waiting(), "This object should have only one of the following fields: [SecondsPath,", "/States/S"
    ),
    Broken(
        "two waits",
        waiting(Seconds=1, Timestamp="2026-01-01T00:00:00Z"),
        "There should only be one of the following fields: [SecondsPath, Seconds, TimestampPath, Timestamp]",
        "/States/S",
    ),
    Broken(
        "timeout and its path",
        path_task(TimeoutSeconds=3, TimeoutSecondsPath="$.t"),
        "There should only be one of the following fields: [TimeoutSeconds, TimeoutSecondsPath]",
        "/States/S",
    ),
    Broken("concurrency", mapping(MaxConcurrency=-1), "Minimum value is 0", "/States/S/MaxConcurrency"),
    Broken(
        "tolerance over 100",
        distributed(ToleratedFailurePercentage=101),
        "Maximum value is 100.0",
        "/States/S/ToleratedFailurePercentage",
    ),
    Broken(
        "negative tolerance",
        distributed(ToleratedFailureCount=-1),
        "Minimum value is 0",
        "/States/S/ToleratedFailureCount",
    ),
)

ERRORS = (
    Broken("negative attempts", retrying(MaxAttempts=-1), "Minimum value is 0", "/States/S/Retry[0]/MaxAttempts"),
    Broken("backoff", retrying(BackoffRate=0.5), "Minimum value is 1.0", "/States/S/Retry[0]/BackoffRate"),
    Broken("delay", retrying(MaxDelaySeconds=0), "Minimum value is 1", "/States/S/Retry[0]/MaxDelaySeconds"),
    Broken(
        "jitter",
        retrying(JitterStrategy="HALF"),
        "Value should be one of the following: [NONE, FULL]",
        "/States/S/Retry[0]/JitterStrategy",
    ),
    Broken("field of a retrier", retrying(Next="T"), "Field 'Next' is not supported", "/States/S/Retry[0]"),
    Broken("no ErrorEquals", task(Retry=[{}]), "These fields are required: [ErrorEquals]", "/States/S/Retry[0]"),
    Broken(
        "empty ErrorEquals",
        task(Retry=[{"ErrorEquals": []}]),
        "Value cannot be empty",
        "/States/S/Retry[0]/ErrorEquals",
    ),
    Broken(
        "States.ALL first",
        task(Retry=[{"ErrorEquals": ["States.ALL"]}, {"ErrorEquals": ["E"]}]),
        ALONE,
        "/States/S/Retry[0]/ErrorEquals",
    ),
    Broken(
        "States.ALL with others",
        task(Catch=[{"ErrorEquals": ["E", "States.ALL"], "Next": "T"}]),
        ALONE,
        "/States/S/Catch[0]/ErrorEquals",
    ),
    Broken(
        "catcher without Next",
        task(Catch=[{"ErrorEquals": ["E"]}]),
        "These fields are required: [Next]",
        "/States/S/Catch[0]",
    ),
)

CHOICES = (
    Broken("no rules", choosing(), "Value cannot be empty", "/States/S/Choices"),
    Broken(
        "rule without Next",
        choosing({"Condition": True}),
        "These fields are required: [Next]",
        "/States/S/Choices[0]",
    ),
    Broken("rule without condition", choosing({"Next": "T"}), ONE_CHOICE, "/States/S/Choices[0]"),
    Broken(
        "comparison in JSONata",
        choosing({"Variable": "$.a", "IsNull": True, "Next": "T"}),
        "The QueryLanguage is set to 'JSONata', but field 'Variable' is only supported",
        "/States/S/Choices[0]",
    ),
    Broken(
        "two comparisons",
        choosing({"Variable": "$.a", "NumericEquals": 1, "StringEquals": "1", "Next": "T"}, language="JSONPath"),
        "There should only be one of the following fields: [StringEquals, NumericEquals]",
        "/States/S/Choices[0]",
    ),
    Broken(
        "unknown comparison",
        choosing({"Variable": "$.a", "Equals": 1, "Next": "T"}, language="JSONPath"),
        "Field 'Equals' is not supported",
        "/States/S/Choices[0]",
    ),
    Broken(
        "variable without $",
        choosing({"Variable": "a", "IsNull": True, "Next": "T"}, language="JSONPath"),
        "Value is not a Reference Path: Reference path didn't start with '$'",
        "/States/S/Choices[0]/Variable",
    ),
    Broken(
        "operand",
        choosing({"Variable": "$.a", "NumericEquals": "1", "Next": "T"}, language="JSONPath"),
        "Expected value of type Double",
        "/States/S/Choices[0]/NumericEquals",
    ),
    Broken(
        "Next inside And",
        choosing({"And": [{"Variable": "$.a", "IsNull": True, "Next": "T"}], "Next": "T"}, language="JSONPath"),
        "Field 'Next' is not supported",
        "/States/S/Choices[0]/And[0]",
    ),
)

BROKEN_STATES = (*STRUCTURE, *LANGUAGES, *EXPRESSIONS, *NUMBERS, *ERRORS, *CHOICES)

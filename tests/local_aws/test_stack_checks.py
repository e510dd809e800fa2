"""What CloudFormation refuses: templates at once, resources while the stack is created."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_aws.conftest import ROLE, Client
from tests.local_aws.stack_operations import Stacks

GROUP = {"Type": "AWS::Logs::LogGroup"}


@pytest.fixture
def stacks(client: Client) -> Stacks:
    return Stacks(client("cloudformation"))


def refused(stacks: Stacks, name: str, template: dict[str, Any], **given: Any) -> str:
    with pytest.raises(ClientError) as error:
        stacks.client.create_stack(StackName=name, TemplateBody=json.dumps(template), **given)
    assert error.value.response["Error"]["Code"] == "ValidationError"
    return str(error.value.response["Error"]["Message"])


def group_named(value: Any) -> dict[str, Any]:
    return {"Resources": {"A": {**GROUP, "Properties": {"LogGroupName": value}}}}


UNRESOLVED = "Template format error: Unresolved resource dependencies [Nothing] in the Resources block of the template"


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ({"Resources": {}}, "Template format error: At least one Resources member must be defined."),
        ({"Description": "x"}, "Template format error: At least one Resources member must be defined."),
        (group_named({"Ref": "Nothing"}), UNRESOLVED),
        (group_named({"Fn::Sub": "a-${Nothing}"}), UNRESOLVED),
        (group_named({"Fn::Join": ["-", ["a", {"Fn::If": ["C", {"Ref": "Nothing"}, "b"]}]]}), UNRESOLVED),
        (
            group_named({"Fn::GetAtt": ["Nothing", "Arn"]}),
            "Template error: instance of Fn::GetAtt references undefined resource Nothing",
        ),
        (
            group_named({"Fn::Sub": "${Nothing.Arn}"}),
            "Template error: instance of Fn::GetAtt references undefined resource Nothing",
        ),
        ({"Resources": {"A": {**GROUP, "DependsOn": "Nothing"}}}, UNRESOLVED),
        ({"Resources": {"A": {**GROUP, "DependsOn": ["A2", "Nothing"]}, "A2": GROUP}}, UNRESOLVED),
        (
            {"Resources": {"A": GROUP}, "Outputs": {"O": {"Value": {"Ref": "Nothing"}}}},
            UNRESOLVED.replace("the Resources block", "the Outputs block"),
        ),
        ({"Resources": {"A": {**GROUP, "Condition": "Nothing"}}}, "Unresolved condition dependency Nothing"),
        (
            {"Resources": {"A": {**GROUP, "DependsOn": "B"}, "B": {**GROUP, "DependsOn": "A"}}},
            "Circular dependency between resources: [A, B]",
        ),
        ({"Resources": {"A": GROUP}, "Surplus": {}}, "Invalid template property or properties [Surplus]"),
        ({"Resources": {"A": {"Properties": {}}}}, "Every Resources object must contain a Type member."),
        ({"Resources": {"A": {**GROUP, "Surplus": 1}}}, "Invalid template resource property 'Surplus'"),
        ({"Resources": {"A-B": GROUP}}, "Resource name A-B is non alphanumeric."),
    ],
)
def test_template_is_refused_at_once(stacks: Stacks, name: str, template: dict[str, Any], expected: str) -> None:
    assert expected in refused(stacks, name, {"Conditions": {"C": {"Fn::Equals": ["a", "a"]}}, **template})
    with pytest.raises(ClientError, match="does not exist"):
        stacks.client.describe_stacks(StackName=name)


@pytest.mark.parametrize(
    ("parameter", "value", "expected"),
    [
        ({"Type": "String"}, None, "Parameters: [P] must have values"),
        ({"Type": "String", "AllowedValues": ["a", "b"]}, "c", "Parameter 'P' must be one of AllowedValues"),
        ({"Type": "String", "AllowedPattern": "[a-z]+"}, "1", "Parameter 'P' must match pattern [a-z]+"),
        ({"Type": "String", "MinLength": 2}, "1", "Parameter 'P' must contain at least 2 characters"),
        ({"Type": "String", "MaxLength": 2}, "123", "Parameter 'P' must contain at most 2 characters"),
        ({"Type": "Number", "MinValue": 2}, "1", "Parameter 'P' must be a number not less than 2"),
        ({"Type": "Number", "MaxValue": 2}, "3", "Parameter 'P' must be a number not greater than 2"),
        ({"Type": "Number"}, "x", "Parameter 'P' must be a number."),
    ],
)
def test_bad_parameter_is_refused_at_once(
    stacks: Stacks, name: str, parameter: dict[str, Any], value: str | None, expected: str
) -> None:
    given = [] if value is None else [{"ParameterKey": "P", "ParameterValue": value}]
    template = {"Parameters": {"P": parameter}, "Resources": {"A": GROUP}}
    assert expected in refused(stacks, name, template, Parameters=given)


def test_unknown_parameter_is_refused_at_once(stacks: Stacks, name: str) -> None:
    given = [{"ParameterKey": "Nothing", "ParameterValue": "x"}]
    expected = refused(stacks, name, {"Resources": {"A": GROUP}}, Parameters=given)
    assert expected == "Parameters: [Nothing] do not exist in the template"


def table(**properties: Any) -> dict[str, Any]:
    given = {
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        **properties,
    }
    return {
        "Type": "AWS::DynamoDB::Table",
        "Properties": {key: each for key, each in given.items() if each is not None},
    }


def function(**properties: Any) -> dict[str, Any]:
    given = {
        "Runtime": "python3.13",
        "Handler": "index.handler",
        "Role": ROLE,
        "Code": {"ZipFile": "def handler(e, c): pass"},
        **properties,
    }
    return {
        "Type": "AWS::Lambda::Function",
        "Properties": {key: each for key, each in given.items() if each is not None},
    }


def variables(**values: str) -> dict[str, Any]:
    return function(Environment={"Variables": values})


def role(*sizes: int) -> dict[str, Any]:
    trust = {
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]
    }
    statements = [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "x" * size} for size in sizes]
    policies = [
        {"PolicyName": f"p{index}", "PolicyDocument": {"Version": "2012-10-17", "Statement": [each]}}
        for index, each in enumerate(statements)
    ]
    return {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": trust, "Policies": policies}}


SORTED = [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}]
SURPLUS = [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")]


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        (table(Surplus=1), "#: extraneous key [Surplus] is not permitted"),
        (table(KeySchema=None), "#: required key [KeySchema] not found"),
        (table(SSESpecification={"Surplus": 1}), "#/SSESpecification: extraneous key [Surplus] is not permitted"),
        (table(BillingMode="FREE"), "BillingMode"),
        (table(KeySchema=SORTED), "Attribute Definitions. Type unknown: sk"),
        (table(AttributeDefinitions=SURPLUS), "AttributeDefinitions"),
        ({"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "Upper-Case"}}, "uppercase characters"),
        ({"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "ab"}}, "The specified bucket is not valid."),
        ({"Type": "AWS::SQS::Queue", "Properties": {"Name": "a"}}, "#: extraneous key [Name] is not permitted"),
        (function(Timeout=901), "Member must have value less than or equal to 900"),
        (function(Timeout="1000"), "Member must have value less than or equal to 900"),
        (function(Timeout=0), "#/Timeout"),
        (function(MemorySize=10_241), "Member must have value less than or equal to 10240"),
        (function(MemorySize=64), "#/MemorySize"),
        (function(Runtime="python9.9"), "python9.9 is not a valid enum value"),
        (function(Role=None), "#: required key [Role] not found"),
        (variables(AWS_REGION="x"), "Reserved keys used in this request: AWS_REGION"),
        (variables(BIG="x" * 4_096), "exceeded the 4KB limit"),
        (role(6_000, 6_000), "Maximum policy size of 10240 bytes exceeded"),
    ],
)
def test_resource_that_is_refused_fails_the_stack(
    stacks: Stacks, name: str, resource: dict[str, Any], expected: str
) -> None:
    assert stacks.create(name, {"Bad": resource}, Capabilities=["CAPABILITY_IAM"]) == "ROLLBACK_COMPLETE"
    assert expected in stacks.reasons(name, "CREATE_FAILED")["Bad"]


@pytest.mark.parametrize(
    "resource",
    [
        table(),
        table(BillingMode=None, ProvisionedThroughput={"ReadCapacityUnits": "1", "WriteCapacityUnits": 1}),
        table(KeySchema=SORTED, AttributeDefinitions=SURPLUS),
        function(Timeout=900, MemorySize="10240"),
        variables(SMALL="x" * 4_000),
        role(5_000, 5_000),
    ],
)
def test_resource_at_its_limits_is_created(stacks: Stacks, name: str, resource: dict[str, Any]) -> None:
    assert stacks.create(name, {"Good": resource}, Capabilities=["CAPABILITY_IAM"]) == "CREATE_COMPLETE"


def test_update_is_checked_as_well(stacks: Stacks, name: str) -> None:
    stacks.create(name, {"Only": function()})
    assert stacks.update(name, {"Only": function(Timeout=901)}) == "UPDATE_ROLLBACK_COMPLETE"
    assert "less than or equal to 900" in stacks.reasons(name, "UPDATE_FAILED")["Only"]

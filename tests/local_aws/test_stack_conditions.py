"""Stacks whose conditions look at lists."""

import json
from typing import Any

import pytest

from tests.local_aws.conftest import Client

TEMPLATE: dict[str, Any] = {
    "Transform": "AWS::LanguageExtensions",
    "Parameters": {"Tables": {"Type": "CommaDelimitedList", "Default": ""}, "Prefix": {"Type": "String"}},
    "Conditions": {
        "HasTables": {"Fn::Not": [{"Fn::Equals": [{"Fn::Join": ["", {"Ref": "Tables"}]}, ""]}]},
        "IsTest": {"Fn::Equals": [{"Fn::Join": ["-", [{"Ref": "Prefix"}, "test"]]}, "a-test"]},
    },
    "Resources": {
        "Always": {"Type": "AWS::SQS::Queue"},
        "OnlyInTest": {"Type": "AWS::SQS::Queue", "Condition": "IsTest"},
        "Fn::ForEach::EachTable": [
            "Table",
            {"Ref": "Tables"},
            {
                "Queue&{Table}": {
                    "Type": "AWS::SQS::Queue",
                    "Condition": "HasTables",
                    "Properties": {"Tags": [{"Key": "table", "Value": {"Ref": "Table"}}]},
                }
            },
        ],
    },
}


@pytest.mark.parametrize(
    ("tables", "prefix", "found"),
    [
        ("", "a", {"Always", "OnlyInTest"}),
        ("b_c.d,new-one", "b", {"Always", "Queuebcd", "Queuenewone"}),
    ],
)
def test_a_list_is_compared_joined(client: Client, name: str, tables: str, prefix: str, found: set[str]) -> None:
    stacks = client("cloudformation")
    parameters = {"Tables": tables, "Prefix": prefix}
    stacks.create_stack(
        StackName=name,
        TemplateBody=json.dumps(TEMPLATE),
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        Capabilities=["CAPABILITY_AUTO_EXPAND"],
    )
    stacks.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    resources = stacks.describe_stack_resources(StackName=name)["StackResources"]
    assert {each["LogicalResourceId"] for each in resources} == found

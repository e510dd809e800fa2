"""What AWS checks of the template when it deploys it, read from the template as SAM expands it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import pytest
import yaml
from boto3 import Session
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

from sluice.report.ending import run_metrics
from tests.statemachine.definitions import NAMES, ROOT, all_states, definition, template

OWN_TABLES = ("RunTable", "ExportLedgerTable")
MANAGED_RULE = {"events:PutTargets", "events:PutRule", "events:DescribeRule"}
RIGHTS_TO_DELIVER_LOGS = 8


@cache
def expanded() -> Mapping[str, Any]:
    """The resources that SAM makes of the template's own, without those of an Fn::ForEach."""
    source = template()
    source["Transform"] = "AWS::Serverless-2016-10-31"
    source["Resources"] = {name: each for name, each in source["Resources"].items() if "Fn::ForEach" not in name}
    for each in source["Resources"].values():
        if each["Type"] == "AWS::Serverless::Function":
            each["Properties"]["CodeUri"] = "s3://bucket/code"
        if each["Type"] == "AWS::Serverless::StateMachine":
            each["Properties"]["DefinitionUri"] = "s3://bucket/definition"
    source["Globals"]["Function"].pop("CodeUri")
    translator = Translator({}, Parser(), boto_session=Session(region_name="us-east-1"))
    resources: Mapping[str, Any] = translator.translate(source, {"TableNamePattern": "*"})["Resources"]
    return resources


def of_type(kind: str) -> dict[str, Any]:
    return {name: each["Properties"] for name, each in expanded().items() if each["Type"] == kind}


def roles() -> dict[str, Any]:
    return of_type("AWS::IAM::Role")


def statements(role: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], bool]]:
    """Each statement of the role, and whether it depends on a condition."""
    for policy in role.get("Policies", []):
        for each in policy["PolicyDocument"]["Statement"]:
            yield (each["Fn::If"][1], True) if "Fn::If" in each else (each, False)


def allowed(role: Mapping[str, Any]) -> set[str]:
    """The actions that the role always may do, on whatever resource."""
    return {
        action
        for each, conditional in statements(role)
        if each["Effect"] == "Allow" and not conditional
        for action in ([each["Action"]] if isinstance(each["Action"], str) else each["Action"])
    }


def machine_role(name: str) -> dict[str, Any]:
    role: dict[str, Any] = roles()["".join(part.capitalize() for part in name.split("_")) + "StateMachineRole"]
    return role


def reaches_users_tables(role: Mapping[str, Any]) -> bool:
    return any("TableNamePattern" in str(each) for each, _ in statements(role) if each["Effect"] == "Allow")


def test_every_role_has_the_permissions_boundary() -> None:
    assert len(roles()) > len(NAMES)
    for name, role in roles().items():
        assert role["PermissionsBoundary"]["Fn::If"][0] == "HasPermissionsBoundary", name


@pytest.mark.parametrize("name", NAMES)
def test_a_role_may_use_the_managed_rule_whenever_its_machine_waits_for_executions(name: str) -> None:
    waits = any(
        re.search(r"states:startExecution\.sync", each.get("Resource", "")) for _, each in all_states(definition(name))
    )
    assert (allowed(machine_role(name)) >= MANAGED_RULE) == waits


@pytest.mark.parametrize("name", NAMES)
def test_a_machine_may_always_deliver_its_logs(name: str) -> None:
    assert len({each for each in allowed(machine_role(name)) if each.startswith("logs:")}) == RIGHTS_TO_DELIVER_LOGS


def test_roles_with_access_to_users_tables_are_kept_off_the_stacks_own() -> None:
    guarded = {name for name, role in roles().items() if reaches_users_tables(role)}
    assert {"PlanLoadFunctionRole", "TransformSegmentFunctionRole", "TableExportStateMachineRole"} <= guarded
    for name in guarded:
        denied = str([each for each, _ in statements(roles()[name]) if each["Effect"] == "Deny"])
        for table in OWN_TABLES:
            assert table in denied, (name, table)


def test_roles_that_use_users_keys_are_those_that_reach_users_data() -> None:
    for name, role in roles().items():
        uses_keys = "KmsKeyArns" in str(role)
        reads_or_writes = {
            action.partition(":")[0]
            for each, _ in statements(role)
            if each["Effect"] == "Allow" and re.search("TableNamePattern|SourceBucketPattern", str(each["Resource"]))
            for action in ([each["Action"]] if isinstance(each["Action"], str) else each["Action"])
            if not re.search(":(List|Describe|GetBucket)", action)
        }
        assert uses_keys == bool(reads_or_writes), name
        for service in reads_or_writes:
            assert f"{service}.${{AWS::Region}}" in str(role["Policies"]), name


def test_no_statement_reaches_other_accounts_or_regions() -> None:
    for name, role in roles().items():
        for each, _ in statements(role):
            assert not re.search(r"arn:[^:']*:(?!s3)\w+:(\*|[^:']*:\*):", str(each["Resource"])), name
    assert "arn:aws*" not in str(template())


def test_names_are_unique_to_the_stack() -> None:
    """CloudFormation generates names; a machine that is being deleted and a log group that was left keep theirs."""
    named = {name: each["LogGroupName"] for name, each in of_type("AWS::Logs::LogGroup").items()}
    named |= {name: each["StateMachineName"] for name, each in of_type("AWS::StepFunctions::StateMachine").items()}
    assert len(named) > len(NAMES)
    for name, value in named.items():
        assert "AWS::StackId" in str(value), name
    for kind in ("AWS::DynamoDB::Table", "AWS::SQS::Queue", "AWS::Lambda::Function", "AWS::IAM::Role"):
        for name, each in of_type(kind).items():
            assert not {"TableName", "QueueName", "FunctionName", "RoleName"} & each.keys(), name
    for each in template()["Resources"].values():
        if isinstance(each, dict):
            assert each.get("DeletionPolicy", "RetainExceptOnCreate") == "RetainExceptOnCreate"


def test_parameters_have_defaults_and_bounds() -> None:
    parameters = template()["Parameters"]
    assert {name for name, each in parameters.items() if "Default" not in each} == {"TableNamePattern"}
    for name, each in parameters.items():
        assert each["Description"].endswith((".", ")")), name
        if name != "ExportProcess":
            assert {"AllowedPattern", "AllowedValues", "MinValue"} & each.keys(), name


def test_adopted_resources_are_those_that_the_template_keeps() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "deployment.md").read_text(), re.S)
    adopted = yaml.safe_load(block)["Resources"]
    kept = {name: each for name, each in template()["Resources"].items() if "DeletionPolicy" in each}
    assert adopted.keys() == kept.keys()
    for name, each in adopted.items():
        assert each["DeletionPolicy"] == kept[name]["DeletionPolicy"]
        for key, value in each.get("Properties", {}).items():
            assert kept[name]["Properties"][key] == value, (name, key)


def dashboard() -> dict[str, Any]:
    body = template()["Resources"]["RunsDashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    found: dict[str, Any] = json.loads(
        body.replace("${AWS::StackName}", "sluice").replace("${AWS::Region}", "eu-west-1")
    )
    return found


def test_every_workflow_has_an_alarm_for_failed_runs() -> None:
    _, alarmed, _ = template()["Resources"]["Fn::ForEach::EachWorkflowWithAlarms"]
    machines = {name.removesuffix("StateMachine") for name in of_type("AWS::StepFunctions::StateMachine")}
    assert set(alarmed) | {"TableExport"} == machines


def test_dashboard_shows_metrics_that_are_documented() -> None:
    page = (ROOT / "docs" / "monitoring.md").read_text()
    widgets = dashboard()["widgets"]
    searches = [each["properties"]["metrics"][0][0]["expression"] for each in widgets]
    own = [name for each in searches if "{Sluice," in each for name in re.findall(r'"([A-Z][A-Za-z]+)"', each)]
    assert {"RunsFailed", "RowsWritten", "RowsRejected", "StepErrors", "ExportLag", "UnitsUsd"} <= set(own)
    for name in own:
        assert f"`{name}`" in page
    places = [(each["x"], each["y"]) for each in widgets]
    assert len(set(places)) == len(places)


def test_metrics_that_are_documented_are_reported() -> None:
    page = (ROOT / "docs" / "monitoring.md").read_text()
    table = page.partition("| metric |")[2].partition("\n\n")[0]
    documented = {name for line in table.splitlines() for name in re.findall(r"`([A-Z][A-Za-z]+)`", line.split("|")[1])}
    reported = {"StepSeconds", "StepErrors", "ExportLag", "ProcessLag", "PointInTimeRecoveryGap"}
    assert documented - {"service"} == reported | run_metrics({"status": "COMPLETE"}).keys()

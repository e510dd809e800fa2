"""The real commands against a real local AWS, in a project root of the test's own."""

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sluice_cli import local
from sluice_cli.aws import Target, connect
from sluice_cli.exit_code import ExitCode
from tests.local.commands import new_terminal
from tests.unit.cli_aws import FakeTime

REPOSITORY = Path(__file__).parents[2]
DEADLINE_SECONDS = 60
DEFINITION = {
    "QueryLanguage": "JSONata",
    "StartAt": "MapWords",
    "States": {
        "MapWords": {
            "Type": "Map",
            "Label": "MapWords",
            "Items": "{% $states.input.words %}",
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                "StartAt": "Wait",
                "States": {"Wait": {"Type": "Wait", "Seconds": 1, "End": True}},
            },
            "Next": "IsRefused",
        },
        "IsRefused": {
            "Type": "Choice",
            "Choices": [{"Condition": "{% $states.context.Execution.Input.refuse = true %}", "Next": "Refused"}],
            "Default": "Complete",
        },
        "Refused": {"Type": "Fail", "Error": "InvalidInputError", "Cause": "refuse: must not be true"},
        "Complete": {
            "Type": "Pass",
            "Output": {
                "workflow": "word_count",
                "status": "COMPLETE",
                "counts": {"read": "{% $count($states.context.Execution.Input.words) %}"},
                "bucket": "{% $states.context.Execution.Input.bucket %}",
            },
            "End": True,
        },
    },
}


def _policy(**statement: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]}


TEMPLATE = {
    "Resources": {
        "Bucket": {"Type": "AWS::S3::Bucket"},
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": _policy(
                    Principal={"Service": "states.amazonaws.com"}, Action="sts:AssumeRole"
                ),
                "Policies": [
                    {
                        "PolicyName": "StartChildren",
                        "PolicyDocument": _policy(Action="states:StartExecution", Resource="*"),
                    }
                ],
            },
        },
        "WordCount": {
            "Type": "AWS::StepFunctions::StateMachine",
            "Properties": {
                "RoleArn": {"Fn::GetAtt": ["Role", "Arn"]},
                "DefinitionString": json.dumps(DEFINITION),
            },
        },
    },
    "Outputs": {
        "DataBucket": {"Value": {"Ref": "Bucket"}},
        "WordCountStateMachineArn": {"Value": {"Ref": "WordCount"}},
    },
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project root whose local AWS runs and has a stack."""
    root = tmp_path_factory.mktemp("project")
    try:
        assert new_terminal(root).sluice("local", "up", "--detach") == ExitCode.SUCCEEDED
        cloudformation = connect(Target(local.require(root))).cloudformation
        cloudformation.create_stack(
            StackName="sluice", TemplateBody=json.dumps(TEMPLATE), Capabilities=["CAPABILITY_IAM"]
        )
        cloudformation.get_waiter("stack_create_complete").wait(
            StackName="sluice", WaiterConfig={"Delay": 1, "MaxAttempts": DEADLINE_SECONDS}
        )
        yield root
    finally:
        new_terminal(root).sluice("local", "down")


def is_answering(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/_ministack/health", timeout=5):
            return True
    except OSError:
        return False


def test_up_detached_outlives_the_command_until_down(tmp_path: Path) -> None:
    terminal = new_terminal(tmp_path)
    try:
        assert terminal.sluice("local", "up", "--detach") == ExitCode.SUCCEEDED
        running = local.require(tmp_path)
        assert is_answering(running.endpoint_url)
        assert terminal.sluice("local", "up") == ExitCode.SUCCEEDED
        assert local.require(tmp_path) == running
    finally:
        assert terminal.sluice("local", "down") == ExitCode.SUCCEEDED

    assert not is_answering(running.endpoint_url)
    assert local.find(tmp_path) is None
    assert not running.directory.exists()


def test_up_in_the_foreground_ends_with_ctrl_c(tmp_path: Path) -> None:
    # A shell's background jobs, of which these tests may be one, begin with the signal ignored.
    program = (
        "import signal, sys\nfrom pathlib import Path\nfrom sluice_cli.main import main\n"
        "from sluice_cli.surroundings import Surroundings\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "sys.exit(main(['local', 'up'], Surroundings(root=Path(sys.argv[1]))))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout
            exports = [process.stdout.readline() for _ in range(3)]
            running = local.require(tmp_path)
            assert exports[0].startswith(f"export AWS_ENDPOINT_URL={running.endpoint_url} ")
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=DEADLINE_SECONDS)
        finally:
            process.kill()

    assert process.returncode == ExitCode.SUCCEEDED
    assert "stopping local AWS" in said
    assert not is_answering(running.endpoint_url)
    assert not (tmp_path / ".sluice" / "local.json").exists()


def test_up_in_the_foreground_ends_when_down_is_called_elsewhere(tmp_path: Path) -> None:
    terminal = new_terminal(tmp_path)

    def down_elsewhere() -> None:
        local.down(tmp_path)

    terminal.time.on_sleep = down_elsewhere

    assert terminal.sluice("local", "up") == ExitCode.SUCCEEDED
    assert local.find(tmp_path) is None


def test_up_on_a_port_that_is_taken_exits_1(project: Path, tmp_path: Path) -> None:
    terminal = new_terminal(tmp_path)
    port = local.require(project).port

    assert terminal.sluice("local", "up", "--port", str(port)) == ExitCode.FAILED
    assert f"cannot listen on 127.0.0.1:{port}" in terminal.stderr.getvalue()


def test_run_follows_the_workflow_and_prints_its_summary(project: Path) -> None:
    terminal = new_terminal(project, {"words": ["a", "b"], "bucket": "${DataBucket}"})

    code = terminal.sluice("run", "word_count", "--local", "--input", "-", "--json", "--set", 'words=["a", "b", "c"]')

    assert code == ExitCode.SUCCEEDED, terminal.stderr.getvalue()
    summary = json.loads(terminal.stdout.getvalue())
    assert summary["counts"] == {"read": 3}
    assert summary["bucket"].startswith("sluice-bucket-")
    assert "MapWords: 3 of 3 items" in terminal.stderr.getvalue()


def test_run_whose_input_is_refused_exits_2(project: Path) -> None:
    terminal = new_terminal(project, {"words": ["a"], "refuse": True})

    assert terminal.sluice("run", "word_count", "--local", "--input", "-") == ExitCode.BAD_INPUT
    assert "InvalidInputError: refuse: must not be true" in terminal.stderr.getvalue()


def test_run_can_be_left_watched_and_stopped(project: Path) -> None:
    terminal = new_terminal(project, {"words": ["a"] * 500})
    terminal.time = FakeTime(on_sleep=press_ctrl_c)
    run = ("run", "word_count", "--local", "--input", "-", "--name", "left")

    assert terminal.sluice(*run) == ExitCode.INTERRUPTED
    assert "sluice stop left --local" in terminal.stderr.getvalue()

    assert new_terminal(project).sluice("stop", "left", "--local") == ExitCode.SUCCEEDED
    later = new_terminal(project)
    assert later.sluice("watch", "left", "--local") == ExitCode.FAILED
    assert "word_count left aborted" in later.stderr.getvalue()
    assert report_of("left", project).count("ABORTED") >= 2


def report_of(run: str, project: Path) -> str:
    """The page that `sluice report` makes of a run."""
    page = project / f"{run}-page.html"
    terminal = new_terminal(project)
    assert terminal.sluice("report", run, "--local", "--output", str(page)) == ExitCode.SUCCEEDED
    assert terminal.stdout.getvalue() == f"{page}\n"
    return page.read_text()


def test_report_of_a_run_that_succeeded(project: Path) -> None:
    terminal = new_terminal(project, {"words": ["a", "b"], "bucket": "${DataBucket}"})
    run = ("run", "word_count", "--local", "--input", "-", "--name", "reported")
    assert terminal.sluice(*run) == ExitCode.SUCCEEDED

    page = report_of("reported", project)
    assert "COMPLETE" in page
    assert "2 read" in page


def test_report_that_cannot_be_written_names_the_file(project: Path) -> None:
    terminal = new_terminal(project, {"words": ["a"], "bucket": "x"})
    assert terminal.sluice("run", "word_count", "--local", "--input", "-", "--name", "again") == 0

    assert terminal.sluice("report", "again", "--local", "--output", "/missing/page.html") == ExitCode.FAILED
    assert "--output: /missing/page.html cannot be written" in terminal.stderr.getvalue()


def press_ctrl_c() -> None:
    raise KeyboardInterrupt


def test_run_of_a_workflow_that_is_not_deployed_exits_3(project: Path) -> None:
    terminal = new_terminal(project, {})

    assert terminal.sluice("run", "csv_load", "--local", "--input", "-") == ExitCode.NOT_DEPLOYED
    assert "it has: word_count" in terminal.stderr.getvalue()
    assert terminal.sluice("watch", "x", "--local", "--stack-name", "other") == ExitCode.NOT_DEPLOYED
    assert "no stack named other" in terminal.stderr.getvalue()


def test_transform_is_tested_with_items_of_a_table(project: Path) -> None:
    dynamodb = connect(Target(local.require(project))).dynamodb
    dynamodb.create_table(
        TableName="airports",
        KeySchema=[{"AttributeName": "icao", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "icao", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    position = {"M": {"latitude": {"N": "57.64911"}, "longitude": {"N": "10.40744"}}}
    dynamodb.put_item(TableName="airports", Item={"icao": {"S": "EKSN"}, "position": position})
    terminal = new_terminal(project)

    assert terminal.sluice("transform", "test", "airports_geohash", "--table", "airports", "--local") == 0
    assert terminal.stdout.getvalue() == "icao=EKSN: changed\n  + geohash: u4pruyd\n"
    assert "geohash" not in dynamodb.get_item(TableName="airports", Key={"icao": {"S": "EKSN"}})["Item"]

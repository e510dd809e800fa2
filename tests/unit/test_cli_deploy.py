import json
import sys
from pathlib import Path
from typing import Any

import pytest

from sluice_cli.aws import Aws, Target
from sluice_cli.deploy import (
    architecture,
    deploy_command,
    host_parameters,
    local_environment,
    local_parameters,
    stack_parameters,
    write_sam_local,
)
from sluice_cli.exit_code import CommandError, ExitCode
from tests.unit.cli_aws import STARTED, StubbedAws, Terminal, local_aws_seeming_to_run, stubbed_aws

USERS_ENVIRONMENT = {
    "PATH": "/usr/bin",
    "LANG": "C.UTF-8",
    "AWS_PROFILE": "production",
    "AWS_ENDPOINT_URL_S3": "https://example.com",
    "AWS_SESSION_TOKEN": "real",
    "AWS_ACCESS_KEY_ID": "AKIAREAL",
    "AWS_CA_BUNDLE": "/ca.pem",
    "NO_PROXY": "example.com",
}


def no_aws(target: Target) -> Aws:
    raise AssertionError(target)


def any_aws(target: Target) -> Aws:
    """Clients that answer nothing."""
    return StubbedAws.make(target).aws


@pytest.fixture(autouse=True)
def template(tmp_path: Path) -> None:
    """Each test's directory is Sluice's: it has a template."""
    (tmp_path / "template.yaml").touch()


def make_sam(directory: Path, exit_code: int = 0) -> Path:
    """A `sam` that says something and keeps its arguments and environment."""
    sam = directory / "sam"
    sam.write_text(
        f"#!{sys.executable}\n"
        "import json, os, sys\n"
        f"with open({str(directory / 'calls')!r}, 'a') as calls:\n"
        "    print(json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]), file=calls)\n"
        "print('sam says', sys.argv[1])\n"
        "print('and warns', file=sys.stderr)\n"
        f"sys.exit({exit_code})\n"
    )
    sam.chmod(0o755)
    return sam


def calls_of_sam(directory: Path) -> list[Any]:
    return [json.loads(line) for line in (directory / "calls").read_text().splitlines()]


def expect_functions(stubbed: StubbedAws) -> None:
    resources = [
        ("DataBucket", "data", "AWS::S3::Bucket"),
        ("PlanLoadFunction", "sluice-PlanLoad-1", "AWS::Lambda::Function"),
        ("BareFunction", "sluice-Bare-1", "AWS::Lambda::Function"),
    ]
    summaries = [
        {
            "LogicalResourceId": logical,
            "PhysicalResourceId": physical,
            "ResourceType": kind,
            "LastUpdatedTimestamp": STARTED,
            "ResourceStatus": "CREATE_COMPLETE",
        }
        for logical, physical, kind in resources
    ]
    stubbed.cloudformation.add_response(
        "list_stack_resources", {"StackResourceSummaries": summaries}, {"StackName": "sluice"}
    )
    variables = {"Environment": {"Variables": {"DATA_BUCKET": "data"}}}
    for name, configuration in (("sluice-PlanLoad-1", variables), ("sluice-Bare-1", {})):
        stubbed.functions.add_response("get_function_configuration", configuration, {"FunctionName": name})


@pytest.mark.parametrize(
    ("given", "passed"),
    [
        ("TableNamePattern=orders", "TableNamePattern=orders"),
        ("DataBucketName=", 'DataBucketName=""'),
        ("A=b=c", "A=b=c"),
    ],
)
def test_parameter_overrides_that_of_local_aws(tmp_path: Path, given: str, passed: str) -> None:
    command = deploy_command(tmp_path / "sam", tmp_path, "sluice", "us-east-1", [given])
    parameters = command[command.index("--parameter-overrides") + 1 :]
    names = [each.partition("=")[0] for each in parameters]
    assert passed in parameters
    assert len(names) == len(set(names))


def test_sam_deploys_with_the_local_configuration(tmp_path: Path) -> None:
    configuration = ["--config-file", str(tmp_path / "samconfig.toml"), "--config-env", "local"]
    parameters = ["--parameter-overrides", *local_parameters("mine", "us-east-1")]
    command = deploy_command(tmp_path / "sam", tmp_path, "mine", "us-east-1")
    assert command == [str(tmp_path / "sam"), "deploy", *configuration, "--stack-name", "mine", *parameters]


def test_parameters_of_local_aws_open_every_table_and_name_the_bucket() -> None:
    parameters = stack_parameters("Mine", "us-east-1", ["LogLevel=", "A=b", "A=c=d"])
    host = dict(each.split("=") for each in host_parameters())
    assert parameters == host | {
        "TableNamePattern": "*",
        "AthenaDatabasePattern": "*",
        "DataBucketName": "mine-data-000000000000-us-east-1",
        "LogLevel": "",
        "A": "c=d",
    }


@pytest.mark.parametrize("given", ["TableNamePattern", "=x", ""])
def test_parameter_without_name_or_value_is_refused(tmp_path: Path, given: str) -> None:
    with pytest.raises(CommandError, match="expected NAME=VALUE"):
        deploy_command(tmp_path / "sam", tmp_path, "sluice", "us-east-1", [given])


def test_containers_variables_lead_to_local_aws(tmp_path: Path) -> None:
    with stubbed_aws() as stubbed, local_aws_seeming_to_run(tmp_path) as local:
        expect_functions(stubbed)
        written = write_sam_local(tmp_path, stubbed.aws, "sluice", local)

    host = {
        "AWS_ENDPOINT_URL": "http://host.docker.internal:4999",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "AKIALOCAL",
        "AWS_SECRET_ACCESS_KEY": "local-secret",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
    }
    assert written == tmp_path / ".sluice" / "sam-local.json"
    assert written.stat().st_mode & 0o777 == 0o600
    assert json.loads(written.read_text()) == {
        "PlanLoadFunction": {"DATA_BUCKET": "data"} | host,
        "BareFunction": host,
    }


def test_deploy_lets_sam_build_with_the_local_configuration(tmp_path: Path) -> None:
    shell = Terminal(tmp_path, any_aws, sam=make_sam(tmp_path, exit_code=7))

    with local_aws_seeming_to_run(tmp_path):
        shell.sluice("local", "deploy")

    configuration = ["--config-file", str(tmp_path / "samconfig.toml"), "--config-env", "local"]
    arguments = ["build", *configuration, "--parameter-overrides", *host_parameters()]
    assert [call[:2] for call in calls_of_sam(tmp_path)] == [[arguments, str(tmp_path)]]


def test_deploy_shows_what_sam_said_when_it_failed(tmp_path: Path) -> None:
    shell = Terminal(tmp_path, any_aws, sam=make_sam(tmp_path, exit_code=7))

    with local_aws_seeming_to_run(tmp_path):
        assert shell.sluice("local", "deploy") == ExitCode.FAILED

    assert len(calls_of_sam(tmp_path)) == 1
    for part in ("sam says build", "and warns", "ended with exit code 7"):
        assert part in shell.stderr.getvalue()


def test_deploy_without_sam_says_what_is_missing(tmp_path: Path) -> None:
    shell = Terminal(tmp_path, any_aws, sam=tmp_path / "bin" / "sam")

    with local_aws_seeming_to_run(tmp_path):
        assert shell.sluice("local", "deploy") == ExitCode.FAILED

    assert f"cannot run {tmp_path / 'bin' / 'sam'}" in shell.stderr.getvalue()


def test_deploy_without_local_aws_exits_3_before_sam_is_called(tmp_path: Path) -> None:
    shell = Terminal(tmp_path, no_aws, sam=make_sam(tmp_path))

    assert shell.sluice("local", "deploy") == ExitCode.NOT_DEPLOYED
    assert "sluice local up" in shell.stderr.getvalue()
    assert not (tmp_path / "calls").exists()


def test_sam_sees_nothing_of_the_users_aws_configuration(tmp_path: Path) -> None:
    shell = Terminal(tmp_path, any_aws, sam=make_sam(tmp_path, exit_code=1), environment=dict(USERS_ENVIRONMENT))

    with local_aws_seeming_to_run(tmp_path):
        shell.sluice("local", "deploy")

    _, _, environment = calls_of_sam(tmp_path)[0]
    assert {name: value for name, value in environment.items() if name.startswith("AWS_")} == {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:4999",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "AKIALOCAL",
        "AWS_SECRET_ACCESS_KEY": "local-secret",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }


def test_sams_environment_keeps_the_rest_and_finds_uv_and_loopback(tmp_path: Path) -> None:
    with local_aws_seeming_to_run(tmp_path) as local:
        environment = local_environment(USERS_ENVIRONMENT, local)

    assert environment["LANG"] == "C.UTF-8"
    assert environment["PATH"] == f"{Path(sys.executable).parent}:/usr/bin"
    assert environment["NO_PROXY"] == environment["no_proxy"] == "example.com,127.0.0.1"


@pytest.mark.parametrize(
    ("machine", "expected"),
    [("x86_64", "x86_64"), ("AMD64", "x86_64"), ("aarch64", "arm64"), ("arm64", "arm64")],
)
def test_architecture_is_lambdas_name_for_the_processor(machine: str, expected: str) -> None:
    assert architecture(machine) == expected


def test_a_processor_that_lambda_lacks_is_named() -> None:
    with pytest.raises(CommandError, match="riscv64"):
        architecture("riscv64")


def test_functions_are_built_for_the_hosts_own_python() -> None:
    assert f"PythonRuntime=python{sys.version_info.major}.{sys.version_info.minor}" in host_parameters()

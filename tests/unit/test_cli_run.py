"""`sluice run`, `watch` and `stop` from the command line to the exit code, against stubbed AWS."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from botocore.awsrequest import AWSPreparedRequest
from botocore.exceptions import EndpointConnectionError, NoCredentialsError, NoRegionError, ProfileNotFound

from local_aws.lifecycle import LocalAws
from sluice_cli.aws import Aws, Target, connect, explained
from sluice_cli.exit_code import ExitCode
from sluice_cli.run import EXECUTION_NAME, new_name
from tests.unit.cli_aws import CREDENTIALS, DIRECT_MACHINE, EXECUTION, SUMMARY, StubbedAws, Terminal, stubbed_aws

INPUT = '{"source": {"bucket": "data", "key": "a.csv"}, "table": "orders", "keys": ["id"]}'
RUN = ("run", "csv_load", "--input", "-", "--name", "july")


def terminal(tmp_path: Path, stubbed: StubbedAws, stdin: str = INPUT) -> Terminal:
    return Terminal(tmp_path, lambda _target: stubbed.aws, stdin=stdin)


def refuse_to_connect(target: Target) -> Aws:
    raise explained(NoRegionError(), target)


def test_run_starts_the_workflow_and_prints_the_summary(tmp_path: Path) -> None:
    with stubbed_aws() as stubbed:
        stubbed.expect_stack()
        stubbed.expect_start(INPUT.replace("a.csv", "été.csv").replace('csv"}', 'csv", "delimiter": ";"}'))
        stubbed.expect_execution("SUCCEEDED", output=json.dumps(SUMMARY))
        stubbed.expect_map_runs()
        shell = terminal(tmp_path, stubbed, INPUT.replace("a.csv", "été.csv").replace('"data"', '"${DataBucket}"'))

        assert shell.sluice(*RUN, "--set", "source.delimiter=;") == ExitCode.SUCCEEDED

    assert "status       PARTIAL" in shell.stdout.getvalue()
    assert shell.stderr.getvalue().splitlines() == [
        "starting csv_load on AWS at https://states.eu-west-1.amazonaws.com: july",
        "csv_load july succeeded after 1 min 15 s",
    ]


def test_run_with_json_prints_the_summary_alone_on_stdout(tmp_path: Path) -> None:
    with stubbed_aws() as stubbed:
        stubbed.expect_stack()
        stubbed.expect_start(INPUT)
        stubbed.expect_execution("SUCCEEDED", output=json.dumps(SUMMARY))
        stubbed.expect_map_runs()
        shell = terminal(tmp_path, stubbed)

        assert shell.sluice(*RUN, "--json") == ExitCode.SUCCEEDED

    assert json.loads(shell.stdout.getvalue()) == SUMMARY


@pytest.mark.parametrize(
    ("status", "error", "expected"),
    [
        ("FAILED", "CountsDoNotReconcile", ExitCode.FAILED),
        ("TIMED_OUT", "States.Timeout", ExitCode.FAILED),
        ("ABORTED", "", ExitCode.FAILED),
        ("FAILED", "InvalidInputError", ExitCode.BAD_INPUT),
    ],
)
def test_run_that_ends_badly_says_so_and_exits_accordingly(
    tmp_path: Path, status: str, error: str, expected: ExitCode
) -> None:
    with stubbed_aws() as stubbed:
        stubbed.expect_stack()
        stubbed.expect_start(INPUT)
        stubbed.expect_execution(status, error=error, cause='{"errorMessage": "what happened"}')
        stubbed.expect_map_runs()
        stubbed.s3.add_client_error("get_object", "NoSuchKey")
        shell = terminal(tmp_path, stubbed)

        assert shell.sluice(*RUN, "--json") == expected

    assert json.loads(shell.stdout.getvalue())["error"] == {
        "name": error or status,
        "message": "what happened",
    }
    assert f"{error}: what happened" in shell.stderr.getvalue()


@pytest.mark.parametrize(
    ("stdin", "arguments"),
    [
        ("no json", RUN),
        ("{}", ("run", "csv_load", "--input", "/nonexistent.json")),
        ("{}", (*RUN, "--set", "a")),
        ('{"a": []}', (*RUN, "--set", "a.0=1")),
        ("{}", ("run", "csv_load", "--input", "-", "--name", "with space")),
        ("{}", ("run", "csv_load", "--input", "-", "--name", "")),
        ("{}", ("run", "csv_load", "--input", "-", "--name", "x" * 81)),
    ],
)
def test_bad_input_exits_2_before_any_call_to_aws(tmp_path: Path, stdin: str, arguments: tuple[str, ...]) -> None:
    shell = Terminal(tmp_path, refuse_to_connect, stdin=stdin)

    assert shell.sluice(*arguments) == ExitCode.BAD_INPUT
    assert shell.stderr.getvalue().startswith("sluice: ")
    assert shell.stdout.getvalue() == ""


def test_an_unknown_placeholder_exits_2_and_names_it(tmp_path: Path) -> None:
    with stubbed_aws() as stubbed:
        stubbed.expect_stack()
        shell = terminal(tmp_path, stubbed, '{"bucket": "${Bucket}"}')

        assert shell.sluice(*RUN) == ExitCode.BAD_INPUT

    assert "${Bucket}" in shell.stderr.getvalue()


@pytest.mark.parametrize("code", ["ExecutionAlreadyExists", "InvalidExecutionInput", "ValidationException"])
def test_a_run_that_step_functions_refuses_exits_2(tmp_path: Path, code: str) -> None:
    with stubbed_aws() as stubbed:
        stubbed.expect_stack()
        stubbed.stepfunctions.add_client_error("start_execution", code)
        shell = terminal(tmp_path, stubbed)

        assert shell.sluice(*RUN) == ExitCode.BAD_INPUT

    assert "the run continues" not in shell.stderr.getvalue()


def test_a_start_that_is_not_allowed_exits_1(tmp_path: Path) -> None:
    with stubbed_aws() as stubbed:
        stubbed.expect_stack()
        stubbed.stepfunctions.add_client_error("start_execution", "AccessDeniedException")
        shell = terminal(tmp_path, stubbed)

        assert shell.sluice(*RUN) == ExitCode.FAILED

    assert "the run continues" not in shell.stderr.getvalue()


def test_a_missing_stack_exits_3_and_says_how_to_deploy(tmp_path: Path) -> None:
    with stubbed_aws() as stubbed:
        stubbed.cloudformation.add_client_error(
            "describe_stacks", "ValidationError", "Stack with id other does not exist", http_status_code=400
        )
        stubbed.cloudformation.add_client_error("describe_stacks", "AccessDenied", http_status_code=403)
        shell = terminal(tmp_path, stubbed)

        assert shell.sluice(*RUN, "--stack-name", "other") == ExitCode.NOT_DEPLOYED

    assert "no stack named other on AWS" in shell.stderr.getvalue()
    assert "sam deploy" in shell.stderr.getvalue()


def test_a_missing_stack_on_local_aws_says_how_to_deploy_there(tmp_path: Path) -> None:
    local = LocalAws("http://127.0.0.1:9", 9, 1, tmp_path)
    with stubbed_aws(Target(local)) as stubbed:
        stubbed.cloudformation.add_response("describe_stacks", {"Stacks": []})
        stubbed.cloudformation.add_response("describe_stacks", {"Stacks": []})
        shell = terminal(tmp_path, stubbed)

        assert shell.sluice(*RUN) == ExitCode.NOT_DEPLOYED

    assert "on local AWS at http://127.0.0.1:9; deploy it with `sluice local deploy`" in shell.stderr.getvalue()


def test_a_stack_that_was_rolled_back_exits_3(tmp_path: Path) -> None:
    with stubbed_aws() as stubbed:
        stubbed.expect_stack({})
        shell = terminal(tmp_path, stubbed)

        assert shell.sluice(*RUN) == ExitCode.NOT_DEPLOYED

    assert "has no outputs" in shell.stderr.getvalue()


def test_an_unknown_workflow_exits_3_and_lists_those_there_are(tmp_path: Path) -> None:
    with stubbed_aws() as stubbed:
        stubbed.expect_stack()
        shell = terminal(tmp_path, stubbed)

        assert shell.sluice("run", "csvload", "--input", "-") == ExitCode.NOT_DEPLOYED

    assert "it has: csv_load, csv_load_direct" in shell.stderr.getvalue()


def test_aws_that_cannot_be_configured_exits_3(tmp_path: Path) -> None:
    shell = Terminal(tmp_path, refuse_to_connect, stdin="{}")

    assert shell.sluice(*RUN) == ExitCode.NOT_DEPLOYED
    assert "--local" in shell.stderr.getvalue()


def test_local_without_local_aws_exits_3_and_says_how_to_start_it(tmp_path: Path) -> None:
    shell = Terminal(tmp_path, refuse_to_connect, stdin="{}")

    assert shell.sluice(*RUN, "--local") == ExitCode.NOT_DEPLOYED
    assert "sluice local up" in shell.stderr.getvalue()


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (EndpointConnectionError(endpoint_url="http://x"), ExitCode.NOT_DEPLOYED),
        (NoCredentialsError(), ExitCode.NOT_DEPLOYED),
        (ProfileNotFound(profile="mine"), ExitCode.NOT_DEPLOYED),
    ],
)
def test_an_unreachable_aws_exits_3(tmp_path: Path, error: Exception, expected: ExitCode) -> None:
    def raise_error(**_event: object) -> None:
        raise error

    with stubbed_aws() as stubbed:
        stubbed.aws.cloudformation.meta.events.register("provide-client-params", raise_error)

        assert terminal(tmp_path, stubbed).sluice(*RUN) == expected


def test_other_aws_errors_exit_1(tmp_path: Path) -> None:
    with stubbed_aws() as stubbed:
        stubbed.cloudformation.add_client_error("describe_stacks", "AccessDenied", "not allowed")
        shell = terminal(tmp_path, stubbed)

        assert shell.sluice(*RUN) == ExitCode.FAILED

    assert "not allowed" in shell.stderr.getvalue()


def press_ctrl_c() -> None:
    raise KeyboardInterrupt


def test_ctrl_c_leaves_the_run_going_and_says_how_to_go_on(tmp_path: Path) -> None:
    with stubbed_aws() as stubbed:
        stubbed.expect_stack(name="my-stack")
        stubbed.expect_start(INPUT)
        stubbed.expect_execution("RUNNING")
        stubbed.expect_map_runs()
        shell = terminal(tmp_path, stubbed)
        shell.time.on_sleep = press_ctrl_c

        assert shell.sluice(*RUN, "--stack-name", "my-stack") == ExitCode.INTERRUPTED

    assert "sluice watch july --stack-name my-stack" in shell.stderr.getvalue()
    assert "sluice stop july --stack-name my-stack" in shell.stderr.getvalue()
    assert shell.stdout.getvalue() == ""


def test_a_watch_that_may_not_continue_says_that_the_run_does(tmp_path: Path) -> None:
    with stubbed_aws() as stubbed:
        stubbed.expect_stack()
        stubbed.expect_start(INPUT)
        stubbed.stepfunctions.add_client_error("describe_execution", "ExpiredTokenException")
        shell = terminal(tmp_path, stubbed)

        assert shell.sluice(*RUN) == ExitCode.FAILED

    assert "sluice watch july" in shell.stderr.getvalue()


@pytest.mark.parametrize("run", ["july", EXECUTION])
def test_watch_finds_a_run_by_name_and_by_arn(tmp_path: Path, run: str) -> None:
    with stubbed_aws() as stubbed:
        stubbed.expect_stack()
        stubbed.expect_execution("RUNNING")
        stubbed.expect_execution("SUCCEEDED", output=json.dumps(SUMMARY))
        stubbed.expect_map_runs()
        shell = terminal(tmp_path, stubbed)

        assert shell.sluice("watch", run, "--json") == ExitCode.SUCCEEDED

    assert json.loads(shell.stdout.getvalue()) == SUMMARY


def test_watch_looks_for_the_name_in_each_workflow(tmp_path: Path) -> None:
    direct = DIRECT_MACHINE.replace("stateMachine", "execution") + ":july"
    with stubbed_aws() as stubbed:
        stubbed.expect_stack()
        stubbed.stepfunctions.add_client_error("describe_execution", "ExecutionDoesNotExist")
        stubbed.expect_execution("RUNNING", direct)
        stubbed.expect_execution("ABORTED", direct)
        stubbed.stepfunctions.add_response("list_map_runs", {"mapRuns": []}, {"executionArn": direct})
        stubbed.s3.add_client_error("get_object", "NoSuchKey")
        shell = terminal(tmp_path, stubbed)

        assert shell.sluice("watch", "july") == ExitCode.FAILED

    assert "csv_load_direct july aborted" in shell.stderr.getvalue()


@pytest.mark.parametrize("command", ["watch", "stop"])
def test_an_unknown_run_exits_2(tmp_path: Path, command: str) -> None:
    with stubbed_aws() as stubbed:
        stubbed.expect_stack()
        for code in ("ExecutionDoesNotExist", "InvalidArn"):
            stubbed.stepfunctions.add_client_error("describe_execution", code)
        shell = terminal(tmp_path, stubbed)

        assert shell.sluice(command, "august") == ExitCode.BAD_INPUT

    assert "no run named august" in shell.stderr.getvalue()


def test_a_run_that_may_not_be_looked_up_exits_1(tmp_path: Path) -> None:
    with stubbed_aws() as stubbed:
        stubbed.expect_stack()
        stubbed.stepfunctions.add_client_error("describe_execution", "AccessDeniedException")

        assert terminal(tmp_path, stubbed).sluice("watch", "july") == ExitCode.FAILED


def test_stop_aborts_a_run_of_a_stack_that_is_older_than_run_items(tmp_path: Path) -> None:
    with stubbed_aws() as stubbed:
        stubbed.expect_stack()
        stubbed.expect_execution("RUNNING")
        stubbed.expect_execution("RUNNING")
        stubbed.stepfunctions.add_response(
            "stop_execution",
            {"stopDate": datetime(2026, 7, 1, tzinfo=UTC)},
            {"executionArn": EXECUTION, "error": "StoppedError", "cause": "sluice stop"},
        )
        shell = terminal(tmp_path, stubbed)

        assert shell.sluice("stop", "july") == ExitCode.SUCCEEDED

    assert (
        shell.stderr.getvalue()
        == "csv_load july stopped; what it has written stays\nto continue it later: sluice resume july\n"
    )


def test_stop_leaves_a_run_that_has_ended_alone(tmp_path: Path) -> None:
    with stubbed_aws() as stubbed:
        stubbed.expect_stack()
        stubbed.expect_execution("SUCCEEDED")
        stubbed.expect_execution("SUCCEEDED")
        shell = terminal(tmp_path, stubbed)

        assert shell.sluice("stop", "july") == ExitCode.SUCCEEDED

    assert shell.stderr.getvalue() == "csv_load july had ended already\n"


def test_generated_names_are_valid_sort_by_time_and_differ() -> None:
    names = [new_name(datetime(2026, month, 1, tzinfo=UTC)) for month in range(1, 13)]

    assert names == sorted(names)
    assert all(EXECUTION_NAME.fullmatch(name) for name in names)
    assert new_name(datetime(2026, 1, 1, tzinfo=UTC)) != names[0]
    assert re.match(r"20260101T000000Z-[0-9a-f]{6}$", names[0])


@pytest.fixture
def users_own_aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("[default]\nregion = ap-south-1\nendpoint_url = https://example.com\n")
    for name, value in {
        "AWS_PROFILE": "production",
        "AWS_CONFIG_FILE": str(config),
        "AWS_ENDPOINT_URL": "https://example.com",
        "AWS_ENDPOINT_URL_S3": "https://example.com",
        "AWS_USE_FIPS_ENDPOINT": "true",
        "AWS_USE_DUALSTACK_ENDPOINT": "true",
        "AWS_ACCESS_KEY_ID": "AKIAREAL",
        "AWS_SECRET_ACCESS_KEY": "real",
        "AWS_SESSION_TOKEN": "real",
        "HTTP_PROXY": "http://example.com:3128",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("users_own_aws")
@pytest.mark.parametrize(
    "client",
    [
        lambda aws: aws.cloudformation.describe_stacks,
        lambda aws: aws.stepfunctions.list_state_machines,
        lambda aws: aws.s3.list_buckets,
        lambda aws: aws.functions.list_functions,
        lambda aws: aws.dynamodb.list_tables,
    ],
)
def test_local_clients_ignore_all_of_the_users_aws_configuration(
    tmp_path: Path, client: Callable[[Aws], Callable[[], object]]
) -> None:
    sent: list[AWSPreparedRequest] = []

    class SentError(Exception):
        pass

    def keep(request: AWSPreparedRequest, **_event: object) -> None:
        sent.append(request)
        raise SentError

    CREDENTIALS.write(tmp_path)
    aws = connect(Target(LocalAws("http://127.0.0.1:4999", 4999, 1, tmp_path, "eu-west-1")))
    call = client(aws)
    call.__self__.meta.events.register("before-send", keep)  # type: ignore[attr-defined]

    with pytest.raises(SentError):
        call()

    request = sent[0]
    assert request.url.startswith("http://127.0.0.1:4999/")
    authorization = str(request.headers["Authorization"])
    assert f"Credential={CREDENTIALS.access_key_id}/" in authorization
    assert "/eu-west-1/" in authorization
    assert "X-Amz-Security-Token" not in request.headers


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ('{"source": {"bucket": "data", "key": "a.csv"}, "table": "orders"}', "mapping: is required"),
        ('{"source": {"bucket": "data"}, "table": "orders", "keys": ["id"]}', "source.key"),
        ('{"source": {"bucket": "data", "key": "a.csv"}, "table": "orders", "keys": ["id"], "tabel": 1}', "tabel"),
    ],
)
def test_input_that_the_run_would_refuse_starts_nothing(tmp_path: Path, document: str, words: str) -> None:
    with stubbed_aws() as stubbed:
        stubbed.expect_stack()
        shell = terminal(tmp_path, stubbed, document)

        assert shell.sluice(*RUN) == ExitCode.BAD_INPUT

    assert shell.stderr.getvalue().startswith("sluice: InvalidInputError: ")
    assert words in shell.stderr.getvalue()

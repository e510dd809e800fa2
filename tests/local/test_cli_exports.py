"""What `sluice local status` prints lets the tools of a clean shell use local AWS: curl, boto3 and sam."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_aws import LocalAws
from sluice_cli import local
from tests.local.commands import new_terminal

CURL = (
    'curl --silent --show-error --aws-sigv4 "aws:amz:$AWS_REGION:%s" '
    '--user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" "$AWS_ENDPOINT_URL%s" %s'
)
HEADERS = "-H 'Content-Type: application/x-amz-json-1.0' -H 'X-Amz-Target: DynamoDB_20120810.ListTables' -d '{}'"
STATUS_ONLY = "--output /dev/null --write-out '%{http_code}'"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The root of a project whose local AWS runs."""
    root = tmp_path_factory.mktemp("project")
    aws, _ = local.up(root, outlive_caller=False)
    try:
        yield root
    finally:
        local.end(root, aws)


@pytest.fixture
def aws(root: Path) -> LocalAws:
    return local.require(root)


def in_a_shell(root: Path, command: str, **environment: str) -> str:
    """What the command prints in a shell that has only evaluated what `sluice local status` printed."""
    terminal = new_terminal(root)
    assert terminal.sluice("local", "status") == 0
    script = f"set -eu\n{terminal.stdout.getvalue()}\n{command}"
    done = subprocess.run(
        ["sh", "-c", script],
        env={"PATH": os.environ["PATH"], "HOME": str(root), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("environment", [{}, {"AWS_SESSION_TOKEN": "of another account"}])
def test_boto3_finds_local_aws(root: Path, environment: dict[str, str]) -> None:
    program = "import boto3; print(boto3.client('sts').get_caller_identity()['Account'])"
    assert in_a_shell(root, f'{sys.executable} -c "{program}"', **environment).strip() == "000000000000"


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
class TestCurl:
    """The real one."""

    def test_signs_for_dynamodb_sts_and_s3(self, root: Path) -> None:
        assert json.loads(in_a_shell(root, CURL % ("dynamodb", "/", HEADERS))) == {"TableNames": []}
        identity = in_a_shell(root, CURL % ("sts", "/?Action=GetCallerIdentity&Version=2011-06-15", ""))
        assert "<Account>000000000000</Account>" in identity
        in_a_shell(root, CURL % ("s3", "/bucket-of-curl", "-X PUT"))
        in_a_shell(root, CURL % ("s3", "/bucket-of-curl/key", "-X PUT --data-binary body"))
        assert in_a_shell(root, CURL % ("s3", "/bucket-of-curl/key", "")) == "body"

    def test_advises_what_to_do_without_credentials(self, aws: LocalAws) -> None:
        assert "sluice local status" in plain_curl(aws, "/")

    @pytest.mark.parametrize(
        "arguments",
        [
            ("-H", "Origin: https://example.com"),
            ("-H", "Host: attacker.example"),
            ("-X", "OPTIONS"),
        ],
    )
    def test_is_refused_what_a_web_page_would_send(self, root: Path, arguments: tuple[str, str]) -> None:
        option, value = arguments
        command = CURL % ("dynamodb", "/", f"{HEADERS} {option} '{value}' {STATUS_ONLY}")
        assert in_a_shell(root, command) == "403"

    @pytest.mark.parametrize("path", ["/_ministack/reset", "/_ministack/config"])
    def test_reaches_no_endpoint_of_the_emulator(self, root: Path, aws: LocalAws, path: str) -> None:
        assert plain_curl(aws, path, "-X", "POST", "--output", os.devnull, "--write-out", "%{http_code}") == "403"
        assert in_a_shell(root, CURL % ("local-aws", path, f"-X POST {STATUS_ONLY}")) == "403"

    def test_sees_no_cors_headers(self, aws: LocalAws) -> None:
        assert "access-control" not in plain_curl(aws, "/_ministack/health", "--include").lower()


def plain_curl(aws: LocalAws, path: str, *arguments: str) -> str:
    """What curl prints without credentials."""
    command = ["curl", "--silent", "--show-error", *arguments, aws.endpoint_url + path]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_state_and_credentials_are_for_this_user_only(root: Path, aws: LocalAws) -> None:
    files = [root / ".sluice" / "local.json", aws.directory / "credentials.json"]
    assert [file.stat().st_mode & 0o777 for file in files] == [0o600, 0o600]
    assert aws.credentials.secret_access_key not in files[0].read_text()


def test_each_start_has_credentials_of_its_own(root: Path, aws: LocalAws, tmp_path: Path) -> None:
    other, is_new = local.up(tmp_path, outlive_caller=False)
    try:
        assert is_new
        assert local.exports(other)[1] != local.exports(aws)[1]
    finally:
        local.end(tmp_path, other)

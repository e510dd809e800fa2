"""SAM's commands and the template's parameters for a deployment to local AWS, and only there."""

import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from local_aws.access.origins import CONTAINER_HOST, LOOPBACK
from local_aws.lifecycle import LocalAws, client_environment
from sluice_cli.aws import Aws
from sluice_cli.exit_code import CommandError
from sluice_cli.local import SAM_LOCAL_FILE
from sluice_cli.local_state import STATE_DIRECTORY, write_json

CONFIGURATION = "local"
# The account of local AWS. Its tables and databases are all the developer's own.
ACCOUNT = "000000000000"
OPEN_PATTERNS = {"TableNamePattern": "*", "AthenaDatabasePattern": "*"}
ARCHITECTURES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}


def build_command(sam: Path, root: Path) -> list[str]:
    """`sam build` for this host's Python and processor."""
    return [str(sam), "build", *_configuration(root), "--parameter-overrides", *host_parameters()]


def deploy_command(sam: Path, root: Path, stack_name: str, region: str, parameters: Sequence[str] = ()) -> list[str]:
    """`sam deploy` of what was built. `parameters`, as NAME=VALUE, override those of local AWS. Raises CommandError."""
    command = [str(sam), "deploy", *_configuration(root), "--stack-name", stack_name]
    values = stack_parameters(stack_name, region, parameters)
    # sam takes an empty value in quotes only.
    overrides = [f"{name}={value}" if value else f'{name}=""' for name, value in values.items()]
    return [*command, "--parameter-overrides", *overrides]


def local_parameters(stack_name: str, region: str) -> list[str]:
    """The template's parameters on local AWS: the host's, every table and database, and a data bucket of a known name.

    Raises CommandError.
    """
    patterns = [f"{name}={value}" for name, value in OPEN_PATTERNS.items()]
    return [*host_parameters(), *patterns, f"DataBucketName={stack_name.lower()}-data-{ACCOUNT}-{region}"]


def stack_parameters(stack_name: str, region: str, parameters: Sequence[str]) -> dict[str, str]:
    """The values of the template's parameters by name: those of local AWS, overridden by `parameters` (NAME=VALUE).

    The last value of a name wins. Raises CommandError.
    """
    values: dict[str, str] = {}
    for each in [*local_parameters(stack_name, region), *parameters]:
        name, separator, value = each.partition("=")
        if not (name and separator):
            raise CommandError(f"--parameter {each}: expected NAME=VALUE")
        values[name] = value
    return values


def host_parameters() -> list[str]:
    """The template's parameters that say what the functions run on. Raises CommandError."""
    major, minor = sys.version_info[:2]
    return [f"PythonRuntime=python{major}.{minor}", f"Architecture={architecture(platform.machine())}"]


def architecture(machine: str) -> str:
    """Lambda's name for a machine's processor. Raises CommandError when it has none."""
    if machine.lower() not in ARCHITECTURES:
        raise CommandError(f"Lambda has no architecture for {machine}")
    return ARCHITECTURES[machine.lower()]


def _configuration(root: Path) -> list[str]:
    """Named in full, for sam looks for the file beside the template, and a built one is elsewhere."""
    return ["--config-file", str(root / "samconfig.toml"), "--config-env", CONFIGURATION]


def local_environment(environment: Mapping[str, str], local: LocalAws) -> dict[str, str]:
    """The environment without anything of the user's AWS configuration, pointed at local AWS."""
    kept = {name: value for name, value in environment.items() if not name.startswith(("AWS_", "SAM_CLI_"))}
    tools = str(Path(sys.executable).parent)
    no_proxy = ",".join(filter(None, (environment.get("NO_PROXY"), environment.get("no_proxy"), LOOPBACK)))
    return (
        kept
        | client_environment(local)
        | {
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "SAM_CLI_TELEMETRY": "0",
            "NO_PROXY": no_proxy,
            "no_proxy": no_proxy,
            "PATH": os.pathsep.join(filter(None, (tools, environment.get("PATH")))),
        }
    )


def run_tool(command: list[str], root: Path, environment: Mapping[str, str], show: Callable[[str], None]) -> None:
    """Run a command, pass its output on line by line. Raises CommandError with all of it when it fails."""
    lines = []
    try:
        with subprocess.Popen(
            command,
            cwd=root,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            for line in process.stdout or ():
                lines.append(line)
                show(line.rstrip("\n"))
    except OSError as error:
        raise CommandError(f"cannot run {command[0]}: {error.strerror}") from error
    if process.returncode:
        raise CommandError(f"{''.join(lines)}{' '.join(command)} ended with exit code {process.returncode}")


def write_sam_local(root: Path, aws: Aws, stack_name: str, local: LocalAws) -> Path:
    """Write what `sam local invoke --env-vars` needs: each function's variables, and the connection to local AWS."""
    host = client_environment(local) | {"AWS_ENDPOINT_URL": f"http://{CONTAINER_HOST}:{local.port}"}
    path = root / STATE_DIRECTORY / SAM_LOCAL_FILE
    write_json(path, {name: variables | host for name, variables in _functions(aws, stack_name)})
    return path


def _functions(aws: Aws, stack_name: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Logical id and environment of each of the stack's functions."""
    pages = aws.cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack_name)
    for resource in (resource for page in pages for resource in page["StackResourceSummaries"]):
        if resource["ResourceType"] == "AWS::Lambda::Function":
            name = resource["PhysicalResourceId"]
            configuration = aws.functions.get_function_configuration(FunctionName=name)
            yield (
                resource["LogicalResourceId"],
                dict(configuration.get("Environment", {}).get("Variables", {})),
            )

"""`sluice console RUN`: the address of a run in the AWS console."""

from argparse import Namespace

from sluice_cli import run as runs
from sluice_cli.exit_code import BadInputError, ExitCode
from sluice_cli.stack import describe_stack
from sluice_cli.surroundings import Surroundings
from sluice_cli.where import command_line, explaining, target_of

DOMAINS = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}


def show_console(options: Namespace, surroundings: Surroundings) -> ExitCode:
    """Print the address."""
    target = target_of(options, surroundings)
    if options.local:
        report = command_line(options, "report", options.run)
        raise BadInputError(f"local AWS has no console; a page about the run: {report}")
    with explaining(target):
        aws = surroundings.connect(target)
        run = runs.find(aws, describe_stack(aws, options.stack_name), options.run)
    surroundings.print(console_url(run.execution_arn))
    return ExitCode.SUCCEEDED


def console_url(execution_arn: str) -> str:
    """Where the console shows the execution."""
    _, partition, _, region, *_ = execution_arn.split(":")
    domain = DOMAINS.get(partition, DOMAINS["aws"])
    return f"https://{region}.{domain}/states/home?region={region}#/v2/executions/details/{execution_arn}"

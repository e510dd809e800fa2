"""Following an execution to its end, even if single calls fail."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from sluice_cli.aws import Aws, error_code, is_temporary
from sluice_cli.display import Display
from sluice_cli.exit_code import NotDeployedError
from sluice_cli.progress import RUNNING, MapRun, Pace, Rows
from sluice_cli.run import UNKNOWN_EXECUTION
from sluice_cli.run_item import RunItem
from sluice_cli.surroundings import Clock

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions.type_defs import DescribeExecutionOutputTypeDef

FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 3.0
LONGEST_TROUBLED_PAUSE_SECONDS = 30.0
# DescribeExecution is eventually consistent: an execution just started may not be known yet.
UNKNOWN_TOLERATED = 5
# Among the names of Map Runs, which are ARNs.
ROWS = "rows"
NOT_ENDED = frozenset({RUNNING, "PENDING_REDRIVE"})


@dataclass(frozen=True)
class Ended:
    """How an execution ended; `output` is its JSON text, `error` and `cause` are empty when it succeeded."""

    status: str
    output: str
    error: str
    cause: str
    seconds: float

    @classmethod
    def from_description(cls, description: "DescribeExecutionOutputTypeDef") -> "Ended":
        """Read DescribeExecution's answer."""
        started = description["startDate"]
        return cls(
            description["status"],
            description.get("output", ""),
            description.get("error", ""),
            description.get("cause", ""),
            (description.get("stopDate", started) - started).total_seconds(),
        )


def watch(
    aws: Aws, execution_arn: str, display: Display, clock: Clock, read_rows: Callable[[], RunItem | None] = lambda: None
) -> Ended:
    """Show progress until the execution has ended. `read_rows` reads the run's item.

    Waits through throttles and lost connections. Raises NotDeployedError when its local AWS has ended.
    """
    watched = Watched(aws, execution_arn, display, read_rows)
    pause, unknown = FIRST_PAUSE_SECONDS, 0
    while True:
        try:
            ended = watched.poll(clock.now())
            if ended:
                return ended
            pause, unknown = min(pause * 1.5, LONGEST_PAUSE_SECONDS), 0
        except (BotoCoreError, ClientError) as error:
            unknown += is_unknown(error)
            if not is_temporary(error) and not 0 < unknown <= UNKNOWN_TOLERATED:
                raise
            if aws.target.has_ended:
                raise NotDeployedError(f"{aws.target} ended, and the run with it") from error
            watched.note_trouble(error)
            pause = min(pause * 2, LONGEST_TROUBLED_PAUSE_SECONDS)
        clock.sleep(pause)


def is_unknown(error: BotoCoreError | ClientError) -> bool:
    """Whether Step Functions does not know the execution."""
    return isinstance(error, ClientError) and error_code(error) == UNKNOWN_EXECUTION


@dataclass
class Watched:
    """An execution and what has been seen of its Map Runs, by ARN in the order in which they started."""

    aws: Aws
    execution_arn: str
    display: Display
    read_rows: Callable[[], RunItem | None] = lambda: None
    map_runs: dict[str, MapRun] = field(default_factory=dict)
    paces: dict[str, Pace] = field(default_factory=dict)
    is_troubled: bool = False
    has_map_runs: bool = True
    has_rows: bool = True

    def poll(self, now: float) -> Ended | None:
        """Look once; None while the execution runs. Raises what the calls raise."""
        description = self.aws.stepfunctions.describe_execution(executionArn=self.execution_arn)
        if self.has_map_runs:
            self._see_map_runs()
        self.is_troubled = False
        seen: dict[str, MapRun | Rows] = {**self._rows(), **self.map_runs}
        self.display.show([self.paces.setdefault(name, Pace()).measure(each, now) for name, each in seen.items()], now)
        return None if description["status"] in NOT_ENDED else Ended.from_description(description)

    def note_trouble(self, error: Exception) -> None:
        """Tell the user once per spell of trouble."""
        if not self.is_troubled:
            self.display.note(f"cannot see the run at the moment, trying again: {error}")
        self.is_troubled = True

    def _rows(self) -> dict[str, Rows]:
        try:
            item = self.read_rows() if self.has_rows else None
        except ClientError as error:
            if is_temporary(error):
                raise
            self.has_rows = False
            self.display.note(f"no rows can be shown: {error}")
            return {}
        return {ROWS: Rows.from_item(item)} if item else {}

    def _see_map_runs(self) -> None:
        try:
            for arn in self._map_run_arns():
                if arn not in self.map_runs or self.map_runs[arn].status == RUNNING:
                    described = self.aws.stepfunctions.describe_map_run(mapRunArn=arn)
                    self.map_runs[arn] = MapRun.from_description(described)
        except ClientError as error:
            if is_temporary(error):
                raise
            self.has_map_runs = False
            self.display.note(f"no progress can be shown: {error}")

    def _map_run_arns(self) -> Iterator[str]:
        pages = self.aws.stepfunctions.get_paginator("list_map_runs").paginate(executionArn=self.execution_arn)
        found = [run for page in pages for run in page["mapRuns"]]
        return (run["mapRunArn"] for run in sorted(found, key=lambda run: run["startDate"]))

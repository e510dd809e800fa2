"""PlanMirror: whether the copy of a full export can be made equal to its source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.aws.clients import aws_errors, s3_client
from sluice.fields import Fields
from sluice.runs.chains import WorkBefore
from sluice.runs.outcomes import RangeOutcome, outcomes_of_plan
from sluice.runs.paths import Run
from sluice.runs.results import map_run_records
from sluice.settings import Settings
from sluice.state import readable
from sluice.step import step
from sluice.workflows.export_process.files import FILES, read_files
from sluice.workflows.export_process.mirror_plan import decide

settings = Settings.from_env()
logger = Logger()


@step
def lambda_handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Return {"due", "reason"} by what became of the export's files.

    Takes {"run", "planned": CheckExport's result, "mapRun": that of ProcessFiles, null without files}.
    Raises InvalidInputError, FormatVersionError, SourceNotFoundError, AccessDeniedError, ServiceUnavailableError.
    """
    fields = Fields(event, ("run", "planned", "mapRun"))
    run, planned = Run.from_state(fields.raw("run")), readable(fields.raw("planned"), "the run's plan")
    before = WorkBefore.from_state(planned["resumed"]["done"]) if planned.get("resumed") else WorkBefore()
    with aws_errors(f"s3://{settings.data_bucket}/{run.prefix}"):
        decision = decide(_ends(run, planned, event.get("mapRun")), before.counts, planned["mirror"]["records"])
    logger.info("planned", extra={"due": decision.is_due, "reason": decision.reason})
    return decision.to_state()


def _ends(run: Run, planned: Mapping[str, Any], map_run: Mapping[str, Any] | None) -> list[RangeOutcome]:
    plan = planned["plan"]
    if not plan["files"]:
        return []
    files = read_files(s3_client(), plan["bucket"], plan["key"])
    bucket, prefix = settings.data_bucket, run.results_prefix
    return outcomes_of_plan(FILES, files, lambda: map_run_records(s3_client(), bucket, prefix, map_run))

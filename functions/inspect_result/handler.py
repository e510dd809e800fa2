"""InspectResult: counts a query's rows, and rewrites them if Step Functions' reader would misread them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.aws.clients import s3_client
from sluice.fields import Fields
from sluice.limits import time_is_up
from sluice.runs.paths import Run
from sluice.settings import Settings
from sluice.state import readable
from sluice.step import step
from sluice.workflows.athena_map.input import QueryResultFormat
from sluice.workflows.athena_map.inspection import ResultInspection, RowsReader
from sluice.workflows.athena_map.inspector import ResultInspector

settings = Settings.from_env()
logger = Logger()


@step
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """One slice of the inspection. Takes {"run", "planned": PlanQuery's result, "query": RunQuery's, "inspection"}.

    `query` is null where the input brings the rows, `inspection` what the slice before returned, or null.

    Raises InvalidInputError, SourceNotFoundError, SourceMalformedError, SourceChangedError, TooManyRowsError,
    AccessDeniedError, ServiceUnavailableError.
    """
    fields = Fields(event, ("run", "planned", "query", "inspection"))
    run, earlier = Run.from_state(fields.raw("run")), event.get("inspection")
    planned = readable(fields.raw("planned"), "the run's plan")
    inspector = ResultInspector(s3_client(), settings.data_bucket, run)
    begun = ResultInspection.from_state(earlier) if earlier else _begin(inspector, planned, event.get("query"))
    inspection = inspector.go_on(begun, time_is_up(context))
    reported = {"phase": str(inspection.phase), "rows": inspection.rows, "cause": inspection.cause}
    logger.info("inspected", extra={**reported})
    return inspection.to_state()


def _begin(inspector: ResultInspector, planned: Mapping[str, Any], query: dict[str, Any] | None) -> ResultInspection:
    if query is None:
        return inspector.begin_given(planned["rows"]["bucket"], planned["rows"]["key"])
    if planned["format"] == QueryResultFormat.CSV:
        return inspector.begin(query["outputLocation"], planned["needed"])
    return inspector.unloaded(query["manifestLocation"], RowsReader(planned["format"]))

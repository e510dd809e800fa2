"""PlanExport: from a table's ledger and the time, its next export, or nothing to do."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import MetricUnit, single_metric
from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.settings import Settings, own_tables_from_env
from sluice.step import step
from sluice.workflows.table_export.plan import PlanRequest

METRICS_NAMESPACE = "Sluice"

settings = Settings.from_env()
own_tables = own_tables_from_env()
logger = Logger()


@step
def lambda_handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Plan the next export and report how far behind the last one is, as metrics by table.

    Takes {"run", "input", "ledger": the state item or null, "copy": the item of the copy or null, "tableArn",
    "backups": ContinuousBackupsDescription, "startTime": the execution's, "now"}.
    Raises InvalidInputError, PointInTimeRecoveryError.
    """
    request = PlanRequest.from_event(event, settings.data_bucket)
    table = request.request.table
    own_tables.refuse("table", table)
    if request.request.process:
        own_tables.refuse("process.sink.table", request.request.process["sink"].get("table"))
    if request.lag_seconds is not None:
        _report("ExportLag", MetricUnit.Seconds, request.lag_seconds, table)
    if request.process_lag_seconds is not None:
        _report("ProcessLag", MetricUnit.Seconds, request.process_lag_seconds, table)
    decision = request.decide()
    _report("PointInTimeRecoveryGap", MetricUnit.Count, 1 if decision.gap else 0, table)
    logger.info("planned", extra={"action": decision.action, "reason": decision.reason})
    return request.to_state(decision)


def _report(name: str, unit: MetricUnit, value: float, table: str) -> None:
    with single_metric(name=name, unit=unit, value=value, namespace=METRICS_NAMESPACE) as metric:
        metric.add_dimension(name="Table", value=table)

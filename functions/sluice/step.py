"""What every Lambda function does around its own work: the run's name in each log line, and metrics by workflow.

Metrics are in the CloudWatch namespace Sluice, with the dimensions `service` (the stack's name) and `Workflow`. The
name of a run is none: each combination of dimensions is billed as a metric of its own. docs/monitoring.md lists them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

NAMESPACE = "Sluice"
# Of an event and a context.
Handler = Callable[[Any, Any], Any]

logger = Logger()


def step(handler: Handler) -> Handler:
    """The handler of a Lambda function that is a step of a run.

    Its log lines have `workflow` and `run`. It reports StepSeconds, and StepErrors for an exception.
    """

    @wraps(handler)
    @logger.inject_lambda_context(clear_state=True)
    def lambda_handler(event: object, context: LambdaContext) -> Any:
        run = _run_of(event)
        logger.append_keys(**run)
        started, errors = time.perf_counter(), 1
        try:
            result = handler(event, context)
            errors = 0
        finally:
            seconds = time.perf_counter() - started
            report(
                run.get("workflow", "unknown"),
                {"StepSeconds": (MetricUnit.Seconds, seconds), "StepErrors": (MetricUnit.Count, errors)},
            )
        return result

    return lambda_handler


def report(workflow: str, metrics: Mapping[str, tuple[MetricUnit, float]], **dimensions: str) -> None:
    """Report metrics of a workflow, at most 100 at once."""
    reported = EphemeralMetrics(namespace=NAMESPACE)
    reported.add_dimension(name="Workflow", value=workflow)
    for name, dimension in dimensions.items():
        reported.add_dimension(name=name, value=dimension)
    for name, (unit, value) in metrics.items():
        reported.add_metric(name=name, unit=unit, value=value)
    reported.flush_metrics()


def _run_of(event: object) -> dict[str, str]:
    """The run's workflow and name, as far as the event has them."""
    run = event.get("run") if isinstance(event, dict) else None
    if not isinstance(run, dict):
        return {}
    known = {"workflow": run.get("workflow"), "run": run.get("name")}
    return {name: value for name, value in known.items() if isinstance(value, str) and value}

"""What every function does around its work: log lines with the run's name, metrics by workflow."""

from __future__ import annotations

import io
import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from sluice.step import logger, step
from tests.unit.lambda_context import Context

FUNCTIONS = Path(__file__).parents[2] / "functions"
HANDLERS = sorted(path.parent.name for path in FUNCTIONS.glob("*/handler.py"))
RUN = {"workflow": "csv_load", "name": "july", "executionArn": "arn"}


@step
def works(event: dict[str, Any], _context: Any) -> Any:
    """A step."""
    logger.info("at work")
    if event.get("fails"):
        raise ValueError
    return {"done": True}


def lines(captured: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in captured.splitlines() if line.startswith("{")]


def metrics(captured: str) -> dict[str, Any]:
    [found] = [each for each in lines(captured) if "_aws" in each]
    return found


def test_result_and_metrics_of_a_step(capsys: pytest.CaptureFixture[str]) -> None:
    assert works({"run": RUN}, Context()) == {"done": True}

    found = metrics(capsys.readouterr().out)
    [directive] = found["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "Sluice"
    assert [set(names) for names in directive["Dimensions"]] == [{"service", "Workflow"}]
    assert {each["Name"] for each in directive["Metrics"]} == {"StepSeconds", "StepErrors"}
    assert (found["Workflow"], found["StepErrors"]) == ("csv_load", [0])


def test_step_that_raises_reports_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        works({"run": RUN, "fails": True}, Context())

    assert metrics(capsys.readouterr().out)["StepErrors"] == [1]


def test_log_lines_have_the_run_and_no_other_one(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", written)
    works({"run": RUN}, Context())
    works({}, Context())

    first, second = lines(written.getvalue())
    assert (first["run"], first["workflow"]) == ("july", "csv_load")
    assert "run" not in second


@pytest.mark.parametrize("event", [None, {}, {"run": None}, {"run": {"name": 7}}, []])
def test_event_without_a_run_is_left_to_the_handler(event: Any) -> None:
    seen = []
    assert step(lambda event, _: seen.append(event))(event, Context()) is None
    assert seen == [event]


@pytest.mark.parametrize("name", HANDLERS)
def test_every_function_is_a_step(name: str) -> None:
    assert hasattr(import_module(f"{name}.handler").lambda_handler, "__wrapped__")
    assert "\n@step\ndef lambda_handler(" in (FUNCTIONS / name / "handler.py").read_text()

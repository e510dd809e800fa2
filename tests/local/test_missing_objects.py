"""Steps that look for an object that was deleted: the object is named, although S3 could deny access."""

from __future__ import annotations

import json
from typing import Any

from sluice_cli.surroundings import PROJECT_ROOT
from tests.local.deployed import Deployed
from tests.local.step_events import invoke


def invoked(stack: Deployed, step: str, fixture: str) -> Any:
    """What the step's function returns for a fixture of events/."""
    return invoke(stack, step, json.loads((PROJECT_ROOT / "events" / fixture).read_text()))


def test_object_that_no_longer_exists_when_it_is_aggregated_is_unreadable(stack: Deployed) -> None:
    answer = invoked(stack, "AggregateObjects", "aggregate_objects/usual.json")
    assert "errorType" not in answer, answer
    assert answer["unreadableSlices"] == [0], answer


def test_result_of_a_query_that_no_longer_exists_is_named(stack: Deployed) -> None:
    answer = invoked(stack, "InspectResult", "inspect_result/SourceNotFoundError.json")
    assert (answer["errorType"], "no-such-run/query/x.csv" in answer["errorMessage"]) == ("SourceNotFoundError", True)

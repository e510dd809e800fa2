"""What the documentation says of states, fields and errors is what there is."""

from __future__ import annotations

import inspect
import re

import pytest

from sluice import errors
from sluice.aggregating import aggregation_input
from sluice.errors import SluiceError
from sluice.export_plan import export_input
from sluice.exports import process_input
from sluice.loading import load_input
from sluice.reading import source_input
from sluice.rejects import Reason
from sluice.scanning import distinct_input
from sluice.transforming import transform_input
from tests.statemachine.definitions import NAMES, ROOT, all_states, definition

README = (ROOT / "README.md").read_text()
MAPPING = (ROOT / "docs" / "mapping.md").read_text()
TROUBLESHOOTING = (ROOT / "docs" / "troubleshooting.md").read_text()
# Raised to be caught by Sluice itself.
INTERNAL = {"SluiceError", "RejectError", "AttemptExistsError"}


def test_picture_has_the_states_of_csv_load() -> None:
    (picture,) = re.findall(r"```mermaid\n(.*?)```", README, re.S)
    shown = set(re.findall(r"\b[A-Z][a-z]+(?:[A-Z][a-z]+)+\b", picture))
    assert shown == {name for name, _ in all_states(definition("csv_load"))}


def test_picture_of_object_map_has_its_states() -> None:
    (picture,) = re.findall(r"```mermaid\n(.*?)```", (ROOT / "docs" / "object_map.md").read_text(), re.S)
    shown = set(re.findall(r"\b[A-Z][a-z]+(?:[A-Z][a-z]+)+\b", picture))
    assert shown == {name for name, _ in all_states(definition("object_map"))}


@pytest.mark.parametrize("name", NAMES)
def test_readme_lists_the_workflow(name: str) -> None:
    assert f"| `{name}` |" in README


def fields_in_readme(workflow: str) -> set[str]:
    table = README.partition(f"### Input of `{workflow}`")[2].partition("###")[0]
    return set(re.findall(r"`([a-zA-Z.]+)`", "".join(re.findall(r"^\| (.*?) \|", table, re.M))))


def test_input_tables_have_every_field() -> None:
    source = {f"source.{each}" for each in source_input._FIELDS}
    assert fields_in_readme("csv_load") == {*load_input._FIELDS, *source} - {"source"}
    assert fields_in_readme("table_export") == set(export_input._FIELDS)
    sink = {f"sink.{each}" for each in process_input._SINK_FIELDS}
    records = {"records.bucket", "records.key"}
    assert fields_in_readme("export_process") == {*process_input._FIELDS, *sink, *records} - {"sink", "records"}
    assert fields_in_readme("table_transform") == set(transform_input._FIELDS)
    tops = {f"top.{each}" for each in aggregation_input._TOP_FIELDS}
    assert fields_in_readme("object_map") == {*aggregation_input._FIELDS, *tops} - {"top"}
    assert fields_in_readme("distinct_keys") == {*distinct_input._FIELDS, "keys.bucket", "keys.key"} - {"keys"}


def test_every_reject_is_explained() -> None:
    table = MAPPING.partition("## Rejects")[2]
    listed = set(re.findall(r"`([A-Z]\w+)`", "".join(re.findall(r"^\| (.*?) \|", table, re.M))))
    assert listed == {str(each) for each in Reason}


def test_every_error_that_ends_a_run_is_explained() -> None:
    raised = {name for name, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, SluiceError)}
    headed = set(re.findall(r"\w+Error\b", " ".join(re.findall(r"^## (.*)$", TROUBLESHOOTING, re.M))))
    assert headed >= raised - INTERNAL

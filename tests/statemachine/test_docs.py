"""What the documentation says of states, fields and errors is what there is."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path

import pytest

from sluice import errors
from sluice.errors import SluiceError
from sluice.reading import object_set, source
from sluice.rejects import Reason
from sluice.runs.destination import DESTINATION_FIELDS
from sluice.workflows.athena_map import input as athena_map
from sluice.workflows.athena_map import result_rows
from sluice.workflows.csv_load import input as csv_load
from sluice.workflows.distinct_keys import input as distinct_keys
from sluice.workflows.export_process import input as export_process
from sluice.workflows.object_aggregate import input as object_aggregate
from sluice.workflows.object_map import input as object_map
from sluice.workflows.table_export import input as table_export
from sluice.workflows.table_transform import input as table_transform
from tests.statemachine.definitions import NAMES, ROOT, all_states, definition

README = (ROOT / "README.md").read_text()
PAGES = sorted(each for each in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("local_aws/*.md")])
# Raised to be caught by Sluice itself.
INTERNAL = {"SluiceError", "RejectError", "AttemptExistsError"}


def page(name: str) -> str:
    return (ROOT / "docs" / f"{name}.md").read_text()


def test_picture_has_the_states_of_csv_load() -> None:
    (picture,) = re.findall(r"```mermaid\n(.*?)```", page("csv_load"), re.S)
    shown = set(re.findall(r"\b[A-Z][a-z]+(?:[A-Z][a-z]+)+\b", picture))
    assert shown == {name for name, _ in all_states(definition("csv_load"))}


def test_picture_has_the_states_of_athena_map() -> None:
    """The states of a batch stand in it once: those of the three Maps differ in how their names end."""
    (picture,) = re.findall(r"```mermaid\n(.*?)```", page("athena_map"), re.S)
    shown = set(re.findall(r"\b[A-Z][a-z]+(?:[A-Z][a-z]+)+\b", re.sub(r"<br>|CopyObjects: ", " ", picture)))
    states = {name for name, _ in all_states(definition("athena_map"))}
    assert shown == {re.sub(r"(?<!Map)(Csv|Json|Parquet)$", "", name) for name in states}


def test_rejects_of_athena_map_are_explained() -> None:
    """Each name that the machine gives a reject, and those of InspectResult."""
    text = json.dumps(definition("athena_map"))
    given = set(re.findall(r"\['([A-Z]\w+)', '", text)) | {result_rows.ROW_TOO_LARGE}
    (listed,) = set(re.findall(r"error in \[(.*?)\]", text))
    given |= set(re.findall(r"'(\w+)'", listed))
    table = page("athena_map").partition("| error | |")[2].partition("\n\n")[0]
    assert given == set(re.findall(r"`([A-Z]\w+)`", "".join(re.findall(r"^\| (.*?) \|", table, re.M))))


def test_picture_of_object_aggregate_has_its_states() -> None:
    (picture,) = re.findall(r"```mermaid\n(.*?)```", page("object_aggregate"), re.S)
    shown = set(re.findall(r"\b[A-Z][a-z]+(?:[A-Z][a-z]+)+\b", picture))
    assert shown == {name for name, _ in all_states(definition("object_aggregate"))}


def test_picture_of_object_map_has_its_states() -> None:
    """The states of a batch stand in it once: those of the two Maps differ in how their names end."""
    (picture,) = re.findall(r"```mermaid\n(.*?)```", page("object_map"), re.S)
    shown = set(re.findall(r"\b[A-Z][a-z]+(?:[A-Z][a-z]+)+\b", re.sub(r"<br>|ActOnObjects: ", " ", picture)))
    states = {name for name, _ in all_states(definition("object_map"))}
    assert shown == {name if name.startswith("Map") else name.removesuffix("Long") for name in states}


def test_rejects_of_object_map_are_explained() -> None:
    failed = json.dumps(dict(all_states(definition("object_map")))["ActionFailed"])
    (listed,) = re.findall(r"error in \[(.*?)\]", failed)
    given = {*re.findall(r"'(\w+)'", listed), "KeyNotKept"}
    table = page("object_map").partition("| error | |")[2].partition("\n\n")[0]
    assert given == set(re.findall(r"`([A-Z]\w+)`", "".join(re.findall(r"^\| (.*?) \|", table, re.M))))


@pytest.mark.parametrize("name", NAMES)
def test_workflow_has_a_page_and_a_line_in_the_readme(name: str) -> None:
    assert page(name).startswith(f"# {name}\n")
    assert re.search(rf"^\| `{name}` \| .*\[docs/{name}\.md\]\(docs/{name}\.md\)", README, re.M)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(path: Path) -> None:
    text = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.M | re.S)
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", text):
        linked = path.parent / target if target else path
        assert linked.exists(), target
        if anchor:
            assert anchor in anchors(linked), f"{target}#{anchor}"


def anchors(path: Path) -> set[str]:
    """What GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


def fields_in_page(workflow: str) -> set[str]:
    table = page(workflow).partition("## Input\n")[2].partition("\n## ")[0]
    return set(re.findall(r"`([a-zA-Z.]+)`", "".join(re.findall(r"^\| (.*?) \|", table, re.M))))


def test_input_tables_have_every_field() -> None:
    sources = {f"source.{each}" for each in (*source.SOURCE_FIELDS, *object_set.SET_FIELDS)}
    assert fields_in_page("csv_load") == {*csv_load._FIELDS, *sources} - {"source"}
    assert fields_in_page("table_export") == set(table_export._FIELDS)
    sink = {f"sink.{each}" for each in export_process._SINK_FIELDS}
    records = {"records.bucket", "records.key"}
    assert fields_in_page("export_process") == {*export_process._FIELDS, *sink, *records} - {"sink", "records"}
    action = {
        *(f"action.copyObject.destination.{each}" for each in DESTINATION_FIELDS),
        "action.copyObject.source",
        "action.function",
    }
    rows = {"rows.bucket", "rows.key"}
    assert fields_in_page("athena_map") == {*athena_map._FIELDS, *action, *rows} - {"action", "rows"}
    assert fields_in_page("table_transform") == set(table_transform._FIELDS)
    tops = {f"top.{each}" for each in object_aggregate._TOP_FIELDS}
    assert fields_in_page("object_aggregate") == {*object_aggregate._FIELDS, *tops} - {"top"}
    files = {f"{file}.{each}" for file in ("inventory", "objects") for each in ("bucket", "key")}
    actions = {
        *(f"action.copyObject.destination.{each}" for each in DESTINATION_FIELDS),
        "action.function",
        "action.deleteObject.confirm",
        "action.putObjectTagging.tags",
        "resume.run",
    }
    whole = {"action", "inventory", "objects", "resume"}
    assert fields_in_page("object_map") == {*object_map._FIELDS, *files, *actions} - whole
    assert fields_in_page("distinct_keys") == {*distinct_keys._FIELDS, "keys.bucket", "keys.key"} - {"keys"}


def test_every_reject_is_explained() -> None:
    table = page("mapping").partition("## Rejects")[2]
    listed = set(re.findall(r"`([A-Z]\w+)`", "".join(re.findall(r"^\| (.*?) \|", table, re.M))))
    assert listed == {str(each) for each in Reason}


def test_every_error_that_ends_a_run_is_explained() -> None:
    raised = {name for name, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, SluiceError)}
    headed = set(re.findall(r"\w+Error\b", " ".join(re.findall(r"^## (.*)$", page("troubleshooting"), re.M))))
    assert headed >= raised - INTERNAL

"""The JSON Schemas of inputs: made of the pages' tables, and of the fields that the code reads."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from schemas.generate import FOLDER, Row, UnknownTypeError, schema, schema_text, workflows
from schemas.generate import _type as type_of
from sluice.reading.object_set import SET_FIELDS
from sluice.reading.source import SOURCE_FIELDS
from tests.statemachine.definitions import NAMES

ROOT = Path(__file__).parents[2]
EVENTS = sorted((ROOT / "events" / "workflows").glob("*.json"))
# Fields of the input that csv_load_direct's state machine reads; it has no code.
DIRECT = "csv_load_direct"


WORKFLOWS = workflows()


def workflow_of(event: Path) -> str:
    return next(name for name in sorted(NAMES, key=len, reverse=True) if event.stem.startswith(name))


def validate(workflow: str, document: Any) -> None:
    Draft202012Validator(schema(workflow)).validate(document)


def test_schemas_are_those_of_the_workflows_with_a_page() -> None:
    assert len(WORKFLOWS) >= 9
    assert {path.stem for path in FOLDER.glob("*.json")} == set(WORKFLOWS)


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_schema_is_that_of_the_page(workflow: str) -> None:
    Draft202012Validator.check_schema(schema(workflow))
    assert (FOLDER / f"{workflow}.json").read_text() == schema_text(workflow), "run python -m schemas"


@pytest.mark.parametrize("workflow", sorted(set(WORKFLOWS) - {DIRECT}))
def test_schema_and_page_have_the_fields_that_the_code_reads(workflow: str) -> None:
    fields = import_module(f"sluice.workflows.{workflow}.input")._FIELDS
    assert schema(workflow)["properties"].keys() - {"$schema"} == set(fields)


def test_schema_and_page_have_the_fields_of_a_source() -> None:
    fields = schema("csv_load")["properties"]["source"]["properties"]
    assert fields.keys() == {*SOURCE_FIELDS, *SET_FIELDS}


@pytest.mark.parametrize(
    "event", [each for each in EVENTS if workflow_of(each) in WORKFLOWS], ids=lambda path: path.stem
)
def test_inputs_of_the_project_are_valid(event: Path) -> None:
    validate(workflow_of(event), json.loads(event.read_text()))


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_unknown_and_mistyped_fields_are_invalid(workflow: str) -> None:
    event = next(each for each in EVENTS if workflow_of(each) == workflow)
    document = json.loads(event.read_text())
    for change in ({"no_such_field": 1}, {"maxConcurrency": "many"} if workflow != "table_export" else {"table": 1}):
        with pytest.raises(ValidationError):
            validate(workflow, document | change)
    validate(workflow, document | {"$schema": f"../../schemas/{workflow}.json"})


@pytest.mark.parametrize(
    ("words", "good", "bad"),
    [
        ("1 to 1,000", [1, 1000], [0, 1001, 1.5, "1"]),
        ("`a`, `b`", ["a", "b"], ["c", 1]),
        ("one character or null", [",", None], ["", 1]),
        ('count, `"1.5%"` or `"any"`', [0, "2%", "any"], [-1, "some", 1.5]),
        ('`none`, `{"function": name}`', ["none", {"function": "f"}], ["other", 1]),
        ("true or list of strings", [True, ["a"]], ["a", 1]),
        ('ARN, or `{"bucket", "key"}`', ["arn:aws:x", {"bucket": "b"}], [1]),
    ],
)
def test_words_for_types(words: str, good: list[Any], bad: list[Any]) -> None:
    validator = Draft202012Validator(type_of(Row(("field",), "no", words, "", "")))
    assert [each for each in good if not validator.is_valid(each)] == []
    assert [each for each in bad if validator.is_valid(each)] == []


def test_words_that_are_not_known_are_an_error() -> None:
    with pytest.raises(UnknownTypeError, match="a few"):
        type_of(Row(("field",), "no", "a few words", "", ""))

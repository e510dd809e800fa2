"""JSON Schemas, made of the tables of fields in the workflows' pages: names, types, defaults and effects.

A schema is for editors: it has every field, the type of each and what it does. What depends on several fields, such as
"one of three", is in the descriptions, and is checked by the run itself and by `sluice run`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
PAGES = FOLDER.parent / "docs"
MACHINES = FOLDER.parent / "statemachines"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
HEADING = "| name | required |"
STRINGS = {"type": "array", "items": {"type": "string"}}
REJECTS = {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": r"^(any|[0-9.]+%)$"}]}
# By what a table calls a type. Code in backticks is a value of its own, or an object.
TYPES: dict[str, dict[str, Any]] = {
    "": {},
    "string": {"type": "string"},
    "one character": {"type": "string", "minLength": 1},
    "one or more characters": {"type": "string", "minLength": 1},
    "boolean": {"type": "boolean"},
    "true": {"type": "boolean"},
    "integer": {"type": "integer"},
    "bytes": {"type": "integer", "minimum": 0},
    "count": {"type": "integer", "minimum": 0},
    "object": {"type": "object"},
    "null": {"type": "null"},
    "list": STRINGS,
    "list of strings": STRINGS,
    "list of objects": {"type": "array", "items": {"type": "object"}},
    "object of such lists": {"type": "object", "additionalProperties": STRINGS},
    "ARN": {"type": "string"},
    "ISO 8601 date or time": {"type": "string"},
    "number, at least 1": {"type": "number", "minimum": 1},
    "1 or more": {"type": "number", "minimum": 1},
    'count, `"1.5%"` or `"any"`': REJECTS,
}
_RANGE = re.compile(r"([\d,]+) to ([\d,]+)")
_CODE = re.compile(r"`([^`]*)`")


def workflows() -> list[str]:
    """The workflows whose pages have a table of fields."""
    machines = sorted(path.name.removesuffix(".asl.json") for path in MACHINES.glob("*.asl.json"))
    return [name for name in machines if (page := PAGES / f"{name}.md").is_file() and HEADING in page.read_text()]


class UnknownTypeError(ValueError):
    """A page calls a type by words that this module does not know."""


@dataclass(frozen=True)
class Row:
    """One field of a table: `path` is its name, split at the dots."""

    path: tuple[str, ...]
    required: str
    type: str
    default: str
    effect: str


def schema_text(workflow: str) -> str:
    """The schema as the file has it. Raises UnknownTypeError."""
    return json.dumps(schema(workflow), indent=2, ensure_ascii=False) + "\n"


def schema(workflow: str) -> dict[str, Any]:
    """The JSON Schema of a workflow's input. Raises UnknownTypeError."""
    whole: dict[str, Any] = {
        "$schema": DIALECT,
        "title": f"Input of {workflow}",
        "description": f"docs/{workflow}.md explains the fields.",
        **_object(),
    }
    whole["properties"]["$schema"] = {"type": "string", "description": "For editors: the path of this schema."}
    for row in rows((PAGES / f"{workflow}.md").read_text()):
        _put(whole, row)
    return whole


def rows(page: str) -> Iterator[Row]:
    """The rows of the tables of fields in a page; a row with several names becomes several."""
    is_table = False
    for line in page.splitlines():
        if line.startswith(HEADING):
            is_table = True
        elif not line.startswith("|"):
            is_table = False
        elif is_table and not line.startswith("|---"):
            yield from _rows(line)


def _rows(line: str) -> Iterator[Row]:
    names, required, types, default, effect, *_ = (each.strip() for each in re.split(r"(?<!\\\\)\|", line)[1:])
    found = _CODE.findall(names)
    kinds = types.split("; ") if len(types.split("; ")) == len(found) else [types] * len(found)
    for name, kind in zip(found, kinds, strict=True):
        yield Row(tuple(name.split(".")), required, kind, default, effect)


def _object() -> dict[str, Any]:
    return {"type": "object", "properties": {}, "required": [], "additionalProperties": False}


def _put(whole: dict[str, Any], row: Row) -> None:
    """Add a field; the objects along its path are made on the way."""
    at = whole
    for name in row.path[:-1]:
        found = at["properties"].setdefault(name, {})
        if "properties" not in found:
            found.update(_object())
        if row.required == "yes" and name not in at["required"]:
            at["required"].append(name)
        at = found
    name = row.path[-1]
    at["properties"][name] = {"description": _description(row), **_type(row)}
    if row.required == "yes":
        at["required"].append(name)


def _description(row: Row) -> str:
    """The effect, when the field is required, and its default, as plain text."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", row.effect).replace("`", "")
    needed = f" Required: {row.required}." if row.required not in ("yes", "no", "") else ""
    default = f" Default: {row.default.replace('`', '')}." if row.default else ""
    return f"{text}{needed}{default}".strip()


def _type(row: Row) -> dict[str, Any]:
    if row.type in TYPES:
        return TYPES[row.type]
    if bounds := _RANGE.fullmatch(row.type):
        low, high = (int(each.replace(",", "")) for each in bounds.groups())
        kind = "number" if row.path[-1].endswith("Percentage") else "integer"
        return {"type": kind, "minimum": low, "maximum": high}
    return _alternatives(row)


def _alternatives(row: Row) -> dict[str, Any]:
    """Several types, and values in backticks."""
    # Objects in backticks may have commas of their own.
    values = _CODE.findall(row.type)
    words = [each for each in re.split(r",?\s*\bor\b\s*|,\s*", _CODE.sub("", row.type)) if each.strip()]
    texts = [each for each in values if not each.startswith("{")]
    schemas = [_known(each.strip(), row) for each in words]
    if texts:
        schemas.append({"enum": [_literal(each) for each in texts]})
    if len(texts) < len(values):
        schemas.append({"type": "object"})
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}


def _literal(text: str) -> Any:
    return True if text == "true" else text.strip('"')


def _known(word: str, row: Row) -> dict[str, Any]:
    if word not in TYPES:
        raise UnknownTypeError(f"{'.'.join(row.path)}: {row.type!r} has {word!r}, which is not among the known types")
    return TYPES[word]

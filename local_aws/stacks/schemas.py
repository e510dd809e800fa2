"""Properties of resources, checked against the schemas of CloudFormation's registry, which cfn-lint ships."""

import functools
import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Schema = dict[str, Any]

REGION = "us-east-1"
# Lambda's own limits are lower than the schema's. Tags are CloudFormation's own as well.
UNCHECKED = frozenset(("Tags",))
FOUND = {dict: "JSONObject", list: "JSONArray", str: "String", bool: "Boolean", int: "Integer", float: "Double"}


def violations(kind: str, properties: Any) -> list[str]:
    """What the schema of this kind of resource does not allow; nothing for a kind without a schema."""
    schema = _schema(kind)
    return [] if schema is None else list(_violations(properties, schema, schema, "#"))


@functools.cache
def _directory() -> Path | None:
    found = importlib.util.find_spec("cfnlint")
    return None if found is None or found.origin is None else Path(found.origin).parent / "data" / "schemas"


@functools.cache
def _files() -> dict[str, str]:
    directory = _directory()
    if directory is None:
        return {}
    files: dict[str, str] = json.loads((directory / "providers" / f"{REGION}.json").read_text())
    return files


@functools.cache
def _schema(kind: str) -> Schema | None:
    directory, name = _directory(), _files().get(kind)
    if directory is None or name is None:
        return None
    schema: Schema = json.loads((directory / "resources" / f"{name}.json").read_text())
    return schema


def _violations(value: Any, schema: Schema, root: Schema, path: str) -> Iterator[str]:
    while "$ref" in schema:
        schema = _resolved(schema["$ref"], root)
    options = schema.get("oneOf") or schema.get("anyOf")
    if options and all("$ref" in each or "type" in each for each in options):
        found = [list(_violations(value, each, root, path)) for each in options]
        if all(found):
            yield from min(found, key=len)
        return
    if isinstance(value, dict):
        yield from _object_violations(value, schema, root, path)
    elif isinstance(value, list):
        yield from _list_violations(value, schema, root, path)
    else:
        yield from _scalar_violations(value, schema, path)


def _resolved(reference: str, root: Schema) -> Schema:
    node: Any = root
    for part in reference.removeprefix("#/").split("/"):
        node = node.get(part, {})
    return dict(node)


def _types(schema: Schema) -> list[str]:
    given = schema.get("type", [])
    return [given] if isinstance(given, str) else list(given)


def _object_violations(value: dict[str, Any], schema: Schema, root: Schema, path: str) -> Iterator[str]:
    types = _types(schema)
    if types and "object" not in types and "string" not in types:
        yield f"{path}: expected type: {_expected(types)}, found: JSONObject"
        return
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{path}: required key [{name}] not found"
    for name, each in value.items():
        if name in known:
            if name not in UNCHECKED:
                yield from _violations(each, known[name], root, f"{path}/{name}")
        elif schema.get("additionalProperties") is False and not any(re.search(each, name) for each in patterns):
            yield f"{path}: extraneous key [{name}] is not permitted"


def _list_violations(value: list[Any], schema: Schema, root: Schema, path: str) -> Iterator[str]:
    types = _types(schema)
    if types and "array" not in types:
        yield f"{path}: expected type: {_expected(types)}, found: JSONArray"
        return
    if len(value) < schema.get("minItems", 0):
        yield f"{path}: expected minimum item count: {schema['minItems']}, found: {len(value)}"
    if len(value) > schema.get("maxItems", len(value)):
        yield f"{path}: expected maximum item count: {schema['maxItems']}, found: {len(value)}"
    items = schema.get("items")
    for index, each in enumerate(value if isinstance(items, dict) else ()):
        yield from _violations(each, items or {}, root, f"{path}/{index}")


def _scalar_violations(value: Any, schema: Schema, path: str) -> Iterator[str]:
    """CloudFormation takes a text for a number or a boolean, and the reverse."""
    types = _types(schema)
    if types and set(types) <= {"object", "array"}:
        yield f"{path}: expected type: {_expected(types)}, found: {FOUND.get(type(value), 'Null')}"
        return
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if types and set(types) <= {"integer", "number"}:
        yield from _number_violations(text, types, schema, path)
    elif types == ["boolean"] and text.lower() not in ("true", "false"):
        yield f"{path}: expected type: Boolean, found: String"
    elif "enum" in schema and text not in [str(each) for each in schema["enum"]]:
        yield f"{path}: #: {text} is not a valid enum value"
    elif len(text) < schema.get("minLength", 0):
        yield f"{path}: expected minLength: {schema['minLength']}, actual: {len(text)}"
    elif len(text) > schema.get("maxLength", len(text)):
        yield f"{path}: expected maxLength: {schema['maxLength']}, actual: {len(text)}"
    elif "pattern" in schema and not _matches(schema["pattern"], text):
        yield f"{path}: string [{text}] does not match pattern {schema['pattern']}"


def _number_violations(text: str, types: list[str], schema: Schema, path: str) -> Iterator[str]:
    try:
        number = float(text)
    except ValueError:
        yield f"{path}: expected type: {_expected(types)}, found: String"
        return
    if number < schema.get("minimum", number):
        yield f"{path}: {text} is not greater or equal to {schema['minimum']}"
    if number > schema.get("maximum", number):
        yield f"{path}: {text} is not less or equal to {schema['maximum']}"
    if "enum" in schema and number not in schema["enum"]:
        yield f"{path}: {text} is not a valid enum value"


def _expected(types: list[str]) -> str:
    names = {"object": "JSONObject", "array": "JSONArray", "integer": "Integer", "number": "Number"}
    return names.get(types[0], types[0].capitalize())


def _matches(pattern: str, text: str) -> bool:
    """Patterns are those of Java; one that Python does not know is not checked."""
    try:
        return re.search(pattern, text) is not None
    except re.error:
        return True

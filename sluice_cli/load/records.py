"""The fields of JSON records and the types that JSON gives them, from the first records of a file."""

import json
from collections.abc import Iterator
from typing import Any

from sluice_cli.exit_code import BadInputError
from sluice_cli.load.columns import Column, Columns

JSONL, JSON, DYNAMODB_JSON = "jsonl", "json", "dynamodbJson"
DYNAMODB_TYPES = frozenset({"S", "N", "B", "BOOL", "NULL", "M", "L", "SS", "NS", "BS"})
JSON_TYPES = {str: "S", int: "N", float: "N", bool: "BOOL", type(None): "NULL", dict: "M", list: "L"}
EXAMPLE_CHARACTERS = 200


def format_of(head: str, name: str) -> str | None:
    """The layout of JSON text; None for what does not begin as JSON does."""
    begin = head.lstrip()
    if not begin.startswith(("{", "[")) or name.lower().endswith((".csv", ".tsv")):
        return None
    first = next(records(head, is_whole=False), None)
    if _is_dynamodb(first):
        return DYNAMODB_JSON
    return JSONL if _is_object(begin.partition("\n")[0]) else JSON


def records(text: str, *, is_whole: bool) -> Iterator[Any]:
    """The objects of JSON Lines, of an array, or in sequence. A cut last one is left out where it is a beginning.

    Raises BadInputError for text that is not JSON.
    """
    decode = json.JSONDecoder().raw_decode
    position = _skip(text, 0, "[ \t\r\n")
    while position < len(text) and text[position] != "]":
        try:
            record, position = decode(text, position)
        except ValueError as error:
            if is_whole:
                raise BadInputError(f"the file is not valid JSON: {error}") from error
            return
        yield record
        position = _skip(text, position, ", \t\r\n")


def scan_records(text: str, *, is_whole: bool) -> Columns:
    """The fields in the order in which they first appear, with the types that they have: S/N where they differ."""
    fields: dict[str, dict[str, None]] = {}
    examples: dict[str, str] = {}
    filled: dict[str, int] = {}
    count = 0
    for record in records(text, is_whole=is_whole):
        item, types = _typed(record)
        count += 1
        for name, value in item.items():
            fields.setdefault(name, {})[types[name]] = None
            examples.setdefault(name, _text(value)[:EXAMPLE_CHARACTERS])
            filled[name] = filled.get(name, 0) + 1
    columns = [
        Column(name, "/".join(types), examples[name], count - filled[name] if is_whole else None)
        for name, types in fields.items()
    ]
    return Columns(tuple(columns), count, is_whole=is_whole)


def _typed(record: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """A record's values and types by name. Raises BadInputError for a record that is not an object."""
    if not isinstance(record, dict):
        raise BadInputError(f"each record must be a JSON object, and one is {json.dumps(record)[:40]}")
    if not _is_dynamodb(record):
        return record, {name: JSON_TYPES[type(value)] for name, value in record.items()}
    item = record.get("Item", record)
    values = {name: next(iter(typed.values())) for name, typed in item.items()}
    return values, {name: next(iter(typed)) for name, typed in item.items()}


def _is_dynamodb(record: Any) -> bool:
    if not isinstance(record, dict):
        return False
    item = record["Item"] if list(record) == ["Item"] else record
    return (
        isinstance(item, dict)
        and bool(item)
        and all(isinstance(each, dict) and len(each) == 1 and DYNAMODB_TYPES.issuperset(each) for each in item.values())
    )


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _skip(text: str, position: int, characters: str) -> int:
    while position < len(text) and text[position] in characters:
        position += 1
    return position

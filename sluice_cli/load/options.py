"""The options of `sluice load` and `sluice draft`, read and checked."""

import json
from argparse import Namespace
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sluice_cli.exit_code import BadInputError
from sluice_cli.load.detection import Hints
from sluice_cli.load.dialect import delimiter_of

TYPES = ("S", "N", "B", "BOOL", "M", "L")


def hints_of(options: Namespace) -> Hints:
    """What the options say of the file. Raises BadInputError."""
    if options.skip_rows is not None and options.skip_rows < 0:
        raise BadInputError(f"--skip-rows {options.skip_rows}: must be 0 or more")
    given = {
        "delimiter": None if options.delimiter is None else _text("--delimiter", delimiter_of(options.delimiter)),
        "escape": options.escape,
        "comment": options.comment,
        "skip_rows": options.skip_rows,
        "has_header": options.header,
        "trim": options.trim or None,
    }
    dialect = {name: value for name, value in given.items() if value is not None}
    if options.quote is not None:
        dialect["quote"] = None if options.quote == "none" else _text("--quote", options.quote)
    return Hints(
        dialect=dialect,
        headers=None if options.headers is None else tuple(split_list(options.headers)),
        encoding=options.encoding,
        layout=options.format,
        words=frozenset(split_list(options.empty or "")),
    )


def pairs_of(option: str, texts: Iterable[str], example: str) -> dict[str, str]:
    """`a=X,b=Y`, of an option that may be given several times. Raises BadInputError."""
    pairs = {}
    for text in texts:
        for each in split_list(text):
            name, equals, value = each.rpartition("=")
            if not (equals and name and value):
                raise BadInputError(f"{option} {text}: expected {example}")
            pairs[name] = value
    return pairs


def types_of(options: Namespace) -> dict[str, str]:
    """Type by column, as --types says. Raises BadInputError."""
    types = pairs_of("--types", options.types, "price=N,active=BOOL")
    for column, kind in types.items():
        if kind not in TYPES:
            raise BadInputError(f"--types {column}={kind}: the types are {', '.join(TYPES)}")
    return types


def split_list(text: str) -> list[str]:
    """The parts between commas."""
    return [each for each in text.split(",") if each]


def read_mapping(path: Path) -> dict[str, Any]:
    """The mapping in a file: the object itself, or the `mapping` of a csv_load input. Raises BadInputError."""
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise BadInputError(f"--mapping {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise BadInputError(f"--mapping {path} is not valid JSON: {error}") from error
    if not isinstance(document, dict) or not document:
        raise BadInputError(f'--mapping {path}: expected an object such as {{"price": {{"N": "{{price}}"}}}}')
    is_input = "source" in document and isinstance(document.get("mapping"), dict)
    mapping: dict[str, Any] = document["mapping"] if is_input else document
    return mapping


def tolerated(text: str) -> int | str:
    """The value of rejectsTolerated: a count, a percentage, or `any`."""
    return int(text) if text.isdecimal() else text


def _text(option: str, value: str) -> str:
    if not value:
        raise BadInputError(f"{option}: must not be empty")
    return value

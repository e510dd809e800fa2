"""A run's input: read from a file, changed by --set, completed with the stack's outputs."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TextIO

from sluice_cli.exit_code import BadInputError
from sluice_cli.guesses import guess

# For editors: the path of the schema.
SCHEMA = "$schema"
PLACEHOLDER = re.compile(r"\$?\$\{([^{}]*)\}")


@dataclass(frozen=True)
class Setting:
    """One --set: where in the input, as object keys and list indexes, and the value to put there."""

    path: tuple[str, ...]
    value: Any

    def __str__(self) -> str:
        return ".".join(self.path)


def read_input(file: str, stdin: TextIO) -> dict[str, Any]:
    """Read a JSON object, without `$schema`, from a file, or from stdin for "-". Raises BadInputError."""
    try:
        text = stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(f"cannot read {file}: {getattr(error, 'strerror', None) or error}") from error
    try:
        document = _parse(text)
    except ValueError as error:
        raise BadInputError(f"{file} is not valid JSON: {error}") from error
    if not isinstance(document, dict):
        raise BadInputError(f"{file} must hold a JSON object")
    return {name: value for name, value in document.items() if name != SCHEMA}


def parse_setting(text: str) -> Setting:
    """`a.b=value`: the value is JSON when it parses as JSON, else the text itself. Raises BadInputError."""
    path, equals, value = text.partition("=")
    parts = tuple(path.split("."))
    if not equals or not all(parts):
        raise BadInputError(f"--set {text}: expected name=value, such as source.delimiter=;")
    try:
        return Setting(parts, _parse(value))
    except ValueError:
        return Setting(parts, value)


def apply_settings(document: dict[str, Any], settings: Iterable[Setting]) -> dict[str, Any]:
    """The document with each value set at its path, in order; missing objects along a path are created."""
    for setting in settings:
        document = _put(document, setting.path, setting)
    return document


def fill_placeholders(document: Any, outputs: Mapping[str, str]) -> Any:
    """Replace `${OutputKey}` in every string; `$${x}` stands for `${x}` itself. Raises BadInputError."""
    if isinstance(document, dict):
        return {key: fill_placeholders(value, outputs) for key, value in document.items()}
    if isinstance(document, list):
        return [fill_placeholders(value, outputs) for value in document]
    if isinstance(document, str):
        return PLACEHOLDER.sub(lambda match: _output(match, outputs), document)
    return document


def _output(match: re.Match[str], outputs: Mapping[str, str]) -> str:
    if match[0].startswith("$$"):
        return match[0][1:]
    try:
        return outputs[match[1]]
    except KeyError:
        raise BadInputError(
            f"the input's placeholder {match[0]} names no output of the stack, which has: "
            f"{', '.join(sorted(outputs))}{guess(match[1], outputs)}. Write ${match[0]} for the text itself."
        ) from None


def _put(value: Any, path: tuple[str, ...], setting: Setting) -> Any:
    if not path:
        return setting.value
    name, rest = path[0], path[1:]
    if isinstance(value, list):
        index = _index(name, value, setting)
        return [*value[:index], _put(value[index], rest, setting), *value[index + 1 :]]
    if value is None:
        value = {}
    if not isinstance(value, dict):
        raise BadInputError(f"--set {setting}: {name} is inside a value that is not an object")
    return value | {name: _put(value.get(name), rest, setting)}


def _index(name: str, values: list[Any], setting: Setting) -> int:
    if not (name.isascii() and name.isdigit() and int(name) < len(values)):
        raise BadInputError(f"--set {setting}: {name} is not an index of a list of {len(values)}")
    return int(name)


def _parse(text: str) -> Any:
    return json.loads(text, parse_constant=_refuse)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON value")

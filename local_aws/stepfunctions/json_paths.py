"""Reference paths of JSONPath states: `$.a[0]`, `$$.Execution.Id`, `$variable.field`, filters and slices."""

import json
import re
from typing import Any

from local_aws.stepfunctions.errors import RUNTIME
from local_aws.stepfunctions.scope import Scope

TOKEN = re.compile(
    r"""\.\.(?P<descendant>[\w-]+|\*) | \.(?P<field>[^.\[\s]+) | \[(?P<index>-?\d+)\]
      | \[(?P<start>-?\d*):(?P<end>-?\d*)\] | \[(?P<all>\*)\] | \[(?P<quote>['"])(?P<quoted>.*?)(?P=quote)\]
      | \[\?\(@\.(?P<key>[\w.]+)\s*(?:(?P<operator>==|!=|<=|>=|<|>)\s*(?P<literal>[^)]+))?\)\]""",
    re.VERBOSE,
)
VARIABLE = re.compile(r"\$([A-Za-z_]\w*)")
MISSING = object()


def resolve(path: str, data: Any, scope: Scope) -> Any:
    """The value that the path refers to. Raises States.Runtime where there is none."""
    root, rest = _root(path, data, scope)
    tokens = _tokens(rest, path, scope)
    is_projection = any(map(_projects, tokens))
    values = [root]
    for position, token in enumerate(tokens):
        values = _step(token, values)
        if not values and not is_projection:
            raise scope.failure(RUNTIME, f"Invalid path '{path}' : {_missing(tokens, position)}")
    return values if is_projection else values[0]


def find(path: str, data: Any, scope: Scope) -> Any:
    """The value that the path refers to, or MISSING."""
    try:
        return resolve(path, data, scope)
    except Exception as error:
        if getattr(error, "error", None) == RUNTIME:
            return MISSING
        raise


def _root(path: str, data: Any, scope: Scope) -> tuple[Any, str]:
    if path.startswith("$$"):
        return scope.context, path[2:]
    match = VARIABLE.match(path)
    if match is None:
        return data, path[1:]
    if match[1] not in scope.variables:
        raise scope.failure(RUNTIME, f"The variable '${match[1]}' does not exist")
    return scope.variables[match[1]], path[match.end() :]


def _tokens(rest: str, path: str, scope: Scope) -> list[re.Match[str]]:
    tokens, position = [], 0
    while position < len(rest):
        token = TOKEN.match(rest, position)
        if token is None:
            raise scope.failure(RUNTIME, f"Invalid path '{path}'")
        tokens.append(token)
        position = token.end()
    return tokens


def _field(token: re.Match[str]) -> str | None:
    return token["quoted"] if token["quoted"] is not None else token["field"]


def _projects(token: re.Match[str]) -> bool:
    """Whether a path with this token refers to any number of values, of which none is no error."""
    field = _field(token)
    return field == "*" if field is not None else token["index"] is None


def _step(token: re.Match[str], values: list[Any]) -> list[Any]:
    field = _field(token)
    if field == "*" or token["all"]:
        return [child for value in values for child in _children(value)]
    if field is not None:
        return [value[field] for value in values if isinstance(value, dict) and field in value]
    if token["index"] is not None:
        return _indexed(values, int(token["index"]))
    if token["descendant"] is not None:
        return [found for value in values for found in _descendants(value, token["descendant"])]
    if token["key"] is not None:
        return [child for value in values for child in _children(value) if _passes(token, child)]
    bounds = slice(*(int(token[name]) if token[name] else None for name in ("start", "end")))
    return [child for value in values if isinstance(value, list) for child in value[bounds]]


def _indexed(values: list[Any], index: int) -> list[Any]:
    lists = [value for value in values if isinstance(value, list)]
    return [value[index] for value in lists if -len(value) <= index < len(value)]


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _descendants(value: Any, name: str) -> list[Any]:
    found = _children(value) if name == "*" else []
    if isinstance(value, dict) and name in value:
        found = [value[name]]
    return found + [inner for child in _children(value) for inner in _descendants(child, name)]


def _passes(token: re.Match[str], item: Any) -> bool:
    for key in token["key"].split("."):
        if not isinstance(item, dict) or key not in item:
            return False
        item = item[key]
    if token["operator"] is None:
        return True
    wanted = json.loads(token["literal"].strip().replace("'", '"'))
    return _compares(token["operator"], item, wanted)


def _compares(operator: str, left: Any, right: Any) -> bool:
    if operator in ("==", "!="):
        return bool((left == right) is (operator == "=="))
    try:
        less, equal = left < right, left == right
    except TypeError:
        return False
    return bool({"<": less, "<=": less or equal, ">": not (less or equal), ">=": not less}[operator])


def _missing(tokens: list[re.Match[str]], position: int) -> str:
    """What Step Functions says of a value that is missing, at the end of the path or along it."""
    shown = "$" + "".join(f"['{_field(token)}']" if _field(token) else token[0] for token in tokens[: position + 1])
    is_last = position == len(tokens) - 1
    return f"No results for path: {shown}" if is_last else f"Missing property in path {shown}"

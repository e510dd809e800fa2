"""JSONata expressions: their syntax, and what they may refer to where they stand."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from jsonata import Jsonata

from local_aws.stepfunctions.definition_checks.report import Report, is_expression_like

UNSUPPORTED = "UNSUPPORTED_JSONATA_EXPRESSION"
INVALID = "INVALID_JSONATA_EXPRESSION"
# The fields with expressions of their own scope, which the walk over the states visits.
INNER = ("ItemProcessor", "Iterator", "Branches")
WITH_RESULT = ("Task", "Parallel", "Map")
# Parts of a node that are evaluated in the same context as the node itself.
SAME_CONTEXT = ("lhs", "rhs", "condition", "then", "_else", "body", "expression", "procedure")


def check_expressions(state: dict[str, Any], location: str, report: Report) -> None:
    """Report the faults of a JSONata state's expressions."""
    for field, value in state.items():
        if field in (*INNER, "Comment", "Type", "Resource", "Next", "Default"):
            continue
        has_result = field in ("Output", "Assign") and state.get("Type") in WITH_RESULT
        for text, path in _texts(value, f"{location}/{field}"):
            in_catcher = field == "Catch" and path.split("]/", 1)[-1].startswith(("Output", "Assign"))
            known = {"input", "context"}
            known |= {"result"} if has_result else set()
            known |= {"errorOutput"} if in_catcher else set()
            _check_expression(text, frozenset(known), path, report)


def _texts(value: Any, location: str) -> Iterator[tuple[str, str]]:
    if is_expression_like(value):
        yield value, location
    elif isinstance(value, dict):
        for name, each in value.items():
            if name != "Comment":
                yield from _texts(each, f"{location}/{name}")
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _texts(each, f"{location}[{index}]")


def _check_expression(text: str, known: frozenset[str], location: str, report: Report) -> None:
    if not text.endswith("%}") or len(text) < len("{%%}"):
        report.schema("JSONata string must start with {% and end with %}", location)
        return
    fault, references = _parsed(text[2:-2].strip())
    if fault is not None:
        report.add(INVALID, fault, location)
    for name in references:
        if name.startswith("$states."):
            if name.removeprefix("$states.") not in known:
                report.add(UNSUPPORTED, f"Field '{name}' does not exist.", location)
        elif name == "$$":
            report.add(UNSUPPORTED, "Reference to '$$' is not supported.", location)
        else:
            report.add(UNSUPPORTED, f"Reference to '{name}' at the top level is not supported.", location)


@lru_cache(maxsize=4096)
def _parsed(source: str) -> tuple[str | None, tuple[str, ...]]:
    """Why the expression does not parse, and what it refers to: `$$`, `$states.x`, and names at the top level."""
    try:
        tree = Jsonata.jsonata(source).ast
    except Exception as error:  # noqa: BLE001 the parser raises whatever goes wrong
        return _fault(error), ()
    return None, tuple(dict.fromkeys((*_top_names(tree), *_references(tree))))


def _fault(error: Exception) -> str:
    """The parser's message without its code."""
    code = getattr(error, "error", None)
    text = str(error)
    return text.removeprefix(code).lstrip(": ") if isinstance(code, str) else text


def _references(node: Any) -> Iterator[str]:
    if _kind(node) == "variable" and node.value == "$":
        yield "$$"
    if _kind(node) == "path":
        first, *later = node.steps
        if _kind(first) == "variable" and first.value == "states" and later and _kind(later[0]) == "name":
            yield f"$states.{later[0].value}"
    for each in _children(node):
        yield from _references(each)


def _children(node: Any) -> Iterator[Any]:
    if isinstance(node, list | tuple):
        yield from node
    elif _kind(node) is not None:
        yield from (each for each in vars(node).values() if isinstance(each, list | tuple) or _is_node(each))


def _top_names(node: Any) -> Iterator[str]:
    """Names that would be looked up in the input, which Step Functions does not give to expressions."""
    if isinstance(node, list | tuple):
        for each in node:
            yield from _top_names(each)
    elif _kind(node) == "path":
        # What follows the first step is evaluated on its result.
        first = node.steps[0]
        if _kind(first) == "name":
            yield str(first.value)
        else:
            yield from _top_names(first)
    elif _is_node(node):
        for name in (*SAME_CONTEXT, "expressions", "lhs_object"):
            yield from _top_names(getattr(node, name, None))
        if _kind(node) != "lambda":
            yield from _top_names(getattr(node, "arguments", None))


def _is_node(value: Any) -> bool:
    return hasattr(value, "type") and hasattr(value, "value") and hasattr(value, "position")


def _kind(node: Any) -> Any:
    return node.type if _is_node(node) else None

"""Values in DynamoDB JSON as people read them, on one line and with nothing that a terminal would obey."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

SETS = frozenset({"SS", "NS", "BS"})


def plain_key(key: Mapping[str, Any]) -> str:
    """A key such as `ident=KATL year=2026`."""
    return " ".join(f"{plain_name(name)}={plain_value(typed)}" for name, typed in key.items())


def plain_name(name: str) -> str:
    """An attribute's name, in quotes when it is not plain."""
    return name if name and name.isprintable() else json.dumps(name)


def plain_value(typed: Mapping[str, Any]) -> str:
    """A value; a string is in quotes only when it could be taken for something else."""
    text = typed.get("S")
    return text if text is not None and _is_plain(text) else _nested(typed)


def is_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether DynamoDB would call the values equal: numbers by value, sets in any order."""
    return _comparable(one) == _comparable(other)


def _is_plain(text: str) -> bool:
    """Not for what reads as a number, a list and the like."""
    if not text.isprintable() or text != text.strip() or text[:1] in ("", '"', "[", "{"):
        return False
    try:
        json.loads(text)
    except ValueError:
        return True
    return False


def _nested(typed: Mapping[str, Any]) -> str:
    ((kind, content),) = typed.items()
    if kind == "M":
        return "{" + ", ".join(f"{_quoted(name)}: {_nested(each)}" for name, each in content.items()) + "}"
    if kind == "L":
        return "[" + ", ".join(_nested(each) for each in content) + "]"
    if kind in SETS:
        return "{" + ", ".join(_nested({kind[0]: each}) for each in sorted(content)) + "}"
    return _scalar(kind, content)


def _scalar(kind: str, content: Any) -> str:
    if kind == "B":
        return f"base64 {content}"
    if kind == "NULL":
        return "null"
    return str(content) if kind == "N" else _quoted(content)


def _quoted(content: Any) -> str:
    return json.dumps(content, ensure_ascii=isinstance(content, str) and not content.isprintable())


def _comparable(typed: Mapping[str, Any]) -> tuple[str, Any]:
    ((kind, content),) = typed.items()
    if kind == "M":
        return kind, {name: _comparable(each) for name, each in content.items()}
    if kind == "L":
        return kind, [_comparable(each) for each in content]
    if kind in SETS:
        return kind, {_comparable({kind[0]: each}) for each in content}
    return kind, Decimal(content) if kind == "N" else content

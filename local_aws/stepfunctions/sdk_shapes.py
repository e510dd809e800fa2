"""Requests and results of AWS operations in Step Functions' spelling, by botocore's models of them."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from local_aws.stepfunctions.scope import compact_json

# The Java SDK writes an acronym at the beginning of a name as one word: MD5OfBody is Md5OfBody, ETag stays.
ACRONYM = re.compile(r"[A-Z0-9]{2,}(?=[A-Z][a-z]|$)")

Naming = Callable[[str], str]


def java_name(name: str) -> str:
    """A member's name in `aws-sdk` integrations."""
    word = ACRONYM.match(name)
    return f"{word[0].capitalize()}{name[word.end() :]}" if word else capitalised(name)


def capitalised(name: str) -> str:
    """A member's name in optimised integrations."""
    return f"{name[:1].upper()}{name[1:]}"


def to_request(value: Any, shape: Any) -> Any:
    """Arguments as botocore takes them: with the operation's own names, and JSON as text where a text is needed."""
    if shape is None or value is None:
        return value
    if shape.type_name == "structure" and isinstance(value, dict):
        return _to_structure(value, shape)
    if shape.type_name == "list" and isinstance(value, list):
        return [to_request(each, shape.member) for each in value]
    if shape.type_name == "map" and isinstance(value, dict):
        return {name: to_request(each, shape.value) for name, each in value.items()}
    if shape.type_name in ("string", "blob") and not isinstance(value, str):
        return compact_json(value)
    return value


def _to_structure(value: dict[str, Any], shape: Any) -> dict[str, Any]:
    names = {spelling(name): name for name in shape.members for spelling in (java_name, capitalised)}
    known = {names.get(name, name): each for name, each in value.items()}
    return {name: to_request(each, shape.members.get(name)) for name, each in known.items() if each is not None}


def to_result(value: Any, shape: Any, naming: Naming) -> Any:
    """A response of botocore as Step Functions shows it: times in ISO 8601, bytes and streams as text."""
    if shape.type_name == "structure" and isinstance(value, dict):
        members = shape.members
        return {naming(name): to_result(each, members[name], naming) for name, each in value.items() if name in members}
    if shape.type_name == "list" and isinstance(value, list):
        return [to_result(each, shape.member, naming) for each in value]
    if shape.type_name == "map" and isinstance(value, dict):
        return {name: to_result(each, shape.value, naming) for name, each in value.items()}
    return _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        text = value.astimezone(UTC).isoformat(timespec="milliseconds")
        return text.removesuffix("+00:00").removesuffix(".000") + "Z"
    if hasattr(value, "read"):
        value = value.read()
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes | bytearray) else value


def error_name(code: str, operation: Any) -> str | None:
    """The name of the exception that the operation's model has for an error's code, without one None."""
    for shape in operation.error_shapes:
        if code in (shape.name, shape.metadata.get("error", {}).get("code")):
            return shape.name if shape.name.endswith("Exception") else f"{shape.name}Exception"
    return None

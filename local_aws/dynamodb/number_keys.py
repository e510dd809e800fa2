"""A number is the same key however it is written: `1E2`, `100` and `100.0` name one item."""

from collections.abc import Callable
from typing import Any

from ministack.services import dynamodb as service

from local_aws.dynamodb.plain_items import CANONICAL_NUMBER
from local_aws.replacements import check, replace

_original: dict[str, Callable[[Any], Any]] = {}


def install() -> None:
    """Replace how ministack takes a key's value out of an attribute."""
    check(service, "_ddb_canonicalize_number", ("s",))
    _original["key"] = replace(service, "_extract_key_val", ("attr",), key_value)


def key_value(attribute: Any) -> Any:
    """The value that items are kept by: of a number, its canonical form."""
    value = _original["key"](attribute)
    if isinstance(attribute, dict) and "N" in attribute and not CANONICAL_NUMBER.fullmatch(str(value)):
        return service._ddb_canonicalize_number(value) or value
    return value

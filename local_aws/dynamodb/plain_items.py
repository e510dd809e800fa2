"""Items that are plainly valid: sized, and stored in few bytes.

Most items of a bulk load hold short strings and ordinary numbers. Those are accepted here at once; whatever
is out of the ordinary is left to ministack, which knows every rule and error message.
"""

import re
from typing import Any, NamedTuple

from ministack.services import dynamodb as service

Item = dict[str, dict[str, Any]]

CANONICAL_NUMBER = re.compile(r"-?[1-9]\d{0,30}(?:\.\d{0,5}[1-9])?|-?0\.\d{0,5}[1-9]|0")
REMEMBERED_VALUES = 100_000
REMEMBERED_CHARACTERS = 40
REMEMBERED_TABLES = 10_000
KEY_BYTES = {"pk_name": 2048, "sk_name": 1024}
NO_SORT_KEY = "__no_sort__"

_numbers: dict[str, tuple[dict[str, Any], int]] = {}
_strings: dict[str, tuple[dict[str, Any], int]] = {}
_names: dict[str, tuple[str, int]] = {}
_booleans: dict[tuple[str, bool], dict[str, Any]] = {}
# By TableId, which a table that is made anew under the same name does not share.
_keys: dict[Any, "PlainKeys | None"] = {}


def plain(item: Item) -> tuple[Item, int] | None:
    """The item, built of shared parts, and its size in bytes; None when it needs a closer look.

    Equal scalar values share one object: a table of a million rows repeats few of them.
    """
    if "" in item:
        return None
    stored: Item = {}
    size = 0
    for name, value in item.items():
        if type(value) is not dict or len(value) != 1:
            return None
        found = _plain_value(value)
        if found is None:
            return None
        shared, value_size = found
        own_name, name_size = _names.get(name) or _remember_name(name)
        stored[own_name] = shared
        size += name_size + value_size
    return stored, size


def _plain_value(value: dict[str, Any]) -> tuple[dict[str, Any], int] | None:
    ((kind, content),) = value.items()
    if kind == "S" and type(content) is str:
        return _strings.get(content) or _string(value, content)
    if kind == "N" and type(content) is str:
        return _numbers.get(content) or _number(value, content)
    if kind in ("BOOL", "NULL"):
        if type(content) is not bool or (kind == "NULL" and not content):
            return None
        return _booleans.setdefault((kind, content), value), 1
    if service._attribute_value_error(value) or service._validate_attribute_value("", value):
        return None
    return value, service._attribute_value_size(value)


def item_size(item: Item) -> int:
    """The size of a stored item in bytes, by DynamoDB's rules."""
    size = 0
    for name, value in item.items():
        size += (_names.get(name) or _remember_name(name))[1]
        ((kind, content),) = value.items()
        if kind == "S":
            size += len(content) if content.isascii() else len(content.encode(errors="surrogatepass"))
        elif kind == "N" and content in _numbers:
            size += _numbers[content][1]
        else:
            size += service._attribute_value_size(value)
    return size


def _string(value: dict[str, Any], content: str) -> tuple[dict[str, Any], int]:
    size = len(content) if content.isascii() else len(content.encode())
    return _remembered(_strings, content, (value, size))


def _number(value: dict[str, Any], content: str) -> tuple[dict[str, Any], int] | None:
    if not CANONICAL_NUMBER.fullmatch(content):
        return None
    return _remembered(_numbers, content, (value, service._number_size_bytes(content)))


def _remembered(
    values: dict[str, tuple[dict[str, Any], int]], content: str, entry: tuple[dict[str, Any], int]
) -> tuple[dict[str, Any], int]:
    if len(content) <= REMEMBERED_CHARACTERS:
        if len(values) >= REMEMBERED_VALUES:
            values.clear()
        values[content] = entry
    return entry


def _remember_name(name: str) -> tuple[str, int]:
    if len(_names) >= REMEMBERED_VALUES:
        _names.clear()
    return _names.setdefault(name, (name, len(name.encode())))


class PlainKeys(NamedTuple):
    """A table's key attributes: of each its name, its type (S or N) and the most bytes that it may have."""

    attributes: tuple[tuple[str, str, int], ...]

    def of(self, item: Item) -> tuple[str, str] | None:
        """The values of the keys as ministack keeps them; None when they need a closer look."""
        values = [NO_SORT_KEY, NO_SORT_KEY]
        for index, (name, kind, limit) in enumerate(self.attributes):
            value = item.get(name)
            if value is None or kind not in value:
                return None
            content = value[kind]
            if not content or (len(content) * 4 > limit and len(content.encode()) > limit):
                return None
            values[index] = content
        return values[0], values[1]

    def of_key(self, key: Any) -> tuple[str, str] | None:
        """The same of a Key, which has the key attributes and no others."""
        if type(key) is not dict or len(key) != len(self.attributes):
            return None
        found = plain(key)
        return None if found is None else self.of(found[0])


def plain_keys(table: dict[str, Any]) -> PlainKeys | None:
    """Those of the table; None when they need a closer look, as binary ones do."""
    table_id = table.get("TableId")
    if table_id not in _keys:
        if len(_keys) >= REMEMBERED_TABLES:
            _keys.clear()
        _keys[table_id] = _plain_keys(table)
    return _keys[table_id]


def _plain_keys(table: dict[str, Any]) -> PlainKeys | None:
    types = {entry["AttributeName"]: entry["AttributeType"] for entry in table["AttributeDefinitions"]}
    names = [(table[role], limit) for role, limit in KEY_BYTES.items() if table[role]]
    if not table.get("TableId") or any(types.get(name) not in ("S", "N") for name, _ in names):
        return None
    return PlainKeys(tuple((name, types[name], limit) for name, limit in names))

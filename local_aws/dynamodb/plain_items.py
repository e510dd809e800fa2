"""Items that are plainly valid: sized, and stored in few bytes.

Most items of a bulk load hold short strings and ordinary numbers. Those are accepted here at once; whatever
is out of the ordinary is left to ministack, which knows every rule and error message.
"""

import re
from typing import Any, NamedTuple, TypeVar

from ministack.services import dynamodb as service

Item = dict[str, dict[str, Any]]
Name = TypeVar("Name")
Entry = TypeVar("Entry")

CANONICAL_NUMBER = re.compile(r"-?[1-9]\d{0,30}(?:\.\d{0,5}[1-9])?|-?0\.\d{0,5}[1-9]|0")
REMEMBERED_VALUES = 100_000
REMEMBERED_CHARACTERS = 40
REMEMBERED_SHAPES = 10_000
REMEMBERED_TABLES = 10_000
KEY_BYTES = {"pk_name": 2048, "sk_name": 1024}
NO_SORT_KEY = "__no_sort__"

_numbers: dict[str, tuple[dict[str, Any], int]] = {}
_strings: dict[str, tuple[dict[str, Any], int]] = {}
_shapes: dict[tuple[str, ...], tuple[tuple[str, ...], int]] = {}
_booleans: dict[tuple[str, bool], dict[str, Any]] = {}
# By TableId, which a new table of the same name does not share.
_keys: dict[Any, "PlainKeys | None"] = {}


def plain(item: Item) -> tuple[Item, int] | None:
    """The item, built of shared parts, and its size in bytes; None when it needs a closer look.

    Equal scalar values share one object: a table of a million rows repeats few of them.
    """
    names, size = _shape(item)
    if "" in item:
        return None
    values = []
    for value in item.values():
        if type(value) is not dict or len(value) != 1:
            return None
        ((kind, content),) = value.items()
        if type(content) is not str:
            found = _plain_value(kind, content, value)
        elif kind == "S":
            found = _strings.get(content) or _string(value, content)
        elif kind == "N":
            found = _numbers.get(content) or _number(value, content)
        else:
            found = _plain_value(kind, content, value)
        if found is None:
            return None
        values.append(found[0])
        size += found[1]
    return dict(zip(names, values, strict=True)), size


def _plain_value(kind: str, content: Any, value: dict[str, Any]) -> tuple[dict[str, Any], int] | None:
    if kind in ("BOOL", "NULL"):
        if type(content) is not bool or (kind == "NULL" and not content):
            return None
        return _booleans.setdefault((kind, content), value), 1
    if service._attribute_value_error(value) or service._validate_attribute_value("", value):
        return None
    return value, service._attribute_value_size(value)


def item_size(item: Item) -> int:
    """The size of a stored item in bytes, by DynamoDB's rules."""
    size = _shape(item)[1]
    for value in item.values():
        ((kind, content),) = value.items()
        if kind == "S":
            size += len(content) if content.isascii() else len(content.encode(errors="surrogatepass"))
        elif kind == "N" and content in _numbers:
            size += _numbers[content][1]
        else:
            size += service._attribute_value_size(value)
    return size


def _shape(item: Item) -> tuple[tuple[str, ...], int]:
    """The names of the item's attributes, shared by all items that have the same ones, and their bytes."""
    names = tuple(item)
    known = _shapes.get(names)
    if known is None:
        known = names, sum(len(utf_8(name)) for name in names)
        _remember(_shapes, names, known, REMEMBERED_SHAPES)
    return known


def utf_8(text: str) -> bytes:
    """The text's bytes; JSON may hold halves of surrogate pairs."""
    return text.encode(errors="surrogatepass")


def _string(value: dict[str, Any], content: str) -> tuple[dict[str, Any], int]:
    entry = value, len(content) if content.isascii() else len(utf_8(content))
    if len(content) <= REMEMBERED_CHARACTERS:
        _remember(_strings, content, entry, REMEMBERED_VALUES)
    return entry


def _number(value: dict[str, Any], content: str) -> tuple[dict[str, Any], int] | None:
    canonical = content if CANONICAL_NUMBER.fullmatch(content) else service._ddb_canonicalize_number(content)
    if canonical is None:
        return None
    entry = value if canonical == content else {"N": canonical}, int(service._number_size_bytes(canonical))
    _remember(_numbers, content, entry, REMEMBERED_VALUES)
    return entry


def _remember(known: dict[Name, Entry], key: Name, entry: Entry, most: int) -> None:
    if len(known) >= most:
        known.clear()
    known[key] = entry


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
            if not content or (len(content) * 4 > limit and len(utf_8(content)) > limit):
                return None
            values[index] = content
        return values[0], values[1]

    def of_key(self, key: Any) -> tuple[tuple[str, str], Item] | None:
        """The same of a Key, which has the key attributes and no others; and the Key as it is stored."""
        if type(key) is not dict or len(key) != len(self.attributes):
            return None
        found = plain(key)
        values = None if found is None else self.of(found[0])
        return None if found is None or values is None else (values, found[0])


def plain_keys(table: dict[str, Any]) -> PlainKeys | None:
    """Those of the table; None when they need a closer look, as binary ones do."""
    table_id = table.get("TableId")
    if table_id not in _keys:
        _remember(_keys, table_id, _plain_keys(table), REMEMBERED_TABLES)
    return _keys[table_id]


def _plain_keys(table: dict[str, Any]) -> PlainKeys | None:
    types = {entry["AttributeName"]: entry["AttributeType"] for entry in table["AttributeDefinitions"]}
    names = [(table[role], limit) for role, limit in KEY_BYTES.items() if table[role]]
    if not table.get("TableId") or any(types.get(name) not in ("S", "N") for name, _ in names):
        return None
    return PlainKeys(tuple((name, types[name], limit) for name, limit in names))

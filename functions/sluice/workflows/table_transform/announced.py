"""One line of a journal: an item's key, and what the run does to the item."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from sluice.dynamodb.items import Item
from sluice.dynamodb.keys import KeySchema
from sluice.dynamodb.plain import Attributes
from sluice.workflows.table_transform.changes import Change, Side, Transfer, Update, compact, stored_item

# Items whose attributes' names are data have any number of names.
NAMES_MAX = 1_000

Schemas = Mapping[Side, KeySchema]


def update_line(change: Update, key: bytes) -> bytes:
    """{"key", "before", "after"}: the attributes that change, without those that are not there before or after."""
    old, new = [], []
    for name, value in change.values.items():
        start = _start(name)
        new.append(start + value)
        if name in change.before:
            old.append(start + (change.old.get(name) or _json(change.before[name])))
    old += [_start(name) + _json(change.before[name]) for name in change.removed]
    parts = (b'{"key":', key, b',"before":{', b",".join(old), b'},"after":{', b",".join(new), b"}}\n")
    return b"".join(parts)


def transfer_line(change: Transfer, key: bytes) -> bytes:
    """{"key", "putsOn", "puts", "deletesOn", "deletes", "withdrawn"}: whole items."""
    puts = b",".join(each.body for each in change.puts)
    return b'{"key":%b,"putsOn":"%b","puts":[%b],"deletesOn":"%b","deletes":%b,"withdrawn":%b}\n' % (
        key,
        change.puts_on.value.encode(),
        puts,
        change.deletes_on.value.encode(),
        _json(change.deletions),
        _json(change.withdrawn),
    )


def line_of(change: Change, key: Attributes) -> bytes:
    """The line of a change of the item with this key."""
    if isinstance(change, Update):
        return update_line(change, change.key or _json(key))
    return transfer_line(change, _json(key))


def change_of(line: Mapping[str, Any], schemas: Schemas) -> Change:
    """The change that a line announces; an update knows only the key and the attributes that change."""
    if "after" in line:
        return _update(line)
    puts_on, deletes_on = Side(line["putsOn"]), Side(line["deletesOn"])
    puts = [stored_item(item, schemas[puts_on]) for item in line["puts"]]
    return Transfer(puts, puts_on, line["deletes"], deletes_on, line["withdrawn"])


def _update(line: Mapping[str, Any]) -> Update:
    before, after = line["before"], line["after"]
    values = {name: _json(value) for name, value in after.items()}
    removed = tuple(sorted(before.keys() - after.keys()))
    return Update(line["key"] | before, values, removed)


def inverse(change: Transfer, schemas: Schemas) -> Transfer:
    """Puts back what a transfer deleted, and deletes what it put."""
    puts = [stored_item(item, schemas[change.deletes_on]) for item in change.deletions]
    deletions = [json.loads(item.body) for item in change.puts]
    return Transfer(puts, change.deletes_on, deletions, change.puts_on)


def item_of(put: Item) -> Attributes:
    """The item that a put puts, in DynamoDB JSON."""
    item: Attributes = json.loads(put.body)
    return item


@lru_cache(maxsize=NAMES_MAX)
def _start(name: str) -> bytes:
    return _json(name) + b":"


def _json(value: object) -> bytes:
    return compact(value).encode()

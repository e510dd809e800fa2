"""The orders of the tables that were scanned, updated with every write.

Writes to a table that was not scanned cost nothing. When a table's items are exchanged as a whole, by a restore or
a transaction that is rolled back, the next Scan makes a new order.
"""

import threading
from dataclasses import dataclass, field
from typing import Any

from ministack.services import dynamodb as service

from local_aws.dynamodb.scan_order import IndexOrder, Item, Order, Table, TableOrder
from local_aws.replacements import check, replace, require

USED = ("_INDEX_MEMBERS", "_index_def", "_index_key_lists", "_index_members", "_index_partition", "_get_attr_type")

# State machines write from threads of their own, and so does what removes expired items: a condition must
# not be torn from the write that it guards, nor a page be read from an order that changes.
one_at_a_time = threading.RLock()


@dataclass
class _Orders:
    table: Table
    own: TableOrder | None = None
    indexes: dict[str, IndexOrder] = field(default_factory=dict)


_orders: dict[int, _Orders] = {}
_original: dict[str, Any] = {}


def install() -> None:
    """Let every write tell the orders of its table."""
    require(service, *USED)
    _original["set"] = replace(service, "_set_item", ("table", "pk_val", "sk_val", "item"), _set_item)
    _original["remove"] = replace(service, "_remove_item", ("table", "pk_val", "sk_val"), _remove_item)
    _original["index"] = replace(service, "_index_item", ("table", "base_pk", "base_sk", "item", "add"), _index_item)
    _original["delete_table"] = replace(service, "_delete_table", ("data",), _delete_table)
    check(service, "_items_replaced", ("table",))


def order_of(table: Table, index_name: str | None) -> Order:
    """The order of a table, or of one of its indexes; built when it is first needed."""
    return table_order(table) if index_name is None else _index_order(_orders_of(table), index_name)


def _orders_of(table: Table) -> _Orders:
    known = _orders.get(id(table))
    if known is None:
        _forget_dropped_tables()
        known = _orders[id(table)] = _Orders(table)
    return known


def table_order(table: Table) -> TableOrder:
    """The order of a table; built when it is first needed."""
    known = _orders_of(table)
    if known.own is None or known.own.source is not known.table["items"]:
        known.own = TableOrder(known.table)
    return known.own


def _index_order(known: _Orders, name: str) -> IndexOrder:
    members = service._index_members(known.table)
    order = known.indexes.get(name)
    if order is None or order.source is not members[name] or order.items_by_key is not known.table["items"]:
        order = known.indexes[name] = IndexOrder(known.table, name)
    return order


def _forget_dropped_tables() -> None:
    living = {id(table) for table in service._tables.all_values()}
    for dropped in _orders.keys() - living:
        del _orders[dropped]


def _set_item(table: Table, pk_val: str, sk_val: str, item: Item) -> Item | None:
    old: Item | None = _original["set"](table, pk_val, sk_val, item)
    if old is None and id(table) in _orders:
        _note(table, pk_val, sk_val)
    return old


def _remove_item(table: Table, pk_val: str, sk_val: str) -> Item | None:
    with one_at_a_time:
        old: Item | None = _original["remove"](table, pk_val, sk_val)
        if old is not None and id(table) in _orders:
            _note(table, pk_val, sk_val)
        return old


def _note(table: Table, partition: str, sort: str) -> None:
    order = _orders[id(table)].own
    if order is not None:
        order.note(partition, sort)


def _index_item(table: Table, base_pk: str, base_sk: str, item: Item, add: bool) -> None:
    _original["index"](table, base_pk, base_sk, item, add)
    if id(table) in _orders:
        for order in _orders[id(table)].indexes.values():
            order.note(item)


def _delete_table(data: dict[str, Any]) -> Any:
    with one_at_a_time:
        response = _original["delete_table"](data)
        _forget_dropped_tables()
        return response

"""Bodies of UpdateItem and DeleteItem on one table, and whether DynamoDB takes them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypeVar

from sluice.dynamodb.keys import KeySchema
from sluice.dynamodb.plain import Attributes
from sluice.dynamodb.update_writer import EXPRESSION_MAX_BYTES
from sluice.errors import RejectError
from sluice.rejects import Reason
from sluice.workflows.table_transform.changes import Removal, Update, compact, key_in

# What the changed attributes are to the expressions: those that get a value and had one, that get their first,
# and that lose theirs.
_Shape = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]
Shape = TypeVar("Shape")
# Items whose attributes' names are data have any number of shapes.
CHANGE_SHAPES_MAX = 1_000


class ItemFilter(NamedTuple):
    """Which items a run is about, as a filter expression with its names and values."""

    expression: str
    names: Mapping[str, str]
    values: Mapping[str, Mapping[str, Any]]

    @classmethod
    def from_state(cls, state: Mapping[str, Any] | None) -> ItemFilter | None:
        """Read what `to_state` returns."""
        return cls(state["expression"], state["names"], state["values"]) if state else None

    def to_state(self) -> dict[str, Any]:
        """The filter as it travels in state."""
        return {"expression": self.expression, "names": dict(self.names), "values": dict(self.values)}


class ChangeBodies:
    """Bodies of UpdateItem and DeleteItem on one table. For any number of threads.

    An item that `where` would not let through any more is not changed. Placeholders are numbers; `where` has none.
    """

    def __init__(self, table: str, schema: KeySchema, where: ItemFilter | None) -> None:
        self._table = table
        self._schema = schema
        self._where = where
        values = where.values if where else {}
        self._where_values = b"".join(b",%b:%b" % (_json(name), _json(each)) for name, each in values.items())
        self._heads: dict[_Shape, bytes] = {}
        self._delete_heads: dict[tuple[str, ...], bytes] = {}

    @property
    def is_filtered(self) -> bool:
        """Whether the condition is also that of the run's filter."""
        return self._where is not None

    def check_update(self, change: Update) -> None:
        """Raise RejectError when DynamoDB would not take the change for its expressions."""
        self._update_head(self._shape(change))

    def check_delete(self, item: Attributes) -> None:
        """Raise RejectError when DynamoDB would not take the deletion for its condition."""
        self._delete_head(tuple(item))

    def update(self, change: Update) -> bytes:
        """UpdateItem of the attributes that change, each of which must be as it was read. Raises RejectError."""
        shape = kept, new, removed = self._shape(change)
        head = self._update_head(shape)
        values = [b'":%d":%b' % (2 * number, change.values[name]) for number, name in enumerate(kept + new)]
        values += _old_values(change.before, kept, change.old)
        values += _old_values(change.before, removed, change.old, len(kept) + len(new))
        return self._body(head, change.key or _json(self.key(change.before)), values)

    def delete(self, change: Removal) -> bytes:
        """DeleteItem of an item all of whose attributes must be as they were read; it returns what it has deleted.

        Raises RejectError.
        """
        names = tuple(change.before)
        values = _old_values(change.before, names, {})
        return self._body(self._delete_head(names), _json(self.key(change.before)), values)

    def restoration(self, item: Attributes) -> bytes:
        """UpdateItem that puts an item back; attributes that it has by now stay as they are."""
        key = self.key(item)
        names = [name for name in item if name not in key]
        request: dict[str, Any] = {"TableName": self._table, "Key": key}
        if names:
            sets = ",".join(f"#{number}=if_not_exists(#{number},:{number})" for number in range(len(names)))
            request |= {
                "UpdateExpression": f"SET {sets}",
                "ExpressionAttributeNames": {f"#{number}": name for number, name in enumerate(names)},
                "ExpressionAttributeValues": {f":{number}": item[name] for number, name in enumerate(names)},
            }
        return _json(request)

    def key(self, item: Attributes) -> dict[str, Any]:
        """The item's primary key in DynamoDB JSON."""
        return key_in(item, self._schema)

    @staticmethod
    def _shape(change: Update) -> _Shape:
        kept = tuple(name for name in change.values if name in change.before)
        return kept, tuple(name for name in change.values if name not in change.before), change.removed

    def _update_head(self, shape: _Shape) -> bytes:
        head = self._heads.get(shape)
        if head is None:
            head = self._new_update_head(*shape)
            _remember(self._heads, shape, head)
        return head

    def _new_update_head(self, kept: tuple[str, ...], new: tuple[str, ...], removed: tuple[str, ...]) -> bytes:
        names = (*kept, *new, *removed)
        set_until, new_until = len(kept), len(kept) + len(new)
        sets = ",".join(f"#{number}=:{2 * number}" for number in range(new_until))
        removes = ",".join(f"#{number}" for number in range(new_until, len(names)))
        expressions = [f"{word} {each}" for word, each in (("SET", sets), ("REMOVE", removes)) if each]
        conditions = [
            f"attribute_not_exists(#{number})" if set_until <= number < new_until else f"#{number}=:{2 * number + 1}"
            for number in range(len(names))
        ]
        return self._head(names, conditions, {"UpdateExpression": " ".join(expressions)})

    def _delete_head(self, names: tuple[str, ...]) -> bytes:
        head = self._delete_heads.get(names)
        if head is None:
            conditions = [f"#{number}=:{2 * number + 1}" for number in range(len(names))]
            head = self._head(names, conditions, {"ReturnValues": "ALL_OLD"})
            _remember(self._delete_heads, names, head)
        return head

    def _head(self, names: tuple[str, ...], conditions: Iterable[str], more: Mapping[str, str]) -> bytes:
        """All of the body that requests of one shape have in common; the key's placeholder follows the others."""
        condition = " AND ".join([f"attribute_exists(#{len(names)})", *conditions])
        aliases = {f"#{number}": name for number, name in enumerate((*names, self._schema.partition.name))}
        if self._where:
            condition += f" AND ({self._where.expression})"
            aliases |= self._where.names
        _check_size(len(names), condition, more.get("UpdateExpression", ""))
        request = {
            "TableName": self._table,
            **more,
            "ConditionExpression": condition,
            "ExpressionAttributeNames": aliases,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            "ReturnConsumedCapacity": "TOTAL",
        }
        return json.dumps(request).encode().removesuffix(b"}")

    def _body(self, head: bytes, key: bytes, values: Iterable[bytes]) -> bytes:
        all_values = b",".join(values) + self._where_values
        return b'%b,"Key":%b,"ExpressionAttributeValues":{%b}}' % (head, key, all_values)


def _check_size(attributes: int, *expressions: str) -> None:
    longest = max(len(each.encode()) for each in expressions)
    if longest > EXPRESSION_MAX_BYTES:
        raise RejectError(
            Reason.ITEM_TOO_WIDE,
            f"the condition on {attributes} attributes takes an expression of {longest:,} bytes, "
            f"and DynamoDB takes {EXPRESSION_MAX_BYTES:,}",
        )


def _remember(heads: dict[Shape, bytes], shape: Shape, head: bytes) -> None:
    if len(heads) >= CHANGE_SHAPES_MAX:
        heads.clear()
    heads[shape] = head


def _old_values(before: Attributes, names: Iterable[str], known: Mapping[str, bytes], first: int = 0) -> list[bytes]:
    return [
        b'":%d":%b' % (2 * number + 1, known.get(name) or _json(before[name]))
        for number, name in enumerate(names, first)
    ]


def _json(value: object) -> bytes:
    return compact(value).encode()

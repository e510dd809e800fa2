"""What is to become of one item in its place: attributes that get other values, or its end."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from sluice.dynamodb.items import MAX_ITEM_BYTES, comparable, item_size, utf8_value
from sluice.dynamodb.keys import KeySchema
from sluice.dynamodb.plain import Attributes
from sluice.errors import RejectError
from sluice.rejects import Reason

WRITE_UNIT_BYTES = 1024
# Less than this is measured only where the size is needed anyway: DynamoDB refuses an item that just exceeds its limit.
MEASURED_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Update:
    """`values`: the attributes that get one, each in DynamoDB JSON, UTF-8. `removed`: those that go."""

    before: Attributes
    values: Mapping[str, bytes]
    removed: tuple[str, ...] = ()

    def after(self) -> dict[str, Any]:
        """The item as it becomes."""
        kept = {name: value for name, value in self.before.items() if name not in self.removed}
        return kept | {name: json.loads(value) for name, value in self.values.items()}

    def write_units(self) -> float:
        """What the change takes. Raises RejectError when the item becomes too large."""
        after = item_size(self.after())
        if after > MAX_ITEM_BYTES:
            raise RejectError(
                Reason.ITEM_TOO_LARGE, f"the item would have {after} bytes, DynamoDB accepts at most {MAX_ITEM_BYTES}"
            )
        return write_units(max(item_size(self.before), after))


@dataclass(frozen=True, slots=True)
class Removal:
    """The item goes."""

    before: Attributes

    def after(self) -> None:
        """Nothing."""

    def write_units(self) -> float:
        """What the deletion takes."""
        return write_units(item_size(self.before))


Change = Update | Removal


def difference(before: Attributes, values: Mapping[str, str], removed: set[str], schema: KeySchema) -> Update | None:
    """The change to these values, each in DynamoDB JSON, as far as they are others; None when none is.

    Raises RejectError for a change that the table cannot take.
    """
    changed = {
        name: utf8_value(name, value)
        for name, value in values.items()
        if name not in before or not _is_same(before[name], value)
    }
    if not changed and not removed:
        return None
    for key in schema.attributes:
        if key.name in changed or key.name in removed:
            raise RejectError(Reason.KEY_CHANGED, f"attribute {key.name} is the item's key, which stays instead")
    update = Update(before, changed, tuple(sorted(removed)))
    if sum(map(len, changed.values())) > MEASURED_BYTES:
        update.write_units()
    return update


def write_units(item_bytes: int) -> float:
    """Write units of an item of this size."""
    return float(max(1, -(-item_bytes // WRITE_UNIT_BYTES)))


def compact(value: object) -> str:
    """JSON as the encoders write it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _is_same(before: Mapping[str, Any], value: str) -> bool:
    """Whether DynamoDB holds the same for both; nearly always the texts are the same then."""
    return compact(before) == value or comparable(before) == comparable(json.loads(value))


# What the changed attributes are to the expressions: those that get a value and had one, that get their first,
# and that lose theirs.
_Shape = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]
Shape = TypeVar("Shape")
# Items whose attributes' names are data have any number of shapes.
SHAPES_MAX = 1_000


class Where(NamedTuple):
    """Which items a run is about, as a filter expression with its names and values."""

    expression: str
    names: Mapping[str, str]
    values: Mapping[str, Mapping[str, Any]]

    @classmethod
    def from_state(cls, state: Mapping[str, Any] | None) -> Where | None:
        """Read what `to_state` returns."""
        return cls(state["expression"], state["names"], state["values"]) if state else None

    def to_state(self) -> dict[str, Any]:
        """The filter as it travels in state."""
        return {"expression": self.expression, "names": dict(self.names), "values": dict(self.values)}


class UpdateRequests:
    """Bodies of UpdateItem and DeleteItem on one table.

    An item that `where` would not let through any more is left alone. Placeholders are numbers, which `where` has not.
    """

    def __init__(self, table: str, schema: KeySchema, where: Where | None) -> None:
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

    def update(self, change: Update) -> bytes:
        """UpdateItem of the attributes that change, each of which must be as it was read."""
        before = change.before
        kept = tuple(name for name in change.values if name in before)
        new = tuple(name for name in change.values if name not in before)
        shape = (kept, new, change.removed)
        head = self._heads.get(shape)
        if head is None:
            head = self._update_head(*shape)
            _remember(self._heads, shape, head)
        values = [b'":%d":%b' % (2 * number, change.values[name]) for number, name in enumerate(kept + new)]
        values += _old_values(before, kept)
        values += _old_values(before, change.removed, len(kept) + len(new))
        return self._body(head, before, values)

    def delete(self, change: Removal) -> bytes:
        """DeleteItem of an item all of whose attributes must be as they were read; it returns what it has deleted."""
        names = tuple(change.before)
        head = self._delete_heads.get(names)
        if head is None:
            conditions = [f"#{number}=:{2 * number + 1}" for number in range(len(names))]
            head = self._head(names, conditions, {"ReturnValues": "ALL_OLD"})
            _remember(self._delete_heads, names, head)
        return self._body(head, change.before, _old_values(change.before, names))

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
        return {each.name: item[each.name] for each in self._schema.attributes}

    def _update_head(self, kept: tuple[str, ...], new: tuple[str, ...], removed: tuple[str, ...]) -> bytes:
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

    def _head(self, names: tuple[str, ...], conditions: Iterable[str], more: Mapping[str, str]) -> bytes:
        """All of the body that requests of one shape have in common; the key's placeholder follows the others."""
        condition = " AND ".join([f"attribute_exists(#{len(names)})", *conditions])
        aliases = {f"#{number}": name for number, name in enumerate((*names, self._schema.partition.name))}
        if self._where:
            condition += f" AND ({self._where.expression})"
            aliases |= self._where.names
        request = {
            "TableName": self._table,
            **more,
            "ConditionExpression": condition,
            "ExpressionAttributeNames": aliases,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            "ReturnConsumedCapacity": "TOTAL",
        }
        return json.dumps(request).encode().removesuffix(b"}")

    def _body(self, head: bytes, item: Attributes, values: Iterable[bytes]) -> bytes:
        all_values = b",".join(values) + self._where_values
        return b'%b,"Key":%b,"ExpressionAttributeValues":{%b}}' % (head, _json(self.key(item)), all_values)


def _remember(heads: dict[Shape, bytes], shape: Shape, head: bytes) -> None:
    if len(heads) >= SHAPES_MAX:
        heads.clear()
    heads[shape] = head


def _old_values(before: Attributes, names: Iterable[str], first: int = 0) -> list[bytes]:
    return [b'":%d":%b' % (2 * number + 1, _json(before[name])) for number, name in enumerate(names, first)]


def _json(value: object) -> bytes:
    return compact(value).encode()

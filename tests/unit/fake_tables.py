"""DynamoDB tables in memory, behind the wire: requests carry out what their expressions say."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from threading import RLock
from typing import Any

from sluice.aws.retry import RetryPolicy
from sluice.aws.wire import Attempts, Wire
from sluice.dynamodb.items import comparable, item_size
from sluice.dynamodb.keys import KeySchema
from sluice.errors import AccessDeniedError, WireError

Json = dict[str, Any]
HASH_BITS = 128
ITEM_MAX_BYTES = 400 << 10
_TOKENS = re.compile(r"\s*(<>|<=|>=|[=<>(),]|[#:]?\w+)")


@dataclass
class FakeTable:
    """One table's items; `page_items`: so many are evaluated for one page of a scan."""

    schema: KeySchema
    page_items: int = 1_000
    items: dict[tuple[Any, ...], Json] = field(default_factory=dict)

    def key(self, item: Json) -> tuple[Any, ...]:
        return tuple(comparable(item[each.name]) for each in self.schema.attributes)

    def put(self, *items: Json) -> None:
        for item in items:
            self.items[self.key(item)] = dict(item)

    def get(self, key: Json) -> Json | None:
        return self.items.get(self.key(key))

    @property
    def all(self) -> list[Json]:
        """All items, in the order of their keys."""
        return [item for _, item in sorted(self.items.items(), key=lambda pair: repr(pair[0]))]

    def position(self, item: Json) -> tuple[int, str]:
        """Where in a scan the item comes."""
        partition = repr(comparable(item[self.schema.partition.name])).encode()
        digest = hashlib.md5(partition, usedforsecurity=False).digest()
        return int.from_bytes(digest), repr(self.key(item))


class FakeTables(Wire):
    """The wire, to tables in memory. `before` is called with each request's number and operation before it runs.

    What `before` raises, the request raises, without having run; what `after` raises, after it has. `on_change` gets
    the table's name and the item before and after.
    """

    def __init__(self, **tables: FakeTable) -> None:
        super().__init__(lambda: None, RetryPolicy(first_pause_seconds=0.0))  # type: ignore[arg-type, return-value]
        self.tables = tables
        self.before: Callable[[int, str], None] = lambda _number, _operation: None
        self.after: Callable[[int, str], None] = lambda _number, _operation: None
        self.unprocessed: Iterator[int] = iter(())
        self.log: list[tuple[str, Json]] = []
        self.on_change: Callable[[str, Json | None, Json | None], None] = lambda _table, _old, _new: None
        self._lock = RLock()

    def call(self, operation: str, body: bytes, attempts: Attempts | None = None) -> Json:
        """Carry out one request."""
        with self._lock:
            number, request = len(self.log), json.loads(body)
            self.log.append((operation, request))
            self.before(number, operation)
            try:
                answer: Json = json.loads(json.dumps(_OPERATIONS[operation](self, request)))
            finally:
                self.after(number, operation)
            return answer

    def operations(self, *names: str) -> list[Json]:
        """The requests of these operations."""
        return [request for operation, request in self.log if operation in names]

    def _scan(self, request: Json) -> Json:
        table = self.tables[request["TableName"]]
        segment, segments, start = request["Segment"], request["TotalSegments"], request.get("ExclusiveStartKey")
        found = sorted(table.items.values(), key=table.position)
        found = [each for each in found if table.position(each)[0] * segments >> HASH_BITS == segment]
        if start is not None:
            assert set(start) == {each.name for each in table.schema.attributes}
            found = [each for each in found if table.position(each) > table.position(start)]
        limit = min(request.get("Limit", table.page_items), table.page_items)
        evaluated = found[:limit]
        units = 0.5 * max(1, -(-sum(map(item_size, evaluated)) // 4096))
        let_through = [each for each in evaluated if _holds(request.get("FilterExpression"), request, each)]
        if "ProjectionExpression" in request:
            names = request["ExpressionAttributeNames"]
            shown = {names.get(each, each) for each in request["ProjectionExpression"].split(", ")}
            let_through = [{name: item[name] for name in shown & set(item)} for item in let_through]
        answer: Json = {"Items": let_through, "ScannedCount": len(evaluated), "ConsumedCapacity": _capacity(units)}
        if len(found) > limit or (evaluated and len(evaluated) == limit):
            last = evaluated[-1]
            answer["LastEvaluatedKey"] = {each.name: last[each.name] for each in table.schema.attributes}
        return answer

    def _put(self, request: Json) -> Json:
        table, item = self.tables[request["TableName"]], request["Item"]
        old = table.get(item)
        self._check(request, old)
        _check_item(item)
        table.put(item)
        self.on_change(request["TableName"], old, item)
        return {"ConsumedCapacity": _capacity(_units(old, item))}

    def _update(self, request: Json) -> Json:
        table, key = self.tables[request["TableName"]], request["Key"]
        old = table.get(key)
        self._check(request, old)
        new = _updated(request, old or key)
        _check_item(new)
        table.put(new)
        self.on_change(request["TableName"], old, new)
        return {"ConsumedCapacity": _capacity(_units(old, new))}

    def _delete(self, request: Json) -> Json:
        table = self.tables[request["TableName"]]
        old = table.get(request["Key"])
        self._check(request, old)
        table.items.pop(table.key(request["Key"]), None)
        self.on_change(request["TableName"], old, None)
        answer: Json = {"ConsumedCapacity": _capacity(_units(old))}
        if old is not None and request.get("ReturnValues") == "ALL_OLD":
            answer["Attributes"] = old
        return answer

    def _batch_write(self, request: Json) -> Json:
        ((name, changes),) = request["RequestItems"].items()
        table, units = self.tables[name], 0.0
        keys = [table.key(each["PutRequest"]["Item"]) for each in changes]
        if len(set(keys)) < len(keys):
            raise WireError("ValidationException", "Provided list of item keys contains duplicates", 400)
        for each in changes:
            _check_item(each["PutRequest"]["Item"])
        left = changes[: min(next(self.unprocessed, 0), len(changes) - 1)]
        for each in changes[len(left) :]:
            item = each["PutRequest"]["Item"]
            units += _units(table.get(item), item)
            self.on_change(name, table.get(item), item)
            table.put(item)
        return {"UnprocessedItems": {name: left} if left else {}, "ConsumedCapacity": [_capacity(units)]}

    def _batch_get(self, request: Json) -> Json:
        ((name, wanted),) = request["RequestItems"].items()
        assert 1 <= len(wanted["Keys"]) <= 100
        assert wanted["ConsistentRead"]
        left = wanted["Keys"][: min(next(self.unprocessed, 0), len(wanted["Keys"]) - 1)]
        found = [self.tables[name].get(key) for key in wanted["Keys"][len(left) :]]
        return {
            "Responses": {name: [each for each in found if each]},
            "UnprocessedKeys": {name: {**wanted, "Keys": left}} if left else {},
            "ConsumedCapacity": [_capacity(float(len(found)))],
        }

    def _check(self, request: Json, old: Json | None) -> None:
        if _holds(request.get("ConditionExpression"), request, old or {}):
            return
        details: Json = {"__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"}
        if old is not None and request.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD":
            details["Item"] = json.loads(json.dumps(old))
        raise WireError("ConditionalCheckFailedException", "The conditional request failed", 400, details)


_OPERATIONS: dict[str, Callable[[FakeTables, Json], Json]] = {
    "Scan": FakeTables._scan,
    "PutItem": FakeTables._put,
    "UpdateItem": FakeTables._update,
    "DeleteItem": FakeTables._delete,
    "BatchWriteItem": FakeTables._batch_write,
    "BatchGetItem": FakeTables._batch_get,
}


def denied(_number: int, operation: str) -> None:
    """The error that a role without rights gets."""
    raise AccessDeniedError(f"{operation} is not allowed")


def _capacity(units: float) -> Json:
    return {"TableName": "any", "CapacityUnits": units}


def _units(*items: Json | None) -> float:
    return float(max(1, -(-max(item_size(each or {}) for each in items) // 1024)))


def _check_item(item: Json) -> None:
    if "refuse" in item:
        raise WireError("ValidationException", "One or more parameter values were invalid", 400)
    if item_size(item) > ITEM_MAX_BYTES:
        raise WireError("ValidationException", "Item size has exceeded the maximum allowed size", 400)


def _updated(request: Json, old: Json) -> Json:
    new = dict(old)
    names, values = request.get("ExpressionAttributeNames", {}), request.get("ExpressionAttributeValues", {})
    for clause in re.split(r"\s*(?=\b(?:SET|REMOVE)\b)", request.get("UpdateExpression", "")):
        word, _, rest = clause.partition(" ")
        if word == "REMOVE":
            for alias in rest.split(","):
                new.pop(names[alias.strip()])
        elif word == "SET":
            for alias, kept, value in re.findall(r"(#\w+)=(?:if_not_exists\((#\w+),)?(:\w+)", rest):
                assert kept in ("", alias)
                if not kept or names[alias] not in old:
                    new[names[alias]] = values[value]
    return new


def _holds(expression: str | None, request: Json, item: Json) -> bool:
    if expression is None:
        return True
    others = " ".join(request.get(name, "") for name in ("UpdateExpression", "ProjectionExpression"))
    used = set(re.findall(r"[#:]\w+", f"{expression} {others}"))
    given = {*request.get("ExpressionAttributeNames", {}), *request.get("ExpressionAttributeValues", {})}
    if used != given:
        raise WireError("ValidationException", f"not used or not defined: {sorted(used ^ given)}", 400)
    return _Condition(expression, request, item).value()


class _Condition:
    """AND, OR, NOT, comparisons and functions over top-level attributes."""

    def __init__(self, expression: str, request: Json, item: Json) -> None:
        self._tokens = [each[1] for each in _TOKENS.finditer(expression)]
        self._names: Json = request.get("ExpressionAttributeNames", {})
        self._values: Json = request.get("ExpressionAttributeValues", {})
        self._item = item

    def value(self) -> bool:
        result = self._any()
        assert not self._tokens
        return result

    def _any(self) -> bool:
        result = self._all()
        while self._tokens[:1] == ["OR"]:
            self._tokens.pop(0)
            result = self._all() or result
        return result

    def _all(self) -> bool:
        result = self._one()
        while self._tokens[:1] == ["AND"]:
            self._tokens.pop(0)
            result = self._one() and result
        return result

    def _one(self) -> bool:
        token = self._tokens.pop(0)
        if token == "NOT":
            return not self._one()
        if token == "(":
            result = self._any()
            assert self._tokens.pop(0) == ")"
            return result
        if token == "attribute_type":
            _, alias, _, kind, _ = (self._tokens.pop(0) for _ in range(5))
            return self._values[kind]["S"] in self._item.get(self._name(alias), {})
        if token in ("attribute_exists", "attribute_not_exists"):
            _, alias, _ = (self._tokens.pop(0) for _ in range(3))
            return (self._name(alias) in self._item) == (token == "attribute_exists")
        operator, right = self._tokens.pop(0), self._tokens.pop(0)
        return _compare(operator, self._operand(token), self._operand(right))

    def _name(self, token: str) -> str:
        return str(self._names[token] if token.startswith("#") else token)

    def _operand(self, token: str) -> Any:
        value = self._values[token] if token.startswith(":") else self._item.get(self._name(token))
        return comparable(value) if value is not None else None


def _compare(operator: str, left: Any, right: Any) -> bool:
    if operator == "<>":
        return bool(left != right)
    if left is None or right is None or left[0] != right[0]:
        return False
    results = {"=": left == right, "<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}
    return bool(results[operator])

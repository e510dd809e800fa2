"""What a key condition lets through: a partition, and a stretch of its sort keys."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from local_aws.dynamodb.expressions.nodes import Between, Comparison, Condition, Junction, Path, Test, Value
from local_aws.dynamodb.expressions.tokens import NotPlainError
from local_aws.dynamodb.expressions.values import Values
from local_aws.dynamodb.key_order import typed_value
from local_aws.dynamodb.plain_requests import PlainTable

# Longer ones may be too long for a key.
LONG_CHARACTERS = 256


@dataclass(frozen=True, slots=True)
class Bounds:
    """The sort keys that a condition lets through: from `low` and up to `high`, typed values, inclusive or not."""

    low: Any = None
    high: Any = None
    includes_low: bool = True
    includes_high: bool = True
    prefix: str = ""

    def cut(self, keys: list[str], position: Callable[[str], Any]) -> tuple[int, int]:
        """Where they begin and end in keys that are in order."""
        begin, end = 0, len(keys)
        if self.low is not None:
            begin = (bisect_left if self.includes_low else bisect_right)(keys, self.low, key=position)
        if self.high is not None:
            end = (bisect_right if self.includes_high else bisect_left)(keys, self.high, key=position)
        if self.prefix:
            begin = bisect_left(keys, self.prefix)
            end = bisect_left(keys, 1, lo=begin, key=lambda key: int(not key.startswith(self.prefix)))
        return begin, max(begin, end)


@dataclass(frozen=True, slots=True)
class KeyRange:
    """A partition key's value, and the bounds of the sort key."""

    partition: str
    bounds: Bounds


def key_range(node: Condition, values: Values, target: PlainTable) -> KeyRange:
    """What a key condition lets through. Raises NotPlainError."""
    parts = node.conditions if isinstance(node, Junction) and node.word == "AND" else (node,)
    (partition_name, partition_kind, _), *sort_keys = target.keys.attributes
    hashes = [part for part in parts if _is_on(part, partition_name)]
    others = [part for part in parts if not _is_on(part, partition_name)]
    if len(hashes) != 1 or len(others) > len(sort_keys):
        raise NotPlainError("KeyConditionExpression")
    equality = hashes[0]
    if not isinstance(equality, Comparison) or equality.sign != "=":
        raise NotPlainError("the partition key has to be equal")
    partition = _content(equality.right, partition_kind, values)
    if not others:
        return KeyRange(partition, Bounds())
    if not _is_on(others[0], sort_keys[0][0]):
        raise NotPlainError("another attribute than the keys")
    return KeyRange(partition, _bounds(others[0], sort_keys[0][1], values))


def _is_on(node: Condition, name: str) -> bool:
    """Whether a condition is about an attribute, which stands to the left."""
    if isinstance(node, Comparison):
        return node.left == Path((name,))
    if isinstance(node, Between):
        return node.operand == Path((name,))
    return isinstance(node, Test) and node.path == Path((name,))


def _bounds(node: Condition, kind: str, values: Values) -> Bounds:
    if isinstance(node, Between):
        first, last = (_content(operand, kind, values) for operand in (node.low, node.high))
        return Bounds(typed_value(kind, first), typed_value(kind, last))
    if isinstance(node, Test) and node.name == "begins_with" and kind == "S":
        return Bounds(prefix=_content(node.value, kind, values))
    if not isinstance(node, Comparison) or node.sign == "<>":
        raise NotPlainError("a condition that sort keys do not have")
    value = typed_value(kind, _content(node.right, kind, values))
    has_low, has_high = node.sign in ("=", ">", ">="), node.sign in ("=", "<", "<=")
    low, high = (value if has_bound else None for has_bound in (has_low, has_high))
    return Bounds(low, high, includes_low=node.sign != ">", includes_high=node.sign != "<")


def _content(operand: Any, kind: str, values: Values) -> str:
    value = values[operand.name] if isinstance(operand, Value) else {}
    content = value.get(kind)
    if not content or len(content) > LONG_CHARACTERS:
        raise NotPlainError("a value that is not a key's")
    return str(content)

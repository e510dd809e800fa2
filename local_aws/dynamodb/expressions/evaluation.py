"""Makes functions of conditions: item and values in, true or false out."""

from collections.abc import Callable
from typing import Any

from local_aws.dynamodb.expressions.nodes import (
    Between,
    Comparison,
    Condition,
    Exists,
    In,
    Junction,
    Not,
    Operand,
    Size,
    Test,
    Value,
)
from local_aws.dynamodb.expressions.tokens import NotPlainError
from local_aws.dynamodb.expressions.values import (
    AttributeValue,
    Item,
    Values,
    are_equal,
    begins_with,
    comparison,
    contains,
    getter,
    has_type,
    size,
)

Evaluate = Callable[[Item, Values], bool]
Resolve = Callable[[Item, Values], AttributeValue | None]
Compare = Callable[[AttributeValue | None, AttributeValue | None], bool]

TESTS: dict[str, Callable[[AttributeValue, AttributeValue], bool]] = {
    "attribute_type": has_type,
    "begins_with": begins_with,
    "contains": contains,
}


def evaluator(condition: Condition) -> Evaluate:
    """The condition as a function, which raises NotPlainError for items that need a closer look."""
    make: Callable[[Any], Evaluate] = MAKERS[type(condition)]
    return make(condition)


def _comparison(node: Comparison) -> Evaluate:
    left, right, compare = _operand(node.left), _operand(node.right), _compare(node.sign)
    return lambda item, values: compare(left(item, values), right(item, values))


def _compare(sign: str) -> Compare:
    if sign == "=":
        return are_equal
    return (lambda left, right: not are_equal(left, right)) if sign == "<>" else comparison(sign)


def _between(node: Between) -> Evaluate:
    operand, low, high = _operand(node.operand), _operand(node.low), _operand(node.high)
    is_at_most = comparison("<=")

    def evaluate(item: Item, values: Values) -> bool:
        value = operand(item, values)
        return is_at_most(low(item, values), value) and is_at_most(value, high(item, values))

    return evaluate


def _in(node: In) -> Evaluate:
    operand, choices = _operand(node.operand), [_operand(choice) for choice in node.choices]

    def evaluate(item: Item, values: Values) -> bool:
        value = operand(item, values)
        return any(are_equal(value, choice(item, values)) for choice in choices)

    return evaluate


def _exists(node: Exists) -> Evaluate:
    get, expected = getter(node.path.parts), node.expected
    return lambda item, _: (get(item) is not None) is expected


def _test(node: Test) -> Evaluate:
    get, name, test = getter(node.path.parts), node.value.name, TESTS[node.name]

    def evaluate(item: Item, values: Values) -> bool:
        value = get(item)
        return value is not None and test(value, values[name])

    return evaluate


def _not(node: Not) -> Evaluate:
    condition = evaluator(node.condition)
    return lambda item, values: not condition(item, values)


def _junction(node: Junction) -> Evaluate:
    conditions = [evaluator(condition) for condition in node.conditions]
    decisive = node.word == "OR"

    def evaluate(item: Item, values: Values) -> bool:
        for condition in conditions:
            if condition(item, values) is decisive:
                return decisive
        return not decisive

    return evaluate


MAKERS: dict[type, Callable[[Any], Evaluate]] = {
    Comparison: _comparison,
    Between: _between,
    In: _in,
    Exists: _exists,
    Test: _test,
    Not: _not,
    Junction: _junction,
}


def _operand(node: Operand) -> Resolve:
    if isinstance(node, Value):
        name = node.name
        return lambda _, values: values[name]
    if isinstance(node, Size):
        get = getter(node.path.parts)
        return lambda item, _: None if (value := get(item)) is None else size(value)
    get = getter(node.parts)
    return lambda item, _: get(item)


def check_values(condition: Condition, values: Values) -> None:
    """Raises NotPlainError for values of a type that their place in the condition does not allow."""
    if isinstance(condition, Junction):
        for each in condition.conditions:
            check_values(each, values)
    elif isinstance(condition, Not):
        check_values(condition.condition, values)
    elif isinstance(condition, Test):
        _check(condition.value, values, ALLOWED.get(condition.name))
    elif isinstance(condition, Between):
        _check_bounds(condition, values)
    elif isinstance(condition, Comparison) and condition.sign not in ("=", "<>"):
        for operand in (condition.left, condition.right):
            _check(operand, values, ("S", "N", "B"))


ALLOWED = {"attribute_type": ("S",), "begins_with": ("S", "B")}


def _check(operand: Operand, values: Values, allowed: tuple[str, ...] | None) -> None:
    if isinstance(operand, Value) and allowed is not None and next(iter(values[operand.name])) not in allowed:
        raise NotPlainError(f"{operand.name} has another type than {' or '.join(allowed)}")


def _check_bounds(condition: Between, values: Values) -> None:
    for operand in (condition.operand, condition.low, condition.high):
        _check(operand, values, ("S", "N", "B"))
    low, high = condition.low, condition.high
    are_values = isinstance(low, Value) and isinstance(high, Value)
    if are_values and not comparison("<=")(_operand(low)({}, values), _operand(high)({}, values)):
        raise NotPlainError("the upper bound is less than the lower one")

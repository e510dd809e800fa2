"""Makes functions of updates: item and values in, a changed copy out. Nothing is changed in place."""

from collections.abc import Callable
from decimal import Context, Decimal, Inexact
from typing import Any

from ministack.services import dynamodb as service

from local_aws.dynamodb.expressions.nodes import Action, IfNotExists, ListAppend, Path, Setting, Sum, Value
from local_aws.dynamodb.expressions.tokens import NotPlainError
from local_aws.dynamodb.expressions.values import AttributeValue, Item, Values, getter, type_of

Change = Callable[[Item, Values], AttributeValue | None]
Changed = dict[str, AttributeValue]

SET_TYPES = ("SS", "NS", "BS")
MAXIMUM_NESTING = 32
# Wide enough for any two numbers of 38 digits whose sum has no more.
ARITHMETIC = Context(prec=300, traps=[Inexact])


def updater(actions: tuple[Action, ...]) -> Callable[[Item, Values], Changed]:
    """The actions as one function. It raises NotPlainError for items and values that need a closer look.

    Every action sees the item as it was before the update.
    """
    changes = [(action.path.parts, _change(action)) for action in actions]

    def update(item: Item, values: Values) -> Changed:
        found = [(parts, change(item, values)) for parts, change in changes]
        changed = dict(item)
        for parts, value in found:
            if len(parts) == 1:
                _put(changed, str(parts[0]), value)
            else:
                _check_nesting(value, len(parts))
                changed = _with_member(changed, [str(part) for part in parts], value)
        return changed

    return update


def _put(members: Changed, name: str, value: AttributeValue | None) -> None:
    if value is None:
        members.pop(name, None)
    else:
        members[name] = value


def _with_member(members: Changed, names: list[str], value: AttributeValue | None) -> Changed:
    """A copy, down to what changes. Raises NotPlainError when a map along the path is missing."""
    copied = dict(members)
    if len(names) == 1:
        _put(copied, names[0], value)
        return copied
    inner = members.get(names[0], {}).get("M")
    if inner is None:
        raise NotPlainError(f"{names[0]} is not a map")
    copied[names[0]] = {"M": _with_member(inner, names[1:], value)}
    return copied


def _check_nesting(value: AttributeValue | None, depth: int) -> None:
    if value is not None and service._nesting_level(value) + depth - 1 > MAXIMUM_NESTING:
        raise NotPlainError("nested too deep")


def _change(action: Action) -> Change:
    """What the action makes of its attribute; None to remove it."""
    if action.clause == "REMOVE" or action.setting is None:
        return lambda *_: None
    if action.clause == "SET":
        return _setting(action.setting)
    assert isinstance(action.setting, Value)
    make = _addition if action.clause == "ADD" else _deletion
    return make(action.path, action.setting.name)


def _addition(path: Path, name: str) -> Change:
    get = getter(path.parts)

    def add(item: Item, values: Values) -> AttributeValue:
        old, added = get(item), values[name]
        kind = type_of(added)
        if kind not in ("N", *SET_TYPES) or (old is not None and type_of(old) != kind):
            raise NotPlainError(f"ADD {name}")
        if old is None:
            return added if kind == "N" else {kind: sorted(added[kind])}
        return _total("+", old, added) if kind == "N" else {kind: sorted({*old[kind], *added[kind]})}

    return add


def _deletion(path: Path, name: str) -> Change:
    get = getter(path.parts)

    def delete(item: Item, values: Values) -> AttributeValue | None:
        old, deleted = get(item), values[name]
        kind = type_of(deleted)
        if kind not in SET_TYPES or (old is not None and type_of(old) != kind):
            raise NotPlainError(f"DELETE {name}")
        left = [] if old is None else [member for member in old[kind] if member not in deleted[kind]]
        return {kind: left} if left else None

    return delete


def _setting(node: Setting) -> Callable[[Item, Values], AttributeValue]:
    make: Callable[[Any], Callable[[Item, Values], AttributeValue]] = SETTINGS[type(node)]
    return make(node)


def _value(node: Value) -> Callable[[Item, Values], AttributeValue]:
    name = node.name
    return lambda _, values: values[name]


def _path(node: Path) -> Callable[[Item, Values], AttributeValue]:
    get = getter(node.parts)

    def existing(item: Item, _: Values) -> AttributeValue:
        value = get(item)
        if value is None:
            raise NotPlainError(f"{node.parts} is missing")
        return value

    return existing


def _if_not_exists(node: IfNotExists) -> Callable[[Item, Values], AttributeValue]:
    get, default = getter(node.path.parts), _setting(node.default)

    def existing_or_default(item: Item, values: Values) -> AttributeValue:
        value = get(item)
        return default(item, values) if value is None else value

    return existing_or_default


def _list_append(node: ListAppend) -> Callable[[Item, Values], AttributeValue]:
    first, second = _setting(node.first), _setting(node.second)

    def joined(item: Item, values: Values) -> AttributeValue:
        left, right = first(item, values).get("L"), second(item, values).get("L")
        if left is None or right is None:
            raise NotPlainError("list_append of something else than lists")
        return {"L": left + right}

    return joined


def _sum(node: Sum) -> Callable[[Item, Values], AttributeValue]:
    left, right, sign = _setting(node.left), _setting(node.right), node.sign
    return lambda item, values: _total(sign, left(item, values), right(item, values))


SETTINGS: dict[type, Callable[[Any], Callable[[Item, Values], AttributeValue]]] = {
    Value: _value,
    Path: _path,
    IfNotExists: _if_not_exists,
    ListAppend: _list_append,
    Sum: _sum,
}


def _total(sign: str, left: AttributeValue, right: AttributeValue) -> AttributeValue:
    if "N" not in left or "N" not in right:
        raise NotPlainError("arithmetic on something else than numbers")
    combine = ARITHMETIC.add if sign == "+" else ARITHMETIC.subtract
    total = service._ddb_canonicalize_number(str(combine(Decimal(left["N"]), Decimal(right["N"]))))
    if total is None:
        raise NotPlainError("the result is out of range")
    return {"N": total}

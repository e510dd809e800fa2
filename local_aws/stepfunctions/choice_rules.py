"""The rules of a JSONPath Choice state."""

import operator
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from local_aws.stepfunctions.errors import RUNTIME
from local_aws.stepfunctions.json_paths import MISSING, find
from local_aws.stepfunctions.scope import Scope, State

COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "Equals": operator.eq,
    "LessThan": operator.lt,
    "LessThanEquals": operator.le,
    "GreaterThan": operator.gt,
    "GreaterThanEquals": operator.ge,
}
OPERATION = re.compile(r"(String|Numeric|Boolean|Timestamp)(\w+?)(Path)?")


def holds(rule: State, data: Any, scope: Scope) -> bool:
    """Whether a rule holds. Raises States.Runtime for a variable that is missing."""
    if "And" in rule:
        return all(holds(inner, data, scope) for inner in rule["And"])
    if "Or" in rule:
        return any(holds(inner, data, scope) for inner in rule["Or"])
    if "Not" in rule:
        return not holds(rule["Not"], data, scope)
    value = find(rule["Variable"], data, scope)
    name = next(key for key in rule if key not in ("Variable", "Next", "Comment", "Assign", "Output"))
    if name == "IsPresent":
        return (value is not MISSING) is rule[name]
    if value is MISSING:
        raise scope.failure(
            RUNTIME,
            f"Invalid path '{rule['Variable']}': The choice state's condition path references an invalid value.",
        )
    if name.startswith("Is"):
        return _is(name, value) is rule[name]
    return _compare(name, value, rule[name], data, scope)


def _is(name: str, value: Any) -> bool:
    checks = {
        "IsNull": value is None,
        "IsNumeric": _is_number(value),
        "IsString": isinstance(value, str),
        "IsBoolean": isinstance(value, bool),
        "IsTimestamp": _moment(value) is not None,
    }
    return checks[name]


def _compare(name: str, value: Any, wanted: Any, data: Any, scope: Scope) -> bool:
    match = OPERATION.fullmatch(name)
    if match is None:
        raise scope.failure(RUNTIME, f"Unknown comparison: {name}")
    kind, comparison, path = match.groups()
    if path:
        wanted = find(wanted, data, scope)
    if comparison == "Matches":
        return isinstance(value, str) and _matches(value, wanted)
    pair = (_typed(kind, value), _typed(kind, wanted))
    return None not in pair and COMPARISONS[comparison](*pair)


def _typed(kind: str, value: Any) -> Any:
    if kind == "Timestamp":
        return _moment(value)
    is_fitting = {
        "String": isinstance(value, str),
        "Boolean": isinstance(value, bool),
        "Numeric": _is_number(value),
    }
    return value if is_fitting[kind] else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _moment(value: Any) -> datetime | None:
    if not isinstance(value, str) or "T" not in value:
        return None
    try:
        moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def _matches(value: str, pattern: str) -> bool:
    """`*` stands for any text, `\\*` for itself."""
    parts = [re.escape(part.replace("\0", "*")) for part in pattern.replace("\\*", "\0").split("*")]
    return re.fullmatch(".*".join(parts), value, re.DOTALL) is not None

"""What the parsers make of an expression: nodes with names resolved, values by reference."""

from dataclasses import dataclass

Part = str | int


@dataclass(frozen=True, slots=True)
class Path:
    """A document path: attribute and member names, and indexes of lists."""

    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Value:
    """A reference to an expression attribute value, such as `:v`."""

    name: str


@dataclass(frozen=True, slots=True)
class Size:
    """`size(path)`."""

    path: Path


Operand = Path | Value | Size


@dataclass(frozen=True, slots=True)
class Comparison:
    """`left sign right`; signs are =, <>, <, <=, > and >=."""

    sign: str
    left: Operand
    right: Operand


@dataclass(frozen=True, slots=True)
class Between:
    """`operand BETWEEN low AND high`."""

    operand: Operand
    low: Operand
    high: Operand


@dataclass(frozen=True, slots=True)
class In:
    """`operand IN (choice, ...)`."""

    operand: Operand
    choices: tuple[Operand, ...]


@dataclass(frozen=True, slots=True)
class Exists:
    """`attribute_exists(path)`, or `attribute_not_exists(path)`."""

    path: Path
    expected: bool


@dataclass(frozen=True, slots=True)
class Test:
    """`name(path, value)`: attribute_type, begins_with or contains."""

    name: str
    path: Path
    value: Value


@dataclass(frozen=True, slots=True)
class Not:
    """`NOT condition`."""

    condition: "Condition"


@dataclass(frozen=True, slots=True)
class Junction:
    """Conditions joined by AND or by OR."""

    word: str
    conditions: tuple["Condition", ...]


Condition = Comparison | Between | In | Exists | Test | Not | Junction


@dataclass(frozen=True, slots=True)
class Sum:
    """`left + right`, or `left - right`."""

    sign: str
    left: "Setting"
    right: "Setting"


@dataclass(frozen=True, slots=True)
class IfNotExists:
    """`if_not_exists(path, default)`."""

    path: Path
    default: "Setting"


@dataclass(frozen=True, slots=True)
class ListAppend:
    """`list_append(first, second)`."""

    first: "Setting"
    second: "Setting"


Setting = Path | Value | Sum | IfNotExists | ListAppend


@dataclass(frozen=True, slots=True)
class Action:
    """One action of an update: SET has a setting, ADD and DELETE a value, REMOVE neither."""

    clause: str
    path: Path
    setting: Setting | None = None

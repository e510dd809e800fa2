"""Values as Athena writes them into results, and its names of their types."""

import datetime
import decimal
import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

MAXIMUM_VARCHAR = 2_147_483_647


@dataclass(frozen=True)
class AthenaType:
    """A column's type as ColumnInfo tells it."""

    name: str
    precision: int = 0
    scale: int = 0
    is_case_sensitive: bool = False


KNOWN = {
    "BOOLEAN": AthenaType("boolean"),
    "TINYINT": AthenaType("tinyint", 3),
    "SMALLINT": AthenaType("smallint", 5),
    "INTEGER": AthenaType("integer", 10),
    "FLOAT": AthenaType("float", 17),
    "DOUBLE": AthenaType("double", 17),
    "VARCHAR": AthenaType("varchar", MAXIMUM_VARCHAR, 0, is_case_sensitive=True),
    "DATE": AthenaType("date"),
    "BLOB": AthenaType("varbinary", 1_073_741_824),
    "JSON": AthenaType("json"),
    "UUID": AthenaType("uuid"),
    "TIMESTAMP WITH TIME ZONE": AthenaType("timestamp with time zone", 3),
    "INTERVAL": AthenaType("interval day to second"),
    '"NULL"': AthenaType("unknown"),
    "STRUCT": AthenaType("row"),
    "MAP": AthenaType("map"),
    **dict.fromkeys(("TIME", "TIME_NS"), AthenaType("time", 3)),
    **dict.fromkeys(("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"), AthenaType("timestamp", 3)),
    **dict.fromkeys(("BIGINT", "HUGEINT", "UBIGINT", "UHUGEINT", "UINTEGER"), AthenaType("bigint", 19)),
    **dict.fromkeys(("USMALLINT", "UTINYINT"), AthenaType("integer", 10)),
}


def athena_type(kind: str) -> AthenaType:
    """Athena's type of a column that has this type in DuckDB."""
    name, _, rest = kind.partition("(")
    if kind.endswith("]"):
        return AthenaType("array")
    if name == "DECIMAL":
        precision, _, scale = rest.rstrip(")").partition(",")
        return AthenaType("decimal", int(precision), int(scale))
    return KNOWN.get(kind) or KNOWN.get(name) or AthenaType("varchar")


def text_of(kind: str) -> Callable[[Any], str]:
    """How values of this type in DuckDB, none of them NULL, are written."""
    if kind == "FLOAT":
        return lambda value: _java_number(_shortest_float(value))
    if kind == "TIMESTAMP_S":
        return lambda value: value.strftime("%Y-%m-%d %H:%M:%S")
    if kind == "BLOB":
        return lambda value: value.hex(" ")
    if kind.startswith("MAP("):
        return lambda value: _text(dict(sorted(value.items())))
    return _text


@singledispatch
def _text(value: Any) -> str:
    return str(value)


@_text.register
def _(value: None) -> str:
    return "null"


@_text.register
def _(value: bool) -> str:
    return "true" if value else "false"


@_text.register
def _(value: float) -> str:
    return _java_number(repr(value))


@_text.register
def _(value: decimal.Decimal) -> str:
    return f"{value:f}"


@_text.register(list)
@_text.register(tuple)
def _(value: list[Any] | tuple[Any, ...]) -> str:
    return f"[{', '.join(map(_text, value))}]"


@_text.register
def _(value: dict) -> str:  # type: ignore[type-arg]
    """A row or a map; a row's fields may have no names."""
    if list(value) == [f"_{number}" for number in range(len(value))]:
        return f"{{{', '.join(map(_text, value.values()))}}}"
    return f"{{{', '.join(f'{_text(key)}={_text(each)}' for key, each in value.items())}}}"


@_text.register
def _(value: datetime.datetime) -> str:
    zone = "" if value.tzinfo is None else " UTC"
    return f"{value:%Y-%m-%d %H:%M:%S}.{value.microsecond // 1000:03d}{zone}"


@_text.register
def _(value: datetime.time) -> str:
    return f"{value:%H:%M:%S}.{value.microsecond // 1000:03d}"


def _shortest_float(value: float) -> str:
    """The fewest digits that tell a single-precision number from its neighbours."""
    if not math.isfinite(value):
        return repr(value)
    texts = (f"{value:.{digits}g}" for digits in range(1, 10))
    packed = struct.pack("f", value)
    return repr(float(next(text for text in texts if struct.pack("f", float(text)) == packed)))


def _java_number(text: str) -> str:
    """A number as Java writes it: 1.5, 1.0E20, 1.0E-7, NaN, Infinity."""
    number = float(text)
    if not math.isfinite(number):
        return {"nan": "NaN", "inf": "Infinity"}.get(text, "-Infinity")
    if number == 0 or 1e-3 <= abs(number) < 1e7:
        plain = f"{decimal.Decimal(text):f}"
        return plain if "." in plain else f"{plain}.0"
    sign, digits, exponent = decimal.Decimal(text).as_tuple()
    kept = "".join(map(str, digits)).rstrip("0") or "0"
    power = len(digits) + int(exponent) - 1
    return f"{'-' if sign else ''}{kept[0]}.{kept[1:] or '0'}E{power}"

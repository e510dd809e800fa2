"""Random tables: keys of every type, items of 50 bytes to 400 KB, and an index."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Value = dict[str, Any]
Item = dict[str, Value]

# Longer than what dynalite's pages count beside an item's size: its pages then never end before local AWS's.
LONG_NAME = "n" * 4000
PROJECTIONS = (
    {"ProjectionType": "ALL"},
    {"ProjectionType": "KEYS_ONLY"},
    {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["s", LONG_NAME[:255]]},
)


@dataclass(frozen=True)
class RandomTable:
    """How to create a table, and what it holds."""

    definition: dict[str, Any]
    kinds: dict[str, str]
    items: list[Item]
    is_ascii: bool

    @property
    def key_names(self) -> list[str]:
        return [part["AttributeName"] for part in self.definition["KeySchema"]]

    @property
    def index_key_names(self) -> list[str]:
        index = self.definition["GlobalSecondaryIndexes"][0]
        return [part["AttributeName"] for part in index["KeySchema"]]


def random_table(name: str, chance: random.Random) -> RandomTable:
    """A table with an index, and its items: up to 300 small ones, or up to 30 of up to 400 KB."""
    kinds = {key: chance.choice("SNB") for key in ("pk", "sk", "ik", "ir")}
    schema, index_schema = _schema("pk", "sk", chance), _schema("ik", "ir", chance)
    is_ascii, is_large = chance.random() < 0.7, chance.random() < 0.4
    definition = {
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [
            {"AttributeName": part["AttributeName"], "AttributeType": kinds[part["AttributeName"]]}
            for part in (*schema, *index_schema)
        ],
        "KeySchema": schema,
        "GlobalSecondaryIndexes": [
            {"IndexName": "index", "KeySchema": index_schema, "Projection": chance.choice(PROJECTIONS)}
        ],
    }
    keys = Keys(kinds, chance, is_ascii)
    count = chance.randint(0, 30 if is_large else 300)
    items = {}
    for _ in range(count):
        item = _item(keys, chance, is_large)
        items[tuple(str(item[part["AttributeName"]]) for part in schema)] = item
    return RandomTable(definition, kinds, list(items.values()), is_ascii)


class Keys:
    """Values for key attributes, of which few are different, so that partitions hold several items."""

    def __init__(self, kinds: dict[str, str], chance: random.Random, is_ascii: bool) -> None:
        self._chance = chance
        self._few = {name: [self._fresh(kind, is_ascii) for _ in range(20)] for name, kind in kinds.items()}
        self._kinds, self._is_ascii = kinds, is_ascii

    def value(self, name: str) -> Value:
        """One of the few values, or another one."""
        if self._chance.random() < 0.5:
            return self._chance.choice(self._few[name])
        return self._fresh(self._kinds[name], self._is_ascii)

    def _fresh(self, kind: str, is_ascii: bool) -> Value:
        if kind == "S":
            return {"S": _text(self._chance, self._chance.randint(1, 12), is_ascii)}
        return {kind: _number(self._chance) if kind == "N" else self._chance.randbytes(self._chance.randint(1, 12))}


def _schema(partition: str, sort: str, chance: random.Random) -> list[dict[str, str]]:
    schema = [{"AttributeName": partition, "KeyType": "HASH"}]
    return [*schema, {"AttributeName": sort, "KeyType": "RANGE"}] if chance.random() < 0.8 else schema


def _item(keys: Keys, chance: random.Random, is_large: bool) -> Item:
    item = {name: keys.value(name) for name in ("pk", "sk")}
    item |= {name: keys.value(name) for name in ("ik", "ir") if chance.random() < 0.7}
    item["s"] = {"S": "x" * chance.choice((0, 1, 30, 200))}
    item["n"] = {"N": _number(chance)}
    for name, make in OTHERS.items():
        if chance.random() < 0.3:
            item[name] = make(chance)
    if is_large:
        item[LONG_NAME] = {"BOOL": True}
        item[LONG_NAME[:255]] = {"S": "y" * chance.randint(1, 390 * 1024)}
    return item


OTHERS: dict[str, Callable[[random.Random], Value]] = {
    "binary": lambda chance: {"B": chance.randbytes(chance.randint(0, 50))},
    "flag": lambda chance: {"BOOL": chance.random() < 0.5},
    "nothing": lambda _chance: {"NULL": True},
    "strings": lambda _chance: {"SS": ["a", "bc", "def"]},
    "numbers": lambda _chance: {"NS": ["1", "-12", "0.01"]},
    "binaries": lambda chance: {"BS": [b"\x00", chance.randbytes(9)]},
    "list": lambda _chance: {"L": [{"S": "in a list"}, {"N": "-1.5"}, {"L": []}, {"NULL": True}]},
    "map": lambda _chance: {"M": {"n": {"N": "-1"}, "b": {"BOOL": True}, "m": {"M": {}}}},
}


def _text(chance: random.Random, length: int, is_ascii: bool) -> str:
    letters = "abcXYZ019 ~-" if is_ascii else "aZ~é☃�\U0001f600\U0010ffff"
    return "".join(chance.choices(letters, k=length))


def _number(chance: random.Random) -> str:
    plain = (
        str(chance.randint(-20, 20)),
        str(chance.randint(-(10**6), 10**6)),
        f"{chance.randint(-999, 999)}.{chance.randint(1, 9999)}",
        f"{chance.choice(('', '-'))}{chance.randint(10**37, 10**38 - 1)}",
        f"{chance.choice(('', '-'))}{chance.randint(1, 9)}E{chance.randint(-130, 125)}",
    )
    return chance.choice(plain)

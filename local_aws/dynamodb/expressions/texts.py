"""Expressions by their text: each is checked, parsed and made a function once."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ministack.services import dynamodb as service

from local_aws.dynamodb.expressions.application import Changed, updater
from local_aws.dynamodb.expressions.conditions import ConditionParser
from local_aws.dynamodb.expressions.evaluation import Evaluate, check_values, evaluator
from local_aws.dynamodb.expressions.nodes import Condition, Part
from local_aws.dynamodb.expressions.tokens import NotPlainError
from local_aws.dynamodb.expressions.updates import CLAUSES, UpdateParser
from local_aws.dynamodb.expressions.values import Item, Values
from local_aws.replacements import check, require

REMEMBERED_EXPRESSIONS = 1_000
TOP_LEVEL_NAMES = re.compile(r"\s*#?\w+\s*(?:,\s*#?\w+\s*)*")

Names = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ParsedCondition:
    """A condition, and which of the request's names and values it uses."""

    node: Condition
    evaluate: Evaluate
    names: frozenset[str]
    values: frozenset[str]

    def check(self, values: Values) -> None:
        """Raises NotPlainError for values that the condition does not allow."""
        check_values(self.node, values)


@dataclass(frozen=True, slots=True)
class ParsedUpdate:
    """An update, the paths that it changes, and which of the request's names and values it uses."""

    apply: Callable[[Item, Values], Changed]
    paths: tuple[tuple[Part, ...], ...]
    names: frozenset[str]
    values: frozenset[str]
    value_uses: int


@dataclass(frozen=True, slots=True)
class ParsedProjection:
    """The top-level attributes that are requested, and which of the request's names stand for them."""

    attributes: tuple[str, ...]
    names: frozenset[str]
    values: frozenset[str] = frozenset()

    def apply(self, item: Item) -> Changed:
        """The requested part of an item."""
        return {name: item[name] for name in self.attributes if name in item}


Parsed = ParsedCondition | ParsedUpdate | ParsedProjection


def install() -> None:
    """Check that ministack has what is used of it."""
    require(service, "_ddb_equals", "_ddb_size", "_nesting_level", "_ddb_canonicalize_number")
    check(service, "_compare_ddb", ("left", "op", "right"))
    check(service, "_check_redundant_parens", ("tokens", "slot"))
    check(service, "_check_reserved_keyword_usage", ("tokens",))
    check(service, "_projection_overlap_error", ("expr", "attr_names"))
    check(service, "_validate_projection_expression_syntax", ("expr",))


def names_of(data: Mapping[str, Any]) -> Names:
    """The request's ExpressionAttributeNames, fit to remember an expression by. Raises NotPlainError."""
    names = data.get("ExpressionAttributeNames")
    if names is None:
        return ()
    if not isinstance(names, dict) or not names or any(type(name) is not str for name in names.values()):
        raise NotPlainError("ExpressionAttributeNames")
    return tuple(names.items())


def check_references(data: Mapping[str, Any], *expressions: Parsed | None) -> None:
    """Raises NotPlainError unless the expressions use each name and value of the request, and no others."""
    used = [each for each in expressions if each is not None]
    for field, found in (
        ("ExpressionAttributeNames", [each.names for each in used]),
        ("ExpressionAttributeValues", [each.values for each in used]),
    ):
        given = data.get(field)
        if frozenset().union(*found) != (given or {}).keys() or given == {}:
            raise NotPlainError(f"{field} are not those that are used")


@lru_cache(REMEMBERED_EXPRESSIONS)
def condition_of(text: str, names: Names, slot: str) -> ParsedCondition:
    """The condition in this member of a request. Raises NotPlainError."""
    tokens = service._tokenize(text)
    if (
        service._check_redundant_parens(tokens, slot)
        or service._check_reserved_keyword_usage(tokens)
        or service._condition_syntax_error(text, slot)
    ):
        raise NotPlainError(f"ministack refuses {text!r}")
    parser = ConditionParser(text, dict(names))
    node = parser.condition()
    return ParsedCondition(node, evaluator(node), frozenset(parser.used_names), frozenset(parser.used_values))


@lru_cache(REMEMBERED_EXPRESSIONS)
def update_of(text: str, names: Names) -> ParsedUpdate:
    """The update. Raises NotPlainError."""
    tokens = service._tokenize(text)
    named = [token for token in tokens if token[1].upper() not in CLAUSES]
    if service._check_redundant_parens(tokens) or service._check_reserved_keyword_usage(named):
        raise NotPlainError(f"ministack refuses {text!r}")
    parser = UpdateParser(text, dict(names))
    actions = parser.actions()
    return ParsedUpdate(
        updater(actions),
        tuple(action.path.parts for action in actions),
        frozenset(parser.used_names),
        frozenset(parser.used_values),
        text.count(":"),
    )


@lru_cache(REMEMBERED_EXPRESSIONS)
def projection_of(text: Any, names: Names) -> ParsedProjection:
    """The projection, when it asks for top-level attributes only. Raises NotPlainError."""
    if type(text) is not str or not TOP_LEVEL_NAMES.fullmatch(text):
        raise NotPlainError("ProjectionExpression")
    known = dict(names)
    if service._validate_projection_expression_syntax(text) or service._projection_overlap_error(text, known):
        raise NotPlainError(f"ministack refuses {text!r}")
    given = [name.strip() for name in text.split(",")]
    aliases = frozenset(name for name in given if name.startswith("#"))
    if not aliases <= known.keys():
        raise NotPlainError("a name that stands for none")
    return ParsedProjection(tuple(known.get(name, name) for name in given), aliases)

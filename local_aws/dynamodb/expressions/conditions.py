"""Reads conditions: ConditionExpression, FilterExpression and KeyConditionExpression."""

from collections.abc import Callable

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
)
from local_aws.dynamodb.expressions.parser import Parser
from local_aws.dynamodb.expressions.tokens import NotPlainError

COMPARATORS = ("=", "<>", "<", "<=", ">", ">=")
EXISTENCE = {"attribute_exists": True, "attribute_not_exists": False}
TESTS = ("attribute_type", "begins_with", "contains")


class ConditionParser(Parser):
    """Raises NotPlainError wherever the text is not a valid condition."""

    def condition(self) -> Condition:
        """The whole text."""
        found = self._disjunction()
        self.end()
        return found

    def _disjunction(self) -> Condition:
        return self._joined("OR", self._conjunction)

    def _conjunction(self) -> Condition:
        return self._joined("AND", self._negation)

    def _joined(self, word: str, part: Callable[[], Condition]) -> Condition:
        found = [part()]
        while self.has(word):
            self.take(word)
            found.append(part())
        return found[0] if len(found) == 1 else Junction(word, tuple(found))

    def _negation(self) -> Condition:
        if self.has("NOT"):
            self.take()
            return Not(self._negation())
        return self._primary()

    def _primary(self) -> Condition:
        if self.has("("):
            self.take()
            found = self._disjunction()
            self.take(")")
            return found
        if self.is_call() and self.peek().text != "size":
            return self._function()
        operand = self._operand()
        if self.has("BETWEEN"):
            self.take()
            low = self._operand()
            self.take("AND")
            return Between(operand, low, self._operand())
        if self.has("IN"):
            self.take()
            return In(operand, self._choices())
        return Comparison(self.take(*COMPARATORS), operand, self._operand())

    def _choices(self) -> tuple[Operand, ...]:
        self.take("(")
        found = [self._operand()]
        while self.take(",", ")") == ",":
            found.append(self._operand())
        return tuple(found)

    def _function(self) -> Condition:
        name = self.function_name()
        path = self.path()
        found: Condition
        if name in EXISTENCE:
            found = Exists(path, EXISTENCE[name])
        elif name in TESTS:
            self.take(",")
            found = Test(name, path, self.value())
        else:
            raise NotPlainError(f"the function {name}")
        self.take(")")
        return found

    def _operand(self) -> Operand:
        if self.peek().kind == "value":
            return self.value()
        if not self.is_call():
            return self.path()
        name = self.function_name()
        if name != "size":
            raise NotPlainError(f"{name} is not an operand")
        found = Size(self.path())
        self.take(")")
        return found

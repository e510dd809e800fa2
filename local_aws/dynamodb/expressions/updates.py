"""Reads update expressions."""

from local_aws.dynamodb.expressions.nodes import Action, IfNotExists, ListAppend, Path, Setting, Sum
from local_aws.dynamodb.expressions.parser import Parser
from local_aws.dynamodb.expressions.tokens import NotPlainError

CLAUSES = ("SET", "REMOVE", "ADD", "DELETE")


class UpdateParser(Parser):
    """Raises NotPlainError wherever the text is not a valid update, and for changes to elements of lists."""

    def actions(self) -> tuple[Action, ...]:
        """The whole text: each clause at most once, no path inside of another."""
        actions: list[Action] = []
        clauses: list[str] = []
        while self.peek().kind != "end":
            clause = self.take(*CLAUSES)
            if clause in clauses:
                raise NotPlainError(f"{clause} twice")
            clauses.append(clause)
            actions += self._clause(clause)
        check_targets([action.path for action in actions])
        return tuple(actions)

    def _clause(self, clause: str) -> list[Action]:
        found = [self._action(clause)]
        while self.has(","):
            self.take()
            found.append(self._action(clause))
        return found

    def _action(self, clause: str) -> Action:
        path = self.path()
        if clause == "REMOVE":
            return Action(clause, path)
        if clause == "SET":
            self.take("=")
            return Action(clause, path, self._setting())
        return Action(clause, path, self.value())

    def _setting(self) -> Setting:
        left = self._operand()
        if not self.has("+", "-"):
            return left
        return Sum(self.take(), left, self._operand())

    def _operand(self) -> Setting:
        if self.peek().kind == "value":
            return self.value()
        if not self.is_call():
            return self.path()
        name = self.function_name()
        found = self._function(name)
        self.take(")")
        return found

    def _function(self, name: str) -> Setting:
        if name == "if_not_exists":
            path = self.path()
            self.take(",")
            return IfNotExists(path, self._operand())
        if name == "list_append":
            first = self._operand()
            self.take(",")
            return ListAppend(first, self._operand())
        raise NotPlainError(f"the function {name}")


def check_targets(paths: list[Path]) -> None:
    """Raises NotPlainError for elements of lists, and when one path leads to another or into it."""
    if not paths:
        raise NotPlainError("no actions")
    seen = sorted((path.parts for path in paths), key=repr)
    if any(isinstance(part, int) for parts in seen for part in parts):
        raise NotPlainError("an element of a list")
    targets = set(seen)
    prefixes = {parts[:length] for parts in seen for length in range(1, len(parts))}
    if len(targets) < len(seen) or targets & prefixes:
        raise NotPlainError("overlapping paths")

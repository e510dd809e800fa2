"""What conditions and updates have in common: document paths and references to values."""

from collections.abc import Mapping

from local_aws.dynamodb.expressions.nodes import Part, Path, Value
from local_aws.dynamodb.expressions.tokens import NotPlainError, Token, tokens_of


class Parser:
    """Reads tokens from left to right; remembers which names and values the text refers to."""

    def __init__(self, text: str, names: Mapping[str, str]) -> None:
        self._tokens = tokens_of(text)
        self._position = 0
        self._names = names
        self.used_names: set[str] = set()
        self.used_values: set[str] = set()

    def peek(self, ahead: int = 0) -> Token:
        """A token to come; the end again and again behind the last."""
        return self._tokens[min(self._position + ahead, len(self._tokens) - 1)]

    def take(self, *texts: str) -> str:
        """The next token, which must be one of these signs or keywords. Raises NotPlainError."""
        token = self.peek()
        text = token.keyword or token.text
        if texts and text not in texts:
            raise NotPlainError(f"{token.text!r} in place of {' or '.join(texts)}")
        self._position += 1
        return text

    def has(self, *texts: str) -> bool:
        """Whether one of these signs or keywords comes next."""
        token = self.peek()
        return (token.keyword or token.text) in texts

    def is_call(self) -> bool:
        """Whether a function comes next."""
        return self.peek().kind == "name" and self.peek(1).text == "("

    def function_name(self) -> str:
        """The name of a function, and its opening parenthesis; names of functions are in lower case."""
        name = self.peek().text
        self._position += 1
        self.take("(")
        return name

    def path(self) -> Path:
        """A document path. Raises NotPlainError."""
        parts: list[Part] = [self._name()]
        while self.has(".", "["):
            if self.take() == ".":
                parts.append(self._name())
            else:
                parts.append(self._index())
        return Path(tuple(parts))

    def value(self) -> Value:
        """A reference to a value. Raises NotPlainError."""
        token = self.peek()
        if token.kind != "value":
            raise NotPlainError(f"{token.text!r} in place of a value")
        self._position += 1
        self.used_values.add(token.text)
        return Value(token.text)

    def end(self) -> None:
        """Check that nothing follows. Raises NotPlainError."""
        if self.peek().kind != "end":
            raise NotPlainError(f"{self.peek().text!r} behind the expression")

    def _name(self) -> str:
        token = self.peek()
        if token.kind != "name":
            raise NotPlainError(f"{token.text!r} in place of a name")
        self._position += 1
        if not token.text.startswith("#"):
            return token.text
        name = self._names.get(token.text)
        if not isinstance(name, str) or not name:
            raise NotPlainError(f"{token.text} stands for no name")
        self.used_names.add(token.text)
        return name

    def _index(self) -> int:
        token = self.peek()
        if token.kind != "number":
            raise NotPlainError(f"{token.text!r} in place of an index")
        self._position += 1
        self.take("]")
        return int(token.text)

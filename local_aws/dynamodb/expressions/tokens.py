"""The tokens of an expression."""

import re
from typing import NamedTuple

MAXIMUM_BYTES = 4096
TOKEN = re.compile(
    r"\s*(?:(?P<name>#[A-Za-z0-9_]+|[A-Za-z_][A-Za-z0-9_]*)|(?P<value>:[A-Za-z0-9_]+)|(?P<number>\d+)"
    r"|(?P<sign><>|<=|>=|[=<>(),.\[\]+-])|(?P<end>$))"
)


class NotPlainError(Exception):
    """The expression is invalid or out of the ordinary, or this item makes it so."""


class Token(NamedTuple):
    """`kind` is name, value, number, sign or end."""

    kind: str
    text: str

    @property
    def keyword(self) -> str:
        """The text of a name in upper case, which is how keywords are compared."""
        return self.text.upper() if self.kind == "name" else ""


def tokens_of(text: str) -> list[Token]:
    """The tokens of a text, the last of which is the end. Raises NotPlainError."""
    if len(text.encode(errors="replace")) > MAXIMUM_BYTES:
        raise NotPlainError("the expression is too long")
    found: list[Token] = []
    offset = 0
    while not found or found[-1].kind != "end":
        match = TOKEN.match(text, offset)
        if match is None or match.lastgroup is None:
            raise NotPlainError(f"unknown token at {offset} of {text!r}")
        found.append(Token(match.lastgroup, match[match.lastgroup]))
        offset = match.end()
    return found

"""A request as its signature covers it, from what an ASGI server says of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from local_aws.access.asgi import Message, Receive
from local_aws.access.signatures import Query, parsed_query

EMPTY_HASH = sha256(b"").hexdigest()


@dataclass(slots=True)
class Body:
    """A request's body, read to its end, to be read once more by whoever serves the request."""

    hash: str = EMPTY_HASH
    _messages: list[Message] = field(default_factory=list)

    @classmethod
    async def read(cls, receive: Receive) -> "Body":
        """Read all of it. The hash is computed while reading: large bodies do not stop the server for long."""
        body, digest, is_more = cls(), sha256(), True
        while is_more:
            message = await receive()
            body._messages.append(message)
            digest.update(message.get("body", b""))
            is_more = message.get("more_body", False)
        body.hash = digest.hexdigest()
        return body

    def content(self) -> bytes:
        """The bytes."""
        return b"".join(message.get("body", b"") for message in self._messages)

    def again(self, receive: Receive) -> Receive:
        """Gives what was read, then what comes after it."""
        if not self._messages:
            return receive
        messages = iter(self._messages)

        async def replay() -> Message:
            message = next(messages, None)
            return await receive() if message is None else message

        return replay


@dataclass(frozen=True, slots=True)
class Request:
    """Method, path, query and headers; header names are in lower case."""

    method: str
    raw_path: str
    query_text: str
    headers: Mapping[str, str]

    @classmethod
    def of(cls, scope: Mapping[str, Any]) -> "Request":
        """From an ASGI scope. A header on several lines is one, with a comma between its values."""
        headers: dict[str, str] = {}
        for raw_name, raw_value in scope["headers"]:
            name, value = raw_name.decode("latin-1").lower(), _text(raw_value)
            headers[name] = f"{headers[name]},{value}" if name in headers else value
        return cls(
            scope["method"], scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1"), headers
        )

    @property
    def query(self) -> Query:
        """Decoded names and values."""
        return parsed_query(self.query_text) if self.query_text else []

    @property
    def has_body(self) -> bool:
        """Whether one is announced."""
        return self.headers.get("content-length", "0") != "0" or "transfer-encoding" in self.headers


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")

"""Requests that are served straight behind the gate, past ministack's routing."""

from collections.abc import Callable
from dataclasses import dataclass

from local_aws.access.requests import Body, Request


@dataclass(frozen=True, slots=True)
class Caller:
    """Who signed a request, for which Region, and from which address it came."""

    access_key_id: str
    region: str
    address: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; header names in lower case."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


# The answer to a verified request and its body; None when ministack is to serve it.
Direct = Callable[[Request, Body, Caller], Answer | None]

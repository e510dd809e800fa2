"""Requests in flight that one thread sends and answers: handing them to other threads costs more than it gains."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from sluice.aws.connection import Connection
from sluice.aws.wire import Wire
from sluice.errors import WireError

Task = TypeVar("Task")
# DynamoDB's answer, or what it refused the request with; None when the request takes another attempt.
Answer = dict[str, Any] | WireError | None


class RequestPipeline(Generic[Task]):
    """Up to `limit` requests at a time, each on a connection of its own; `on_answer` is called in the order sent."""

    def __init__(self, wire: Wire, operation: str, on_answer: Callable[[Task, Answer], None], limit: int) -> None:
        self._wire = wire
        self._operation = operation
        self._on_answer = on_answer
        self._limit = limit
        self._sent: deque[tuple[Task, Connection | None]] = deque()

    def send(self, body: bytes, task: Task) -> None:
        """Send one request; waits for the oldest one while as many as allowed are in flight.

        Raises TableNotFoundError, AccessDeniedError, UnexpectedResponseError.
        """
        if len(self._sent) == self._limit:
            self._settle()
        self._sent.append((task, self._wire.begin(self._operation, body)))

    def drain(self) -> None:
        """Wait until nothing is in flight. Raises likewise."""
        while self._sent:
            self._settle()

    def close(self) -> None:
        """Release what is in flight."""
        for _, connection in self._sent:
            if connection is not None:
                connection.close()
        self._sent.clear()

    def _settle(self) -> None:
        task, connection = self._sent.popleft()
        answer: Answer = None
        if connection is not None:
            try:
                answer = self._wire.finish(connection)
            except WireError as error:
                answer = error
        self._on_answer(task, answer)

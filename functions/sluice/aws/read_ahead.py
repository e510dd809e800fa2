"""Requests that are made ahead: while one answer is worked on, the next ones come in."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def read_ahead(read: Callable[[Item], Answer], items: Iterable[Item], requests: int) -> Iterator[tuple[Item, Answer]]:
    """Each item with what `read` returns of it, in their order; up to `requests` are read at a time.

    Items are taken as they are needed, so that there may be any number of them. Raises what `read` raises.
    """
    with ThreadPoolExecutor(requests) as threads:
        ahead: deque[tuple[Item, Future[Answer]]] = deque()
        for item in items:
            ahead.append((item, threads.submit(read, item)))
            if len(ahead) == requests:
                first, answer = ahead.popleft()
                yield first, answer.result()
        while ahead:
            first, answer = ahead.popleft()
            yield first, answer.result()

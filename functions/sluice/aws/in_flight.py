"""Work in flight in threads: several pieces at a time, never two that share a key, in order for each key."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Generic, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(slots=True, eq=False)
class _Ticket(Generic[Task, Result]):
    task: Task
    keys: Collection[Hashable]
    waits_for: int = 0
    followers: list[_Ticket[Task, Result]] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    error: BaseException | None = None


class InFlight(Generic[Task, Result]):
    """Runs `work` in threads and hands each result to `on_done`, in the caller's thread.

    At most `held` tasks are queued or running. What `work` raises, the caller's next calls raise.
    """

    def __init__(
        self, work: Callable[[Task], Result], on_done: Callable[[Result], None], *, threads: int, held: int
    ) -> None:
        self._work = work
        self._on_done = on_done
        self._thread_limit = threads
        self._held_limit = held
        self._held = 0
        self._threads: list[Thread] = []
        self._ready: SimpleQueue[_Ticket[Task, Result] | None] = SimpleQueue()
        self._done: SimpleQueue[_Ticket[Task, Result]] = SimpleQueue()
        self._last_with: dict[Hashable, _Ticket[Task, Result]] = {}
        self._error: BaseException | None = None

    def submit(self, task: Task, keys: Collection[Hashable]) -> None:
        """Hand over a task; waits while as many as allowed are held."""
        self._raise_error()
        while self._held >= self._held_limit:
            self._collect()
        ticket: _Ticket[Task, Result] = _Ticket(task, keys)
        last_with = self._last_with
        for before in {last_with[key] for key in keys if key in last_with}:
            before.followers.append(ticket)
            ticket.waits_for += 1
        last_with.update(dict.fromkeys(keys, ticket))
        self._held += 1
        self._start_thread()
        if not ticket.waits_for:
            self._ready.put(ticket)

    def drain(self) -> None:
        """Wait until nothing is held."""
        self._raise_error()
        while self._held:
            self._collect()

    def close(self) -> None:
        """Drop what has not begun, wait for what has, and end the threads."""
        try:
            while True:
                self._ready.get_nowait()
        except Empty:
            pass
        for _ in self._threads:
            self._ready.put(None)
        for thread in self._threads:
            thread.join()
        self._threads.clear()

    def _collect(self) -> None:
        ticket = self._done.get()
        self._held -= 1
        self._error = ticket.error
        self._raise_error()
        for key in ticket.keys:
            if self._last_with[key] is ticket:
                del self._last_with[key]
        for follower in ticket.followers:
            follower.waits_for -= 1
            if not follower.waits_for:
                self._ready.put(follower)
        for result in ticket.results:
            self._on_done(result)

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    def _start_thread(self) -> None:
        if len(self._threads) < min(self._held, self._thread_limit):
            thread = Thread(target=self._run, name="in-flight", daemon=True)
            thread.start()
            self._threads.append(thread)

    def _run(self) -> None:
        while (ticket := self._ready.get()) is not None:
            try:
                ticket.results.append(self._work(ticket.task))
            except BaseException as exc:  # noqa: BLE001 - raised again in the caller's thread
                ticket.error = exc
            self._done.put(ticket)

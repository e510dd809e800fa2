"""Threads that take one task after the other, no more of them than are needed."""

import contextvars
import queue
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

IDLE_SECONDS = 0.05

Task = TypeVar("Task")


class Workers(Generic[Task]):
    """Runs tasks on up to as many threads as `concurrency` says at the time."""

    def __init__(self, run: Callable[[Task], None], concurrency: Callable[[], int]) -> None:
        self._run = run
        self._concurrency = concurrency
        self._tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._threads: list[threading.Thread] = []
        self._failures: list[BaseException] = []

    def wait_for_idle(self) -> bool:
        """Whether a thread waits for a task, within moments; starts one where there may be more."""
        if self._idle.acquire(blocking=False):
            return True
        if len(self._threads) < self._concurrency():
            thread = threading.Thread(target=contextvars.copy_context().run, args=(self._work,), daemon=True)
            self._threads.append(thread)
            thread.start()
        return self._idle.acquire(timeout=IDLE_SECONDS)

    def submit(self, task: Task) -> None:
        """Give a task to the thread that `wait_for_idle` found."""
        self._tasks.put(task)

    def has_failed(self) -> bool:
        """Whether a task raised."""
        return bool(self._failures)

    def finish(self) -> None:
        """Wait for the tasks that run. Raises what one of them raised."""
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads:
            thread.join()
        if self._failures:
            raise self._failures[0]

    def _work(self) -> None:
        while not self._failures:
            self._idle.release()
            task = self._tasks.get()
            if task is None:
                return
            try:
                self._run(task)
            except BaseException as error:  # noqa: BLE001  (raised again by finish)
                self._failures.append(error)

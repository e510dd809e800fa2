"""Parallel, and Map states that are not distributed."""

import contextvars
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from typing import Any

from local_aws.stepfunctions.data_flow import arguments, finish
from local_aws.stepfunctions.instant import is_instant
from local_aws.stepfunctions.map_fields import ItemContext, item_input, map_items, maximum_concurrency
from local_aws.stepfunctions.retries import with_retries
from local_aws.stepfunctions.scope import History, Run, Scope, State
from local_aws.stepfunctions.walk import walk

INLINE_CONCURRENCY = 40


def run_parallel(state: State, data: Any, scope: Scope) -> tuple[Any, str | None]:
    """Parallel: every branch on a thread of its own; the first error stops the others."""
    return with_retries(state, data, scope, lambda: _run_branches(state, data, scope))


def _run_branches(state: State, data: Any, scope: Scope) -> tuple[Any, str | None]:
    given = arguments(state, data, scope)
    scope.run.history.add("ParallelStateStarted")

    def branch(definition: State) -> Callable[[Run], Any]:
        def run(inner_run: Run) -> Any:
            inner = scope.inner()
            inner.run = inner_run
            return walk(definition["States"], definition["StartAt"], given, inner)

        return run

    branches = [branch(definition) for definition in state["Branches"]]
    results = _run_all(iter(branches), len(branches), scope)
    scope.run.history.add("ParallelStateSucceeded")
    return finish(state, data, scope, result=results)


def run_inline_map(state: State, data: Any, scope: Scope) -> tuple[Any, str | None]:
    """A Map whose iterations are part of the execution."""
    items = map_items(state, data, scope)
    processor = state.get("ItemProcessor") or state["Iterator"]
    concurrency = min(maximum_concurrency(state, data, scope) or INLINE_CONCURRENCY, INLINE_CONCURRENCY)
    if is_instant(processor):
        concurrency = 1
    scope.run.history.add("MapStateStarted", length=len(items))

    def iteration(index: int, item: Any) -> Callable[[Run], Any]:
        def run(inner_run: Run) -> Any:
            inner = scope.inner()
            inner.run = inner_run
            history, message = inner_run.history, {"name": scope.name, "index": index}
            history.add("MapIterationStarted", **message)
            given = item_input(state, data, ItemContext(index, item), inner)
            try:
                output = walk(processor["States"], processor["StartAt"], given, inner)
            except Exception:
                history.add("MapIterationFailed", **message)
                raise
            history.add("MapIterationSucceeded", **message)
            return output

        return run

    iterations = (iteration(index, item) for index, item in enumerate(items))
    results = _run_all(iterations, max(1, min(concurrency, len(items))), scope)
    scope.run.history.add("MapStateSucceeded")
    return finish(state, data, scope, result=results)


def _run_all(tasks: Iterator[Callable[[Run], Any]], concurrency: int, scope: Scope) -> list[Any]:
    """Run the tasks side by side and return their results in order; the first error stops what still runs."""
    if concurrency == 1:
        return [task(scope.run) for task in tasks]
    stopped = _LinkedEvent(scope.run.stopped)
    run = replace(scope.run, stopped=stopped, ended=threading.Event())
    with ThreadPoolExecutor(concurrency) as pool:
        histories: list[History] = []
        futures = []
        for task in tasks:
            histories.append(run.history.branch())
            own = replace(run, history=histories[-1])
            futures.append(pool.submit(contextvars.copy_context().run, task, own))
        wait_for_all_or_error(futures)
        scope.run.history.join(histories)
        errors = [future.exception() for future in futures if future.done() and future.exception()]
        if errors:
            stopped.set()
            for future in futures:
                future.cancel()
            assert errors[0] is not None
            raise errors[0]
    return [future.result() for future in futures]


def wait_for_all_or_error(futures: list[Future[Any]]) -> None:
    """Return when all are done, or one has failed."""
    pending = set(futures)
    while pending:
        done, pending = wait(pending, return_when=FIRST_COMPLETED)
        if any(future.exception() for future in done):
            return


class _LinkedEvent(threading.Event):
    """Set when it is set itself, or when its parent is."""

    def __init__(self, parent: threading.Event) -> None:
        super().__init__()
        self._parent = parent

    def is_set(self) -> bool:
        return super().is_set() or self._parent.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        remaining = float("inf") if timeout is None else timeout
        while remaining > 0 and not self.is_set():
            step = min(remaining, 0.1)
            super().wait(step)
            remaining -= step
        return self.is_set()

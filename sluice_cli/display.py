"""Showing progress on stderr: a bar on a terminal, lines elsewhere."""

from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from sluice_cli.progress import RUNNING, Progress, progress_text
from sluice_cli.surroundings import Surroundings

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

SECONDS_BETWEEN_LINES = 10.0


class Display(Protocol):
    """Where progress and remarks go while a run is watched."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, map_runs: Sequence[Progress], now: float) -> None:
        """The run's rows, where they are known, and all Map Runs so far in the order in which they started."""

    def note(self, text: str) -> None:
        """A remark that stays."""


def open_display(surroundings: Surroundings) -> Display:
    """Bars when stderr is a terminal, else lines."""
    from rich.console import Console

    console = Console(file=surroundings.stderr, no_color=bool(surroundings.environment.get("NO_COLOR")))
    return BarDisplay(console) if console.is_terminal else LineDisplay(surroundings)


class LineDisplay:
    """One line per Map Run every ten seconds at most, and one when it ends."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings
        self._last: dict[int, tuple[float, Progress]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, map_runs: Sequence[Progress], now: float) -> None:
        """Print what is due."""
        for position, progress in enumerate(map_runs):
            if self._is_due(position, progress, now):
                self._last[position] = (now, progress)
                self._surroundings.say(f"{progress.map_run.label}: {progress_text(progress)}")

    def note(self, text: str) -> None:
        """Print a line."""
        self._surroundings.say(text)

    def _is_due(self, position: int, progress: Progress, now: float) -> bool:
        if position not in self._last:
            return progress.map_run.total > 0 or progress.map_run.done > 0
        since, shown = self._last[position]
        if shown.map_run == progress.map_run:
            return False
        return progress.map_run.status != RUNNING or now - since >= SECONDS_BETWEEN_LINES


class BarDisplay:
    """One bar per Map Run."""

    def __init__(self, console: "Console") -> None:
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Bars

        self._bars = Bars(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[text]}", markup=False),
            console=console,
        )
        self._tasks: list[TaskID] = []

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def show(self, map_runs: Sequence[Progress], now: float) -> None:
        """Bring the bars up to date."""
        for position, progress in enumerate(map_runs):
            run, text = progress.map_run, progress_text(progress)
            if position == len(self._tasks):
                self._tasks.append(self._bars.add_task(run.label, total=None, text=text))
            self._bars.update(self._tasks[position], total=run.total or None, completed=run.done, text=text)

    def note(self, text: str) -> None:
        """Print a line above the bars."""
        self._bars.console.print(text, markup=False, highlight=False)

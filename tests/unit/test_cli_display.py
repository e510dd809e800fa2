import io
from pathlib import Path

from rich.console import Console

from sluice_cli.aws import connect
from sluice_cli.display import BarDisplay, LineDisplay, open_display
from sluice_cli.progress import MapRun, Progress
from sluice_cli.surroundings import Surroundings


def progress(done: int, status: str = "RUNNING", label: str = "LoadRanges") -> Progress:
    return Progress(MapRun(label, status, 10, done, 0))


def line_display() -> tuple[LineDisplay, io.StringIO]:
    stderr = io.StringIO()
    return LineDisplay(Surroundings(root=Path(), stderr=stderr, connect=connect)), stderr


def test_lines_come_at_once_then_every_ten_seconds_then_at_the_end() -> None:
    display, stderr = line_display()
    seen = [
        (0, "RUNNING", 0),
        (1, "RUNNING", 5),
        (5, "RUNNING", 11),
        (9, "RUNNING", 12),
        (10, "SUCCEEDED", 13),
    ]

    with display:
        for done, status, now in seen:
            display.show([progress(done, status)], now)

    assert stderr.getvalue().splitlines() == [
        "LoadRanges: 0 of 10 items",
        "LoadRanges: 5 of 10 items",
        "LoadRanges: 10 of 10 items",
    ]


def test_lines_are_left_out_while_nothing_changes() -> None:
    display, stderr = line_display()

    for now in (0, 20, 40):
        display.show([progress(3)], now)

    assert stderr.getvalue().count("\n") == 1


def test_lines_wait_until_items_are_known() -> None:
    display, stderr = line_display()

    display.show([Progress(MapRun("LoadRanges", "RUNNING", 0, 0, 0))], 0)

    assert stderr.getvalue() == ""


def test_lines_name_each_map_run() -> None:
    display, stderr = line_display()

    display.show([progress(10, "SUCCEEDED")], 0)
    display.show([progress(10, "SUCCEEDED"), progress(1, label="MergeRejects")], 1)
    display.note("a remark")

    assert stderr.getvalue().splitlines() == [
        "LoadRanges: 10 of 10 items",
        "MergeRejects: 1 of 10 items",
        "a remark",
    ]


def test_bars_show_each_map_run_and_remarks_with_brackets() -> None:
    screen = io.StringIO()

    with BarDisplay(Console(file=screen, force_terminal=True, width=100, color_system=None)) as display:
        display.show([progress(10, "SUCCEEDED")], 0)
        display.note("[red] is a word")
        display.show([progress(10, "SUCCEEDED"), progress(4, label="MergeRejects")], 1)

    assert "[red] is a word" in screen.getvalue()
    last = screen.getvalue().rpartition("LoadRanges")[2]
    assert "10 of 10 items" in last
    assert "MergeRejects" in last
    assert "4 of 10 items" in last


def test_a_stream_that_is_no_terminal_gets_lines() -> None:
    surroundings = Surroundings(root=Path(), stderr=io.StringIO(), connect=connect)

    assert isinstance(open_display(surroundings), LineDisplay)

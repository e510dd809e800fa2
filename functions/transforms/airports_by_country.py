"""airports.csv of the airportsdata package as one item collection per country, sorted by ICAO code."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

NUMBERS = {"elevation": "elevationFeet", "lat": "latitude", "lon": "longitude"}
TEXTS = {"name": "name", "city": "city", "subd": "subdivision", "tz": "timeZone"}
CODES = ("icao", "iata", "lid")


def transform(record: dict[str, str]) -> dict[str, Any] | None:
    """One airport, keyed by country and ICAO code; those that lack either are skipped."""
    if not record["icao"] or not record["country"]:
        return None
    airport: dict[str, Any] = {"country": record["country"], "icao": record["icao"]}
    airport |= {name: record[column] for column, name in TEXTS.items() if record[column]}
    airport |= {name: Decimal(record[column]) for column, name in NUMBERS.items() if record[column]}
    airport["codes"] = {record[column] for column in CODES if record[column]}
    return airport

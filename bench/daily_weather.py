"""Daily summaries of weather stations, a file for each and year, as NOAA's Global Summary of the Day has them."""

from __future__ import annotations

import random
from datetime import date, timedelta

DAYS = 365
MISSING = "9999.9"
_COLUMNS = """
STATION DATE LATITUDE LONGITUDE ELEVATION NAME TEMP TEMP_ATTRIBUTES DEWP DEWP_ATTRIBUTES SLP SLP_ATTRIBUTES STP
STP_ATTRIBUTES VISIB VISIB_ATTRIBUTES WDSP WDSP_ATTRIBUTES MXSPD GUST MAX MAX_ATTRIBUTES MIN MIN_ATTRIBUTES PRCP
PRCP_ATTRIBUTES SNDP FRSHTT
"""
HEADER = _COLUMNS.split()


def station_file(number: int) -> bytes:
    """A station's year: every cell in quotes, numbers padded with blanks, 9999.9 where one is missing."""
    source = random.Random(number)
    station = f"{70_000_000_000 + 99_999 * number}"
    position = [f"{source.uniform(-90, 90):.7f}", f"{source.uniform(-180, 180):.7f}", f"{source.uniform(0, 900):.1f}"]
    name = f"STATION {number}, US"
    days = [date(2025, 1, 1) + timedelta(day) for day in range(DAYS)]
    rows = [[station, str(day), *position, name, *_weather(source)] for day in days]
    return "".join(",".join(f'"{cell}"' for cell in row) + "\n" for row in [HEADER, *rows]).encode()


def _weather(source: random.Random) -> list[str]:
    mean = source.gauss(55, 20)
    wind = source.uniform(0, 20)
    return [
        *(f"{mean:6.1f}" if source.random() > 0.02 else MISSING, " 24"),
        *(f"{mean - source.uniform(2, 20):6.1f}", " 24"),
        *(f"{source.uniform(990, 1030):6.1f}", " 22"),
        *(f"{source.uniform(900, 999):5.1f}", " 24"),
        *(f"{source.uniform(1, 10):5.1f}", " 24"),
        *(f"{wind:5.1f}", " 24", f"{wind + 5:5.1f}", "999.9"),
        *(f"{mean + 9:6.1f}", "*" if source.random() < 0.2 else " "),
        *(f"{mean - 9:6.1f}", "*" if source.random() < 0.2 else " "),
        *(f"{max(0.0, source.gauss(0, 0.3)):5.2f}", "G", "999.9", "000000"),
    ]

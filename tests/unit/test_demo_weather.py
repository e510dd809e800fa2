"""The demo's weather: every hour of the file in one object."""

from __future__ import annotations

import csv
import io

from demo.weather import PREFIX, weather_csv, weather_objects


def test_objects_hold_every_hour_once_in_the_files_order() -> None:
    objects = list(weather_objects())
    assert len(objects) == len(dict(objects)) == 1092
    header, *hours = csv.reader(io.StringIO(weather_csv()))
    found = [list(csv.reader(io.StringIO(body.decode()))) for _, body in objects]
    assert all(rows[0] == header and len(rows) > 1 for rows in found)
    assert [row for rows in found for row in rows[1:]] == hours
    assert len(hours) == 26115


def test_key_says_airport_and_day() -> None:
    for key, body in weather_objects():
        origin, year, month, day = body.decode().splitlines()[1].split(",")[:4]
        assert key == f"{PREFIX}{origin}/{year}-{int(month):02}-{int(day):02}.csv"

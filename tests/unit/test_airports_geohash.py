"""The geohash of an airport, against values of other implementations."""

from __future__ import annotations

from decimal import Decimal

import pytest

from transforms.airports_geohash import geohash, transform


@pytest.mark.parametrize(
    ("latitude", "longitude", "expected"),
    [
        (57.64911, 10.40744, "u4pruyd"),
        (0.0, 0.0, "s000000"),
        (-25.382708, -49.265506, "6gkzwgj"),
        (90.0, 180.0, "zzzzzzz"),
    ],
)
def test_geohash_is_the_known_one(latitude: float, longitude: float, expected: str) -> None:
    assert geohash(latitude, longitude) == expected


def test_airport_gets_its_geohash_and_keeps_the_rest() -> None:
    position = {"latitude": Decimal("47.4647"), "longitude": Decimal("8.54917")}
    assert transform({"icao": "LSZH", "position": position}) == {
        "icao": "LSZH",
        "position": position,
        "geohash": "u0qn489",
    }


def test_airport_without_a_position_stays_as_it_is() -> None:
    assert transform({"icao": "XXXX"}) is None

"""csv_load and csv_load_direct: real airports, with a few bad rows among them."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from demo.airports import airports_csv
from e2e.site import Site, check_counts, check_equal
from sluice_cli.surroundings import PROJECT_ROOT

SOURCE_KEY = "input/check/airports.csv"
BAD_ROWS = 'XBAD1,,"no height",,,US,not-a-number,1,1,UTC,\n,,"no key",,,US,1,1,1,UTC,\n'
DIRECT_ROWS = 2_000


def check_csv_load(site: Site) -> str:
    """Load all airports and two bad rows: every good row is in the table, both bad ones are in the rejects file."""
    table = site.create_table("airports", "icao")
    site.put(SOURCE_KEY, airports_csv().rstrip(b"\n") + b"\n" + BAD_ROWS.encode())
    document = json.loads((PROJECT_ROOT / "events" / "workflows" / "csv_load.json").read_text())
    document |= {"table": table, "source": {"bucket": site.bucket, "key": SOURCE_KEY}, "rejectsTolerated": 2}
    expected = expected_airports()
    summary = site.run("csv_load", document)
    check_counts(summary, (len(expected) + 2, len(expected), 0, 2, 0))
    check_equal("items of the table", _by_key(site.items(table)), expected)
    rejects = [json.loads(line) for line in site.object(summary["rejects"]["key"]).splitlines()]
    check_equal("rejected rows", sorted(each["row"] for each in rejects), [len(expected) + 1, len(expected) + 2])
    return f"{len(expected):,} items equal the file's rows; 2 bad rows are in the rejects file"


def check_csv_load_direct(site: Site) -> str:
    """Load the first airports without compute: the table holds each of them."""
    table = site.create_table("airports-direct", "icao")
    lines = airports_csv().decode().splitlines(keepends=True)[: DIRECT_ROWS + 1]
    source = site.put("input/check/airports_direct.csv", "".join(lines).encode())
    types = {"elevation": "N", "lat": "N", "lon": "N"}
    summary = site.run("csv_load_direct", {"source": source, "table": table, "types": types})
    check_counts(summary, (DIRECT_ROWS, DIRECT_ROWS, 0, 0, 0))
    expected = {}
    for row in csv.DictReader(io.StringIO("".join(lines))):
        item = {name: {types.get(name, "S"): _canonical(name, cell)} for name, cell in row.items() if cell}
        expected[row["icao"]] = item
    check_equal("items of the table", _by_key(site.items(table)), expected)
    return f"{DIRECT_ROWS:,} items equal the file's rows"


def expected_airports() -> dict[str, dict[str, Any]]:
    """The items that events/workflows/csv_load.json makes of the airports, by their key."""
    return {row["icao"]: _airport(row) for row in csv.DictReader(io.StringIO(airports_csv().decode()))}


def _airport(row: dict[str, str]) -> dict[str, Any]:
    item: dict[str, Any] = {name: {"S": row[column]} for name, column in _ALWAYS.items()}
    item |= {name: {"S": row[column]} for name, column in _OPTIONAL.items() if row[column]}
    position = {"latitude": {"N": _number(row["lat"])}, "longitude": {"N": _number(row["lon"])}}
    return item | {"elevationFeet": {"N": _number(row["elevation"])}, "position": {"M": position}}


_ALWAYS = {"icao": "icao", "name": "name", "country": "country", "timeZone": "tz"}
_OPTIONAL = {"iata": "iata", "city": "city", "subdivision": "subd", "lid": "lid"}


def _canonical(name: str, cell: str) -> str:
    return _number(cell) if name in ("elevation", "lat", "lon") else cell


def _number(text: str) -> str:
    """A number as DynamoDB returns it: without zeros that mean nothing."""
    sign, digits = ("-", text[1:]) if text.startswith("-") else ("", text)
    whole, _, fraction = digits.partition(".")
    whole, fraction = whole.lstrip("0") or "0", fraction.rstrip("0")
    number = f"{whole}.{fraction}" if fraction else whole
    return number if number == "0" else sign + number


def _by_key(items: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {item["icao"]["S"]: item for item in items}

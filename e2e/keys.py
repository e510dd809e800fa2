"""distinct_keys: the aircraft of real flights, with each kind of processor."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter

from demo.flights import flights_csv
from e2e.processors import keys_of_function, keys_of_machine, processor_name
from e2e.site import Site, check_counts, check_equal
from sluice_cli.surroundings import PROJECT_ROOT

SOURCE_KEY = "input/check/flights.csv"
FLIGHTS = 20_000
SOME_KEYS = 20


def check_distinct_keys(site: Site) -> str:
    """Find the aircraft of the flights, measure each; call a function and a state machine for some of them."""
    table = site.create_table("flights", "tailnum", "departure")
    lines = flights_csv().decode().splitlines(keepends=True)[: FLIGHTS + 1]
    site.put(SOURCE_KEY, "".join(lines).encode())
    document = json.loads((PROJECT_ROOT / "events" / "workflows" / "csv_load_flights.json").read_text())
    site.run("csv_load", document | {"table": table, "source": {"bucket": site.bucket, "key": SOURCE_KEY}})
    flights = {(row["tailnum"], _departure(row)) for row in csv.DictReader(io.StringIO("".join(lines)))}
    expected = Counter(tail for tail, _ in flights)
    summary = site.run("distinct_keys", {"table": table, "processor": "measure"})
    check_counts(summary, (len(expected), len(expected), 0, 0, 0))
    report = [json.loads(line) for line in site.object(summary["report"]["key"]).splitlines()]
    measured = {each["key"]["tailnum"]["S"]: each["items"] for each in report}
    check_equal("items per aircraft", measured, dict(expected))
    _check_processors(site, table, sorted(expected)[:SOME_KEYS])
    return (
        f"{len(expected):,} aircraft of {len(flights):,} flights; function and state machine called once for each key"
    )


def _check_processors(site: Site, table: str, keys: list[str]) -> None:
    """Feed some keys to the function and to the state machine that the check has created."""
    lines = "".join(json.dumps({"tailnum": {"S": key}}) + "\n" for key in keys)
    given = site.put("input/check/keys.jsonl", lines.encode())
    for kind, seen in (("function", keys_of_function), ("stateMachine", keys_of_machine)):
        processor = {kind: processor_name(site)}
        summary = site.run("distinct_keys", {"table": table, "processor": processor, "keys": given})
        check_counts(summary, (len(keys), len(keys), 0, 0, 0))
        check_equal(f"keys that the {kind} has seen", seen(site, summary["execution"]), Counter(keys))


def _departure(row: dict[str, str]) -> str:
    return f"{row['time_hour']} {row['carrier']}{row['flight']} {row['origin']}"

"""The report's page: facts as HTML. Jinja2 escapes all data; the page needs no network and no script."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from sluice.dynamodb.prices import READ_UNIT_USD, WRITE_UNIT_USD
from sluice.report.charts import Rate, Span, binned, running, timelines
from sluice.report.facts import RunFacts
from sluice.report.next_steps import next_steps

LOCAL_ACCOUNT = "000000000000"
OUTCOMES = ("written", "skipped", "rejected", "failed")
VALUE_CHARACTERS = 300
LARGEST_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Count:
    """One part of what was read. `percent`: its share."""

    name: str
    count: int
    percent: float


@dataclass(frozen=True, slots=True)
class Change:
    """One attribute of a sampled item; `before` or `after` is None where the item lacks it."""

    name: str
    before: str | None
    after: str | None


def render(facts: RunFacts) -> str:
    """The page. Halves of surrogate pairs, which stand for bytes that are not UTF-8, are shown as \\udc80."""
    page = _template().render(
        facts=facts,
        notes=(facts.summary or {}).get("notes") or [],
        title=f"{facts.run.workflow} {facts.run.name}",
        counts=_counts(facts),
        read=_read(facts),
        steps=next_steps(facts),
        subject=_subject(facts.summary or {}),
        times=_times(facts),
        rates=_rates(facts),
        timelines=timelines(_span(facts), facts.children) if facts.children else [],
        span=_span(facts),
        costs=_costs(facts),
        samples=[(_key_text(each), _changes(each)) for each in facts.samples],
        links=_links(facts),
        largest=_largest(facts.summary or {}),
        raw=json.dumps(facts.summary, indent=2, ensure_ascii=False) if facts.summary else None,
    )
    return page.encode("utf-8", "backslashreplace").decode()


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": number_text,
        "duration": duration_text,
        "moment": moment_text,
        "cut": cut,
        "compact": _compact,
    }
    return environment.get_template("page.html.j2")


def number_text(value: float) -> str:
    """A number with thousands separators; fractions with three significant digits."""
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:,.3g}"


def duration_text(seconds: float) -> str:
    """A duration as people say it: "4.2 s", "3 min 5 s", "2 h 7 min"."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, left = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {left} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def moment_text(at: float) -> str:
    """A time in seconds since 1970 as UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def cut(value: object, characters: int = VALUE_CHARACTERS) -> str:
    """A value as text, cut after so many characters."""
    text = value if isinstance(value, str) else _compact(value)
    return text if len(text) <= characters else f"{text[:characters]}… ({len(text):,} characters)"


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _read(facts: RunFacts) -> int:
    counts = (facts.summary or {}).get("counts") or {}
    return int(counts.get("read", facts.item.done.read))


def _counts(facts: RunFacts) -> list[Count]:
    """The outcomes of what was read, and what has none yet: they add up to what was read."""
    found = (facts.summary or {}).get("counts") or facts.item.done.to_state()
    counts = {name: int(found.get(name, 0)) for name in OUTCOMES}
    read = _read(facts)
    open_rows = read - sum(counts.values())
    if open_rows > 0:
        counts["not settled"] = open_rows
    whole = max(sum(counts.values()), 1)
    return [Count(name, count, round(count / whole * 100, 3)) for name, count in counts.items()]


def _subject(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the run worked on, as far as its summary says so."""
    named = ("source", "table", "index", "target", "action", "undone", "mode", "watermark", "reason")
    return [(name, cut(summary[name])) for name in named if summary.get(name) not in (None, "", {}, [])]


def _times(facts: RunFacts) -> list[tuple[str, str]]:
    start, stop = facts.started_at, facts.ended_at
    if start is None or stop is None:
        return []
    times = [("started", moment_text(start)), ("ended", moment_text(stop)), ("took", duration_text(stop - start))]
    read = _read(facts)
    if read and stop > start:
        times.append(("rows per second", number_text(read / (stop - start))))
    if (planned := facts.item.planned_rows) is not None:
        times.append(("rows planned", number_text(planned)))
    return times


def _span(facts: RunFacts) -> Span:
    return Span(facts.started_at or 0.0, facts.ended_at or facts.started_at or 0.0)


def _rates(facts: RunFacts) -> list[Rate]:
    """The charts that have something to show."""
    span, item = _span(facts), facts.item
    rates = [
        Rate("Rows read", "rows/s", binned(span, facts.work, lambda each: each.done.read)),
        Rate("Write units", "units/s", binned(span, facts.work, lambda each: each.done.write_units), item.write_limit),
        Rate("Read units", "units/s", binned(span, facts.work, lambda each: each.done.read_units), item.read_limit),
        Rate("Children at work", "at once", running(span, facts.children)),
    ]
    return [each for each in rates if each.peak > 0]


def _costs(facts: RunFacts) -> list[tuple[str, float | None, float | None]]:
    """By kind: units or requests, and USD at the prices of us-east-1."""
    summary = facts.summary or {}
    capacity = summary.get("capacity") or facts.item.done.to_state()
    read, write = float(capacity.get("readUnits") or 0), float(capacity.get("writeUnits") or 0)
    costs: list[tuple[str, float | None, float | None]] = []
    if read:
        costs.append(("Read units", read, read * READ_UNIT_USD))
    if write:
        costs.append(("Write units", write, write * WRITE_UNIT_USD))
    if query := summary.get("query"):
        costs.append(("Athena, bytes scanned", query.get("bytesScanned"), query.get("usd")))
    if estimate := summary.get("estimate"):
        costs.append(("Estimate of applying this dry run", None, estimate.get("usd")))
    return costs


def _links(facts: RunFacts) -> list[tuple[str, str]]:
    """Pages of the AWS console; local AWS has none."""
    if facts.account == LOCAL_ACCOUNT:
        return []
    region, arn = facts.region, facts.run.execution_arn
    console = f"https://{region}.console.aws.amazon.com"
    prefix = quote(facts.run.prefix, safe="")
    return [
        ("Execution", f"{console}/states/home?region={region}#/v2/executions/details/{arn}"),
        ("Files of the run", f"{console}/s3/buckets/{facts.bucket}?region={region}&prefix={prefix}"),
    ]


def _largest(summary: Mapping[str, Any]) -> Sequence[tuple[str, int, int]]:
    """The largest collections that distinct_keys has measured: key, items, bytes."""
    report = summary.get("report") or {}
    return [
        (
            " ".join(str(value) for typed in each["key"].values() for value in typed.values()),
            each["items"],
            each["bytes"],
        )
        for each in (report.get("largest") or [])[:LARGEST_SHOWN]
    ]


def _key_text(sample: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {_plain(value)}" for name, value in (sample.get("key") or {}).items())


def _changes(sample: Mapping[str, Any]) -> list[Change]:
    """The attributes that differ; an item that is deleted has lost all of them."""
    before, after = sample.get("before") or {}, sample.get("after") or {}
    if isinstance(after, list):
        after = {f"item {number}": {"M": each} for number, each in enumerate(after, 1)}
    return [
        Change(name, _attribute(before, name), _attribute(after, name))
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]


def _attribute(item: Mapping[str, Any], name: str) -> str | None:
    return cut(_plain(item[name])) if name in item else None


def _plain(value: Any) -> Any:
    """DynamoDB JSON as plain JSON, for reading only."""
    if not isinstance(value, dict) or len(value) != 1:
        return value
    [(kind, inner)] = value.items()
    if kind == "M":
        return {name: _plain(each) for name, each in inner.items()}
    return [_plain(each) for each in inner] if kind == "L" else None if kind == "NULL" else inner

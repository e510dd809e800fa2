"""The first items of a run's sample, before and after, attribute by attribute."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from sluice_cli.aws import Aws
from sluice_cli.plain_text import is_same, plain_key, plain_name, plain_value
from sluice_cli.stored_lines import first_lines

ITEMS_SHOWN = 3
LINES_PER_ITEM = 20
VALUE_CHARACTERS = 80
# What stays of what two long values have in common.
CONTEXT_CHARACTERS = 16

Values = Mapping[str, Any]


def sample_lines(aws: Aws, summary: Any) -> list[str]:
    """What happened to the first items of the sample; nothing when there is none, or it may not be read.

    Raises CommandError when S3 cannot be asked.
    """
    sample = summary.get("sample") if isinstance(summary, dict) else None
    if not sample:
        return []
    items = first_lines(aws, summary["results"]["bucket"], sample["key"])[:ITEMS_SHOWN]
    return [text for line in items for text in ["", *item_lines(json.loads(line))]]


def item_lines(line: Mapping[str, Any]) -> list[str]:
    """One line of the sample: the item's key, and what was added, removed and changed."""
    key, before, after = plain_key(line["key"]), line["before"], line["after"]
    if after is None:
        return [f"{key}: nothing is left of it"]
    if isinstance(after, list):
        numbered = [(f"{key}: item {number} of {len(after)}", each) for number, each in enumerate(after, 1)]
        return [text for heading, each in numbered for text in _one_item(heading, before, each)]
    return _one_item(key, before, after)


def _one_item(heading: str, before: Values, after: Values) -> list[str]:
    lines = list(_differences(before, after, ""))
    more = len(lines) - LINES_PER_ITEM
    shown = [*lines[:LINES_PER_ITEM], f"... {more:,} more lines"] if more > 0 else lines
    return [heading, *(f"  {line}" for line in shown or ["the same"])]


def _differences(before: Values, after: Values, path: str) -> Iterator[str]:
    """By name: what is in both maps and differs is gone into as far as it is maps or lists of the same length."""
    for name in sorted(before.keys() | after.keys()):
        place = f"{path}.{plain_name(name)}" if path else plain_name(name)
        if name not in before:
            yield f"+ {place}: {_cut(plain_value(after[name]))}"
        elif name not in after:
            yield f"- {place}: {_cut(plain_value(before[name]))}"
        else:
            yield from _value_differences(before[name], after[name], place)


def _value_differences(old: Values, new: Values, place: str) -> Iterator[str]:
    if is_same(old, new):
        return
    if "M" in old and "M" in new:
        yield from _differences(old["M"], new["M"], place)
    elif "L" in old and "L" in new and len(old["L"]) == len(new["L"]):
        for number, (each_old, each_new) in enumerate(zip(old["L"], new["L"], strict=True)):
            yield from _value_differences(each_old, each_new, f"{place}[{number}]")
    else:
        old_text, new_text = plain_value(old), plain_value(new)
        start = _start_shown(old_text, new_text)
        yield f"- {place}: {_cut(old_text, start)}"
        yield f"+ {place}: {_cut(new_text, start)}"


def _start_shown(old: str, new: str) -> int:
    """From where on two values are shown, so that what differs is not cut off."""
    if max(len(old), len(new)) <= VALUE_CHARACTERS:
        return 0
    pairs = enumerate(zip(old, new, strict=False))
    common = next((place for place, (one, other) in pairs if one != other), min(len(old), len(new)))
    return max(0, common - CONTEXT_CHARACTERS)


def _cut(text: str, start: int = 0) -> str:
    shown = text[start : start + VALUE_CHARACTERS]
    return f"{'...' if start else ''}{shown}{'...' if start + len(shown) < len(text) else ''}"

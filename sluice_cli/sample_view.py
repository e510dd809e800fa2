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

    Raises CommandError when S3 cannot be read.
    """
    sample = summary.get("sample") if isinstance(summary, dict) else None
    if not sample:
        return []
    items = first_lines(aws, summary["results"]["bucket"], sample["key"])[:ITEMS_SHOWN]
    return [text for line in items for text in ["", *item_lines(json.loads(line))]]


def item_lines(line: Mapping[str, Any]) -> list[str]:
    """One line of the sample: the item's key, and what was added, removed and changed; of csv_load a row's item."""
    if "item" in line:
        return _one_item(f"row {line['row']}", {}, line["item"])
    key, before, after = plain_key(line["key"]), line["before"], line["after"]
    if after is None:
        return [f"{key}: nothing is left of it"]
    if isinstance(after, list):
        numbered = [(f"{key}: item {number} of {len(after)}", each) for number, each in enumerate(after, 1)]
        return [text for heading, each in numbered for text in _one_item(heading, before, each)]
    return _one_item(key, before, after)


def difference_lines(before: Values, after: Values) -> list[str]:
    """What was added, removed and changed, indented; nothing where items are the same."""
    lines = list(_differences(before, after, ""))
    more = len(lines) - LINES_PER_ITEM
    shown = [*lines[:LINES_PER_ITEM], f"... {more:,} more lines"] if more > 0 else lines
    return [f"  {line}" for line in shown]


def _one_item(heading: str, before: Values, after: Values) -> list[str]:
    return [heading, *(difference_lines(before, after) or ["  the same"])]


def _differences(before: Values, after: Values, path: str) -> Iterator[str]:
    """By name: values in both maps that differ are compared in depth if they are maps or lists of one length."""
    for name in sorted(before.keys() | after.keys()):
        name_path = f"{path}.{plain_name(name)}" if path else plain_name(name)
        if name not in before:
            yield f"+ {name_path}: {_cut(plain_value(after[name]))}"
        elif name not in after:
            yield f"- {name_path}: {_cut(plain_value(before[name]))}"
        else:
            yield from _value_differences(before[name], after[name], name_path)


def _value_differences(old: Values, new: Values, name_path: str) -> Iterator[str]:
    if is_same(old, new):
        return
    if "M" in old and "M" in new:
        yield from _differences(old["M"], new["M"], name_path)
    elif "L" in old and "L" in new and len(old["L"]) == len(new["L"]):
        for number, (each_old, each_new) in enumerate(zip(old["L"], new["L"], strict=True)):
            yield from _value_differences(each_old, each_new, f"{name_path}[{number}]")
    else:
        old_text, new_text = plain_value(old), plain_value(new)
        start = _start_shown(old_text, new_text)
        yield f"- {name_path}: {_cut(old_text, start)}"
        yield f"+ {name_path}: {_cut(new_text, start)}"


def _start_shown(old: str, new: str) -> int:
    """From where on two values are shown, so that what differs is not cut off."""
    if max(len(old), len(new)) <= VALUE_CHARACTERS:
        return 0
    pairs = enumerate(zip(old, new, strict=False))
    common = next((pairs_index for pairs_index, (one, other) in pairs if one != other), min(len(old), len(new)))
    return max(0, common - CONTEXT_CHARACTERS)


def _cut(text: str, start: int = 0) -> str:
    shown = text[start : start + VALUE_CHARACTERS]
    return f"{'...' if start else ''}{shown}{'...' if start + len(shown) < len(text) else ''}"

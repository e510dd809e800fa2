"""Why rows, objects or keys were rejected or failed: how many for which reason, and a message of each."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sluice.errors import NothingWrittenError, TooManyRejectsError
from sluice.rejects import shortened
from sluice.runs.summary import RunError, Summary

# A summary is part of an execution's output: it has messages of the most frequent reasons only.
SHOWN = 3
MESSAGE_MAX_CHARACTERS = 2000


@dataclass(slots=True)
class Reasons:
    """`counts`: by error name. `messages`: of each error name the first one, as far as they are known."""

    counts: Counter[str] = field(default_factory=Counter)
    messages: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, message: str) -> None:
        """One more row, object or key."""
        self.counts[name] += 1
        self.messages.setdefault(name, message)

    def without(self, name: str) -> Reasons:
        """All but one error name."""
        return Reasons(Counter({each: count for each, count in self.counts.items() if each != name}), self.messages)

    @property
    def examples(self) -> dict[str, str]:
        """The messages of the most frequent reasons, the most frequent first."""
        shown = [name for name, _ in self._most_frequent() if name in self.messages]
        return {name: shortened(self.messages[name], MESSAGE_MAX_CHARACTERS) for name in shown}

    def __str__(self) -> str:
        """The most frequent reasons in one line: `NumberInvalid 7 ("x" is not a number), DateInvalid 1 (...)`."""
        examples = self.examples
        listed = [f"{name} {count:,}{_in_brackets(examples.get(name))}" for name, count in self._most_frequent()]
        others = len(self.counts) - len(listed)
        return ", ".join([*listed, *([f"and {others} other reasons"] if others else [])])

    def explain(self, error: RunError | None) -> RunError | None:
        """The error with the reasons after its message."""
        return replace(error, message=f"{error.message}: {self}") if error and self.counts else error

    def _most_frequent(self) -> list[tuple[str, int]]:
        return sorted(self.counts.items(), key=lambda each: (-each[1], each[0]))[:SHOWN]


def _in_brackets(message: str | None) -> str:
    return f" ({message})" if message else ""


def rejects_state(key: str, reasons: Reasons) -> dict[str, Any]:
    """A summary's `rejects`: the file, all reasons, and a message of each of the most frequent ones."""
    return {"key": key, "reasons": dict(reasons.counts), "examples": reasons.examples}


def reasons_in_file(chunks: Iterable[bytes], counts: Mapping[str, int]) -> Reasons:
    """The reasons of a file of rejects, with messages; `counts` are known. Reads no more of it than it needs.

    `chunks`: the file, of lines {"error", "message", ...} as `sluice.rejects` writes them.
    """
    reasons = Reasons(Counter(counts))
    wanted = {name: _mark(name) for name, _ in reasons._most_frequent()}
    rest = b""
    for chunk in chunks:
        whole, newline, rest_of_chunk = (rest + chunk).rpartition(b"\n")
        rest = rest_of_chunk
        for name, mark in list(wanted.items()):
            message = _message_in(whole + newline, name, mark)
            if message is not None:
                reasons.messages[name] = message
                del wanted[name]
        if not wanted:
            break
    return reasons


REJECT_ERRORS = frozenset({TooManyRejectsError.__name__, NothingWrittenError.__name__})


def with_examples(summary: Summary, chunks: Iterable[bytes]) -> Summary:
    """The summary with a message of each of its most frequent reasons; an error about rejects has them, too.

    `chunks`: the run's file of rejects.
    """
    reasons = reasons_in_file(chunks, summary.reasons)
    error = summary.error
    if error and error.name in REJECT_ERRORS and not any(each in error.message for each in reasons.examples.values()):
        error = reasons.explain(error)
    return replace(summary, examples=reasons.examples, error=error)


def _mark(name: str) -> bytes:
    """What every line with this error has, and few others: a record can have a column `error`."""
    return f'"error": {json.dumps(name)}'.encode()


def _message_in(lines: bytes, name: str, mark: bytes) -> str | None:
    found = lines.find(mark)
    while found >= 0:
        start, end = lines.rfind(b"\n", 0, found) + 1, lines.find(b"\n", found)
        line = json.loads(lines[start:end])
        if line["error"] == name:
            return str(line["message"])
        found = lines.find(mark, end)
    return None


def all_reasons(lines: Iterable[bytes]) -> Reasons:
    """The reasons of all lines {"error", "message", ...}."""
    reasons = Reasons()
    for line in filter(None, lines):
        read = json.loads(line)
        reasons.add(read["error"], read["message"])
    return reasons

"""Names are standard words, and prose has none of the phrases that once made this code hard to read.

A name that these tests refuse has a better one in the table of WORDS. If a refused word is right somewhere, add it to
ALLOWED with the reason.
"""

from __future__ import annotations

import io
import keyword
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("functions", "sluice_cli", "local_aws", "demo", "bench", "e2e", "tests")
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("local_aws/*.md"), *ROOT.glob(".ci/*.md")])

# A word that no name has, and what to call it.
WORDS = {
    "asked": "request",
    "place": "path, offset, index, location or position",
    "places": "paths, offsets, indexes, locations or positions",
    "way": "item_source, kind or method",
    "ways": "item_sources, kinds or methods",
    "recipe": "spec",
    "told": "reported, message or response",
    "fate": "outcome",
    "verdict": "decision or result",
    "judged": "failure_reason",
    "anew": "again",
    "eldest": "oldest",
    "gone": "missing, deleted or ended",
    "carrier": "writer",
    "allowance": "rate_limiter",
    "allowances": "rate_limiters",
    "claim": "demand",
    "claims": "demand",
    "modest": "under_share",
    "beat": "heartbeat",
    "beats": "heartbeats",
    "pacing": "run_item",
    "lead": "head",
    "spooled": "spool",
    "outstanding": "request_pipeline",
    "heir": "successor",
}
# Names with such a word, and why.
ALLOWED = {
    "SpooledTemporaryFile": "the standard library's",
    "places": "an argument of hypothesis.strategies.decimals",
    "test_links_lead_to_files_and_headings": "the verb",
    "test_containers_variables_lead_to_local_aws": "the verb",
}
# Pickled in the data directories of local AWS under these names.
PICKLED = {
    ROOT / "local_aws" / "exports" / name for name in ("export.py", "files.py", "operations.py", "permissions.py")
}
# `in_place` is the ordinary word for changing an item where it is.
IN_PLACE = re.compile(r"(?i)in_?place")

# Phrases that no text has, and a better one.
PHRASES = {
    r"\basked for\b": "requested",
    r"\b(is|are|was|were|be|been) told\b": "reported, or a verb in the active voice",
    r"\banew\b": "again",
    r"\bgo(es)? on with\b": "continues with",
    r"\bgone on with\b": "resumed",
    r"\bby way of\b": "through",
    r"\bin the place of\b": "instead of",
    r"\bunder way\b": "running, active or in flight",
    r"\b(on|along) (its|their|the) way\b": "in flight, along the path",
    r"\bhalf way\b": "midway",
    r"\bfate\b": "outcome",
    r"\bverdict": "decision, result",
    r"\bstand(s)? twice\b": "duplicate",
    r"\bcomes? to what\b": "has the outcome of",
    r"\bis headed by\b": "has a section for",
    r"\b(when|where|if) left out\b": "if omitted",
    r"\bmade up when\b": "generated if",
    r"\bheld against\b": "compared with, checked against",
    r"(?<!there )\b(is|are) no (JSON|number|whole number|object|name|text|list|index)\b": "is not a ..., must be a ...",
    r"\banswer that lacks\b": "incomplete result",
    r"\bbeats no more\b": "stops sending heartbeats",
    r"\bcounts no more\b": "no longer counts",
    r"\btaken once\b": "duplicates are dropped",
}

CAMEL = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def words_of(name: str) -> set[str]:
    """The words of a name in snake or camel case, in lower case."""
    return {word.lower() for part in name.split("_") for word in CAMEL.findall(part)}


def wrong_words(name: str) -> set[str]:
    return set() if name in ALLOWED else words_of(IN_PLACE.sub("", name)) & WORDS.keys()


def sources() -> list[Path]:
    return [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]


@cache
def tokens(path: Path) -> list[tokenize.TokenInfo]:
    return list(tokenize.generate_tokens(io.StringIO(path.read_text()).readline))


def names(path: Path) -> Iterator[tuple[str, int]]:
    """Every name in a file, with its line."""
    for token in tokens(path):
        if token.type == tokenize.NAME and not keyword.iskeyword(token.string):
            yield token.string, token.start[0]


def texts(path: Path) -> Iterator[tuple[str, int]]:
    """Docstrings, comments and other strings of a Python file, or the lines of a page; each with its line."""
    if path.suffix == ".md":
        yield from ((line, number) for number, line in enumerate(path.read_text().splitlines(), 1))
        return
    for token in tokens(path):
        if token.type in (tokenize.STRING, tokenize.COMMENT):
            yield " ".join(token.string.split()), token.start[0]


def found_phrases(path: Path) -> list[str]:
    if path == Path(__file__):
        return []
    return [
        f"{path.relative_to(ROOT)}:{line}: {found.group()!r}; better: {better}"
        for text, line in texts(path)
        for phrase, better in PHRASES.items()
        if (found := re.search(phrase, text)) is not None
    ]


def test_names_are_standard_words() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {name}; better: {[WORDS[word] for word in sorted(wrong_words(name))]}"
        for path in sources()
        if path not in PICKLED
        for name, line in names(path)
        if wrong_words(name)
    ]
    assert found == []


def test_files_have_standard_names() -> None:
    assert [path for path in sources() if wrong_words(path.stem.replace("-", "_"))] == []


def test_allowed_names_exist() -> None:
    assert ALLOWED.keys() - {name for path in sources() for name, _ in names(path)} == set()


@pytest.mark.parametrize("folder", FOLDERS)
def test_docstrings_comments_and_messages_are_plain(folder: str) -> None:
    assert [each for path in sorted((ROOT / folder).rglob("*.py")) for each in found_phrases(path)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_are_plain(page: Path) -> None:
    assert found_phrases(page) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("place_of", {"place"}),
        ("ObjectPlace", {"place"}),
        ("is_asked", {"asked"}),
        ("LOST_BEATS", {"beats"}),
        ("replace", set()),
        ("in_place", set()),
        ("TransformedInPlace", set()),
        ("always", set()),
        ("SpooledTemporaryFile", set()),
    ],
)
def test_words_of_names_are_found(name: str, expected: set[str]) -> None:
    assert wrong_words(name) == expected

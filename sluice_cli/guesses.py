"""What a misspelt word was meant to be."""

from collections.abc import Iterable


def guess(word: str, known: Iterable[str]) -> str:
    """`; did you mean ...?` where a known word is close, else nothing."""
    # Only a wrong word pays for the import.
    from difflib import get_close_matches

    words = list(known)
    same = [each for each in words if each.casefold() == word.casefold()]
    close = same or get_close_matches(word, words, n=1)
    return f"; did you mean {close[0]}?" if close else ""

"""The partition key of a table or an index: read from a page's items, written as lines of the keys file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from json.encoder import encode_basestring as quote
from typing import Any

from sluice.keys import KeyAttribute

# The values of a partition key's attributes as DynamoDB spells them: one text each, in the key's order.
Key = tuple[str, ...]


class PartitionKey:
    """A table has one partition attribute, an index up to four.

    Values stay the texts that DynamoDB sent: it spells equal numbers and equal binaries the same.
    """

    def __init__(self, attributes: Sequence[KeyAttribute]) -> None:
        self.attributes = tuple(attributes)
        members = (f"{quote(each.name)}: {{{quote(each.type)}: ".replace("%", "%%") for each in attributes)
        self._line = f"{{{', '.join(f'{member}%s}}' for member in members)}}}\n"

    def of_items(self, items: Sequence[Mapping[str, Any]]) -> list[Key]:
        """The key of each item in DynamoDB JSON. Raises KeyError where an attribute is missing or of another type."""
        columns = ([item[each.name][each.type] for item in items] for each in self.attributes)
        return list(zip(*columns, strict=True))

    def to_state(self, key: Key) -> dict[str, dict[str, str]]:
        """The key in DynamoDB JSON."""
        return {each.name: {each.type: value} for each, value in zip(self.attributes, key, strict=True)}

    def to_lines(self, keys: Sequence[Key]) -> str:
        """The keys in DynamoDB JSON, one line each."""
        return self._line * len(keys) % tuple(map(quote, chain.from_iterable(keys)))

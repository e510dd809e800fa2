"""Tables as queries name them, and places in a query's text."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class TableName:
    """A table of Glue as a query names it, and where it does."""

    database: str
    name: str
    position: str = field(default="", compare=False)

    def hidden(self, column: str) -> str:
        """What a hidden column is called in DuckDB, where no column is hidden: no name that a query can have."""
        return f"{column} of {self.database}.{self.name}"


def position_of(text: str, start: int) -> str:
    """An offset of the text as Trino tells it: `line 1:15`."""
    before = text[:start]
    return f"line {before.count(chr(10)) + 1}:{start - (before.rfind(chr(10)) + 1) + 1}"

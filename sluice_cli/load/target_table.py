"""Whether a table takes the rows of a file: it exists or can be created, and its key is among the columns."""

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass

from sluice_cli.exit_code import BadInputError
from sluice_cli.guesses import guess
from sluice_cli.load.columns import Column, S
from sluice_cli.load.detection import CSV, Detected
from sluice_cli.load.options import split_list
from sluice_cli.load.tables import KEY_TYPES, Table, check_same_key
from sluice_cli.load.view import counted

REST = "*"
COLUMNS_NAMED = 20


@dataclass(frozen=True)
class TargetTable:
    """What the options say of the table. `types` are by column, `rename` has attributes by column."""

    name: str
    creates: bool
    key: list[str]
    types: Mapping[str, str]
    rename: Mapping[str, str]
    tolerates_rejects: bool

    @classmethod
    def of(cls, options: Namespace, types: Mapping[str, str], rename: Mapping[str, str]) -> "TargetTable":
        """Read the options."""
        key = split_list(options.key or "")
        return cls(options.table, options.create, key, types, rename, options.rejects_tolerated is not None)

    def resolve(self, found: Detected, existing: Table | None) -> Table:
        """The table, or the one to create. Raises BadInputError, which says what would help."""
        if found.layout == CSV or found.columns.is_whole:
            self._check_columns(found.columns.names)
        if existing is None:
            return self._new(found.columns.names)
        check_same_key(existing, self.key)
        return existing

    def check_key(self, table: Table, found: Detected) -> None:
        """Raises BadInputError if a key attribute of the table has no column, or no value in some rows."""
        columns = {each.name: each for each in found.columns.columns}
        for attribute, kind in {**table.keys, **table.indexed}.items():
            given = self.types.get(self.column_of(attribute), kind)
            if given != kind:
                raise BadInputError(
                    f"--types {self.column_of(attribute)}={given}: {attribute} is of type {kind} in table {table.name}"
                )
        for attribute in table.keys:
            column = columns.get(self.column_of(attribute))
            if column is None:
                raise BadInputError(self._no_key(attribute, table, list(columns)))
            self._check_filled(column, table)

    def column_of(self, attribute: str) -> str:
        """The column that becomes the attribute."""
        return next((column for column, name in self.rename.items() if name == attribute), attribute)

    def _check_columns(self, names: list[str]) -> None:
        for option, columns in (("--types", self.types), ("--rename", self.rename)):
            for column in columns:
                if column not in (*names, REST):
                    raise BadInputError(f"{option} {column}: {_no_column(column, names)}")

    def _new(self, names: list[str]) -> Table:
        if not self.creates:
            raise BadInputError(
                f"there is no table {self.name}; to create it, add --create --key COLUMN, or --key COLUMN,SORT_COLUMN. "
                f"The columns are {_named(names)}"
            )
        if len(self.key) not in (1, 2) or len(set(self.key)) != len(self.key):
            raise BadInputError(
                "--create needs --key: the column of the partition key, and after a comma that of the sort key, "
                f"if there is one. The columns are {_named(names)}"
            )
        kinds = {name: self.types.get(self.column_of(name), S) for name in self.key}
        for name, kind in kinds.items():
            if kind not in KEY_TYPES:
                raise BadInputError(f"--types {name}={kind}: a key is of type S, N or B")
        return Table(self.name, kinds)

    def _no_key(self, attribute: str, table: Table, names: list[str]) -> str:
        if attribute in self.key:
            return f"--key {attribute}: {_no_column(self.column_of(attribute), names)}"
        return (
            f"the key of table {table.name} is {' and '.join(table.keys)}, and "
            f"{_no_column(self.column_of(attribute), names)}. To use another column: --rename COLUMN={attribute}"
        )

    def _check_filled(self, column: Column, table: Table) -> None:
        if column.empty and not self.tolerates_rejects:
            have = "has" if column.empty == 1 else "have"
            raise BadInputError(
                f"column {column.name} is in the key of table {table.name}, and {counted(column.empty, 'row')} {have} "
                f"no value there. To load the others, add --rejects-tolerated {column.empty}"
            )


def _no_column(column: str, names: list[str]) -> str:
    return f"the file has no column {column}; it has {_named(names)}{guess(column, names)}"


def _named(names: list[str]) -> str:
    more = f" and {len(names) - COLUMNS_NAMED:,} more" if len(names) > COLUMNS_NAMED else ""
    return ", ".join(names[:COLUMNS_NAMED]) + more

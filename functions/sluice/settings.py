"""What functions read from their environment, once, at import; and the stack's own tables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from sluice.errors import InvalidInputError, SettingError


@dataclass(frozen=True, slots=True)
class OwnTables:
    """Their names."""

    names: frozenset[str]

    def refuse(self, field: str, table: object) -> None:
        """Raise InvalidInputError naming the field when it names one of them, by its name or its ARN."""
        name = table.rpartition("/")[2] if isinstance(table, str) else ""
        if name in self.names:
            raise InvalidInputError(field, f"{table} is one of the stack's own tables; name one of yours")


@dataclass(frozen=True, slots=True)
class Settings:
    """`data_bucket`: name of the bucket that holds what runs leave behind."""

    data_bucket: str

    @classmethod
    def from_env(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Read the settings; raises SettingError naming the variable that is missing."""
        return cls(data_bucket=_required(environment, "DATA_BUCKET"))


@dataclass(frozen=True, slots=True)
class RunSettings:
    """`table`: name of the table in which runs have their items."""

    table: str

    @classmethod
    def from_env(cls, environment: Mapping[str, str] = os.environ) -> RunSettings:
        """Read the settings; raises SettingError naming the variable that is missing."""
        return cls(table=_required(environment, "RUN_TABLE"))


def own_tables_from_env(environment: Mapping[str, str] = os.environ) -> OwnTables:
    """The stack's own tables; raises SettingError naming the variable that is missing."""
    variables = ("RUN_TABLE", "EXPORT_LEDGER_TABLE")
    return OwnTables(frozenset(_required(environment, variable) for variable in variables))


@dataclass(frozen=True, slots=True)
class ProcessorSettings:
    """Names of the functions and state machines that a run may start for each key."""

    functions: tuple[str, ...]
    state_machines: tuple[str, ...]

    @classmethod
    def from_env(cls, environment: Mapping[str, str] = os.environ) -> ProcessorSettings:
        """Read the settings; an empty variable allows none. Raises SettingError for one that is not set."""
        return cls(_names(environment, "PROCESSOR_FUNCTIONS"), _names(environment, "PROCESSOR_STATE_MACHINES"))


@dataclass(frozen=True, slots=True)
class QuerySettings:
    """Names of the workgroups that a run may query in, the default one first, and of the functions it may call.

    `source_buckets` and `output_buckets`: the buckets that it may read and write besides the data bucket, as a name or
    a pattern such as copies-*; empty for none.
    """

    work_groups: tuple[str, ...]
    functions: tuple[str, ...]
    source_buckets: str = ""
    output_buckets: str = ""

    @classmethod
    def from_env(cls, environment: Mapping[str, str] = os.environ) -> QuerySettings:
        """Read the settings; raises SettingError for one that is not set, and for a list without a workgroup."""
        work_groups = _names(environment, "ATHENA_WORK_GROUPS")
        if not work_groups:
            raise SettingError("the environment variable ATHENA_WORK_GROUPS contains no workgroup")
        source_buckets, output_buckets = (
            _text(environment, name) for name in ("SOURCE_BUCKET_PATTERN", "OUTPUT_BUCKET_PATTERN")
        )
        return cls(work_groups, _names(environment, "PROCESSOR_FUNCTIONS"), source_buckets, output_buckets)


@dataclass(frozen=True, slots=True)
class ObjectSettings:
    """Names of the functions that a run may call with objects, and the buckets that it may use besides the data bucket.

    Each bucket setting is a name or a pattern such as copies-*; empty for none.
    """

    functions: tuple[str, ...]
    source_buckets: str = ""
    output_buckets: str = ""
    delete_buckets: str = ""

    @classmethod
    def from_env(cls, environment: Mapping[str, str] = os.environ) -> ObjectSettings:
        """Read the settings; an empty variable allows none. Raises SettingError for one that is not set."""
        patterns = ("SOURCE_BUCKET_PATTERN", "OUTPUT_BUCKET_PATTERN", "DELETE_BUCKET_PATTERN")
        return cls(_names(environment, "PROCESSOR_FUNCTIONS"), *(_text(environment, each) for each in patterns))


def _names(environment: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(each.strip() for each in _text(environment, name).split(",") if each.strip())


def _text(environment: Mapping[str, str], name: str) -> str:
    """A variable that may be empty."""
    if name not in environment:
        raise SettingError(f"the environment variable {name} is not set")
    return environment[name]


def _required(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name, "")
    if not value:
        raise SettingError(f"the environment variable {name} is not set")
    return value

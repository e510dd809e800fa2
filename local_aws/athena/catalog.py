"""Glue's tables as queries see them, and the objects that belong to them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlparse

from ministack.services import glue

from local_aws.athena.errors import QueryError, user_error
from local_aws.athena.names import TableName
from local_aws.athena.permissions import QueryRights
from local_aws.s3_objects import MissingObjectError, list_objects

TEXT_FORMATS = {
    "OpenCSVSerde": "open csv",
    "LazySimpleSerDe": "text",
    "JsonSerDe": "json",
    "ParquetHiveSerDe": "parquet",
}


@dataclass(frozen=True)
class DataFile:
    """An object of a table, and the values of the partition it is in."""

    bucket: str
    key: str
    size: int
    modified: float
    values: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """What "$path" shows."""
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True)
class Column:
    """A column's name, in small letters, and its Hive type."""

    name: str
    hive_type: str


@dataclass(frozen=True)
class Table:
    """A table of Glue, checked to be one that can be read here."""

    name: TableName
    data_format: str
    columns: list[Column]
    partition_keys: list[Column]
    location: str
    serde: dict[str, str]
    parameters: dict[str, str]


def find_table(name: TableName, rights: QueryRights) -> Table:
    """The table of Glue. Raises QueryError when it is missing, may not be seen, or is of a kind not read here."""
    # Athena looks the default database up, whichever one a query uses (Athena User Guide, fine-grained access).
    for database in sorted({"default", name.database}):
        rights.check_glue("GetDatabase", database)
    if name.database not in glue._databases:
        raise user_error("SCHEMA_NOT_FOUND", f"Schema '{name.database}' does not exist", name.position)
    rights.check_glue("GetTable", name.database, name.name)
    found = glue._tables.get(f"{name.database}/{name.name}")
    if found is None:
        message = f"Table 'awsdatacatalog.{name.database}.{name.name}' does not exist"
        raise user_error("TABLE_NOT_FOUND", message, name.position)
    storage = found.get("StorageDescriptor") or {}
    serde = storage.get("SerdeInfo") or {}
    return Table(
        name=name,
        data_format=_data_format(found, serde.get("SerializationLibrary") or ""),
        columns=_columns(storage.get("Columns")),
        partition_keys=_columns(found.get("PartitionKeys")),
        location=storage.get("Location") or "",
        serde=serde.get("Parameters") or {},
        parameters=found.get("Parameters") or {},
    )


def _columns(listed: list[dict[str, Any]] | None) -> list[Column]:
    return [Column(str(each["Name"]).lower(), each.get("Type") or "string") for each in listed or []]


def _data_format(table: dict[str, Any], library: str) -> str:
    is_iceberg = (table.get("Parameters") or {}).get("table_type", "").lower() == "iceberg"
    if is_iceberg or table.get("TableType") == "VIRTUAL_VIEW":
        raise user_error("NOT_SUPPORTED", "local AWS reads neither views nor Iceberg tables")
    for name, data_format in TEXT_FORMATS.items():
        if name in library:
            return data_format
    message = f"local AWS does not read the SerDe '{library}': it knows {', '.join(TEXT_FORMATS)}"
    raise QueryError(message, "HIVE_UNSUPPORTED_FORMAT")


def data_files(table: Table, rights: QueryRights) -> list[DataFile]:
    """All objects below the table's location, or below those of its partitions. Raises QueryError."""
    if not table.partition_keys:
        return [*_below(table.location, (), rights)]
    rights.check_glue("GetPartitions", table.name.database, table.name.name)
    partitions = glue._partitions.get(f"{table.name.database}/{table.name.name}", [])
    return [
        file
        for partition in partitions
        for file in _below(_partition_location(table, partition), tuple(partition.get("Values") or ()), rights)
    ]


def _partition_location(table: Table, partition: dict[str, Any]) -> str:
    own = (partition.get("StorageDescriptor") or {}).get("Location")
    if own:
        return str(own)
    pairs = zip(table.partition_keys, partition.get("Values") or (), strict=False)
    return "/".join([table.location.rstrip("/"), *(f"{key.name}={value}" for key, value in pairs)])


def _below(location: str, values: tuple[str, ...], rights: QueryRights) -> Iterator[DataFile]:
    """A location is a folder, also without the slash; names that begin with a point or underscore are hidden."""
    uri = urlparse(location, allow_fragments=False)
    prefix = location.removeprefix(f"{uri.scheme}://{uri.netloc}").lstrip("/").rstrip("/")
    prefix += "/" if prefix else ""
    rights.check_listing(uri.netloc, prefix)
    try:
        entries = list_objects(uri.netloc, prefix)
        for entry in entries:
            key = str(entry["Key"])
            if not key.endswith("/") and not _is_hidden(key.removeprefix(prefix)):
                yield DataFile(uri.netloc, key, int(entry["Size"]), entry["LastModified"], values)
    except MissingObjectError as error:
        raise QueryError(f"Failed to list directory: {location}. {error}", "HIVE_FILESYSTEM_ERROR") from error


def _is_hidden(relative_key: str) -> bool:
    return any(part.startswith(("_", ".")) for part in relative_key.split("/"))

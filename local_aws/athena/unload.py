"""UNLOAD: rows as gzipped JSON Lines or Parquet below a prefix, and the manifest that lists the files."""

import gzip
import secrets
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from ministack.core.responses import new_uuid
from ministack.services import athena as service

from local_aws.athena.errors import QueryError, user_error
from local_aws.athena.hive_types import literal
from local_aws.athena.permissions import QueryRights
from local_aws.athena.requests import RefusedError
from local_aws.athena.statements import MALFORMED
from local_aws.s3_objects import MissingObjectError, list_objects, put_file

# Athena's workers write a file each; more than one shows what reads only the first.
FILES = 4
ROWS = "rows_to_unload"
FORMATS = ("json", "parquet")


@dataclass(frozen=True)
class Unload:
    """What UNLOAD writes: the rows of a query, as files of a format, below a bucket's prefix."""

    query: str
    bucket: str
    prefix: str
    data_format: str


def parse_unload(text: str) -> Unload:
    """The parts of an UNLOAD statement. Raises RefusedError for one that local AWS does not run."""
    cursor = service._Cursor(text)
    if not (cursor.keywords("unload") and cursor.punct("(")):
        raise _malformed("UNLOAD (query) TO 's3://...' WITH (format = '...')")
    start = cursor.peek()[2]
    cursor.skip_group()
    query = text[start : cursor.tokens[cursor.i - 1][2]]
    target = cursor.string() if cursor.keywords("to") else None
    options = _options(cursor) if target and cursor.keywords("with") and cursor.punct("(") else {}
    target_uri = urlparse(target or "", allow_fragments=False)
    data_format = options.pop("format", "").lower()
    if target_uri.scheme != "s3" or not data_format:
        raise _malformed("UNLOAD (query) TO 's3://...' WITH (format = '...')")
    compression = options.pop("compression", "gzip").lower()
    if data_format not in FORMATS or compression != "gzip" or options:
        message = "local AWS unloads as JSON or PARQUET with compression = 'gzip' and no other option"
        raise RefusedError(message, "NOT_SUPPORTED")
    prefix = (target or "").removeprefix(f"s3://{target_uri.netloc}").strip("/")
    return Unload(query, target_uri.netloc, f"{prefix}/" if prefix else "", data_format)


def _options(cursor: Any) -> dict[str, str]:
    """`(format = 'JSON', partitioned_by = ARRAY['a'])` as names and texts."""
    options: dict[str, str] = {}
    while not cursor.at_end() and not cursor.punct(")"):
        name = cursor.name()
        if name is not None and cursor.punct("="):
            options[name] = str(cursor.string() or cursor.peek()[1])
        else:
            cursor.advance()
    return options


def _malformed(expected: str) -> RefusedError:
    return RefusedError(f"line 1:1: mismatched input 'UNLOAD'. Expecting: {expected}", MALFORMED)


def check_target(unload: Unload, rights: QueryRights) -> None:
    """The place has to be empty, and writable. Raises QueryError."""
    rights.check_listing(unload.bucket, unload.prefix)
    rights.check_writing(unload.bucket, f"{unload.prefix}any")
    target_uri = f"s3://{unload.bucket}/{unload.prefix}"
    try:
        found = next(iter(list_objects(unload.bucket, unload.prefix)), None)
    except MissingObjectError as error:
        raise QueryError(str(error), "HIVE_FILESYSTEM_ERROR") from error
    if found is not None:
        message = f"Target directory for unload already exists: {target_uri}. You may need to manually clean the data"
        raise user_error("HIVE_PATH_ALREADY_EXISTS", f"{message} at location '{target_uri}' before retrying")


def unload_rows(connection: Any, sql: str, unload: Unload, directory: Path) -> tuple[int, list[str]]:
    """Run the query and store its rows; their number, and the URIs of the files."""
    connection.execute(f"CREATE TEMP TABLE {ROWS} AS {sql}")
    count = connection.execute(f"SELECT count(*) FROM {ROWS}").fetchone()[0]  # noqa: S608  (a constant)
    number_of_files = min(FILES, count)
    stem = f"{datetime.now(UTC):%Y%m%d_%H%M%S}_{secrets.randbelow(100_000):05d}_{secrets.token_hex(3)[:5]}"
    uris = []
    for number in range(number_of_files):
        path = directory / f"unloaded-{number}"
        options = "FORMAT parquet, COMPRESSION gzip" if unload.data_format == "parquet" else "FORMAT json"
        rows = f"SELECT * FROM {ROWS} WHERE rowid % {number_of_files} = {number}"  # noqa: S608  (numbers)
        connection.execute(f"COPY ({rows}) TO {literal(str(path))} ({options})")
        key = f"{unload.prefix}{stem}_{new_uuid()}{'.gz' if unload.data_format == 'json' else ''}"
        put_file(unload.bucket, key, _compressed(path) if unload.data_format == "json" else _kept(path))
        uris.append(f"s3://{unload.bucket}/{key}")
    return count, uris


def _compressed(path: Path) -> Path:
    target = path.parent.parent / f"{path.parent.name}-{path.name}.gz"
    with path.open("rb") as source, gzip.GzipFile(target, "wb", mtime=0) as packed:
        shutil.copyfileobj(source, packed)
    return target


def _kept(path: Path) -> Path:
    """The file outside of the query's directory, which is removed when it ends."""
    return path.rename(path.parent.parent / f"{path.parent.name}-{path.name}")

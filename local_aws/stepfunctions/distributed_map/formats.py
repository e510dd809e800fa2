"""The formats that ItemReader reads: CSV, JSON Lines and JSON, plain or compressed, and Parquet."""

import csv
import gzip
import io
import json
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any, BinaryIO

from local_aws.stepfunctions.scope import State

DELIMITERS = {"COMMA": ",", "PIPE": "|", "SEMICOLON": ";", "SPACE": " ", "TAB": "\t"}
ROWS_AT_ONCE = 1_000
MAXIMUM_ITEM_BYTES = 8 * 1024 * 1024

csv.field_size_limit(MAXIMUM_ITEM_BYTES)


def read_records(file: BinaryIO, key: str, config: State) -> Iterator[Any]:
    """The items of a file, closed at the end. Raises ValueError for what is none of its format."""
    with _decompressed(file, key, config) as content:
        yield from _reader(config)(content, config)


def count_records(file: BinaryIO, key: str, config: State) -> int:
    """How many items a file holds: a pass of its own, which keeps nothing."""
    with _decompressed(file, key, config) as content:
        input_type = config.get("InputType")
        if input_type == "CSV":
            rows = _csv_rows(content, config)
            _csv_headers(rows, config)
            return sum(1 for row in rows if row)
        if input_type == "JSONL":
            return sum(1 for line in content if not line.isspace())
        if input_type == "PARQUET":
            return sum(1 for _ in _parquet_texts(content))
        return len(_json_items(content, config))


def _decompressed(file: BinaryIO, key: str, config: State) -> BinaryIO:
    """Parquet is compressed within, whatever its name says."""
    if config.get("InputType") == "PARQUET":
        return file
    if key.endswith(".gz"):
        return gzip.GzipFile(fileobj=file)  # type: ignore[return-value]
    if key.endswith(".zstd"):
        raise ValueError("zstd is not read locally")
    return file


def _reader(config: State) -> Any:
    readers = {"CSV": _read_csv, "JSONL": _read_json_lines, "JSON": _read_json, "PARQUET": _read_parquet}
    input_type = config.get("InputType")
    if input_type not in readers:
        raise ValueError(f"InputType {input_type} is not read locally")
    return readers[input_type]


def _read_csv(content: BinaryIO, config: State) -> Iterator[dict[str, str]]:
    """Missing fields are empty strings, fields without a header are dropped."""
    rows = _csv_rows(content, config)
    headers = _csv_headers(rows, config)
    width = len(headers)
    for row in rows:
        if len(row) >= width:
            yield dict(zip(headers, row, strict=False))
        elif row:
            yield dict(zip(headers, row + [""] * (width - len(row)), strict=True))


def _csv_rows(content: BinaryIO, config: State) -> Iterator[list[str]]:
    """A backslash escapes the next character and is dropped, as by AWS's reader."""
    text = io.TextIOWrapper(content, encoding="utf-8", errors="replace", newline="")
    delimiter = DELIMITERS[config.get("CSVDelimiter", "COMMA")]
    return csv.reader(text, delimiter=delimiter, escapechar="\\", strict=False)


def _csv_headers(rows: Iterator[list[str]], config: State) -> list[str]:
    if config.get("CSVHeaderLocation") != "GIVEN":
        return next(rows, [])
    headers = list(config["CSVHeaders"])
    if len(set(headers)) < len(headers):
        raise ValueError("CSV headers cannot contain duplicates.")
    return headers


def _read_json_lines(content: BinaryIO, config: State) -> Iterator[Any]:
    for line in content:
        if not line.isspace():
            yield json.loads(line)


def _read_json(content: BinaryIO, config: State) -> Iterator[Any]:
    yield from _json_items(content, config)


def _read_parquet(content: BinaryIO, config: State) -> Iterator[Any]:
    for text in _parquet_texts(content):
        yield json.loads(text)


def _parquet_texts(content: BinaryIO) -> Iterator[str]:
    """The rows as JSON: AWS does not say how it writes times and decimals; here they are texts and numbers."""
    import duckdb

    with tempfile.NamedTemporaryFile(prefix="items-", suffix=".parquet") as file:
        shutil.copyfileobj(content, file)
        file.flush()
        with duckdb.connect(":memory:") as connection:
            try:
                rows = connection.execute("SELECT to_json(r)::VARCHAR FROM read_parquet(?) AS r", [file.name])
            except duckdb.Error as error:
                raise ValueError(str(error).partition("\n")[0]) from error
            while batch := rows.fetchmany(ROWS_AT_ONCE):
                yield from (row[0] for row in batch)


def _json_items(content: BinaryIO, config: State) -> list[Any]:
    """A JSON document has to be held while it is read; AWS limits it to 10 GB, a laptop's memory to less."""
    document = json.load(content)
    for step in config.get("ItemsPointer", "").split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        document = document[int(name)] if isinstance(document, list) else document[name]
    if not isinstance(document, list):
        raise ValueError("Attempting to map over non-iterable node.")  # noqa: TRY004
    return document

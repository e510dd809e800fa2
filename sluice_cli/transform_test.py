"""What `sluice transform test` does: calls a transform with some items, and shows what it makes of them."""

import csv
import json
import sys
import traceback
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

from sluice.dynamodb.plain import plain_item
from sluice.dynamodb.values import encode_attributes
from sluice.errors import InvalidInputError, RejectError
from sluice.mapping.delete import DELETE
from sluice.mapping.row_identity import RowIdentity
from sluice_cli.exit_code import BadInputError, ExitCode
from sluice_cli.sample_view import difference_lines
from sluice_cli.surroundings import FUNCTIONS, TRANSFORMS, Surroundings, folder_of_transforms
from sluice_cli.where import explaining, target_of

KINDS = frozenset({"S", "N", "B", "BOOL", "NULL", "M", "L", "SS", "NS", "BS"})
UNCHANGED = "None: csv_load skips such a row, table_transform leaves such an item as it is"
DELETED = "DELETE: table_transform deletes such an item"


@dataclass(frozen=True)
class Given:
    """An item or a row that a transform gets, and what messages call it."""

    name: str
    record: dict[str, Any]


def run_test(options: Namespace, surroundings: Surroundings) -> ExitCode:
    """Show what the transform makes of each item; FAILED if it fails for any of them."""
    folder = _existing_folder(surroundings.root)
    with _own_transforms(folder):
        transform = _load(options.name)
        outcomes: Counter[str] = Counter()
        for number, given in enumerate(_given(options, surroundings), 1):
            outcome, lines = _call(transform, given, number, folder)
            outcomes[outcome] += 1
            surroundings.print("\n".join([f"{given.name}: {lines[0]}", *lines[1:]]))
    total = sum(outcomes.values())
    if not total:
        raise BadInputError("there is nothing to give to the transform: the sample is empty")
    counts = ", ".join(f"{count:,} {outcome}" for outcome, count in outcomes.items())
    surroundings.say(f"{total:,} {'item' if total == 1 else 'items'}: {counts}")
    return ExitCode.FAILED if outcomes["failed"] else ExitCode.SUCCEEDED


@contextmanager
def _own_transforms(folder: Path) -> Iterator[None]:
    """The transforms below the folder can be imported."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def _existing_folder(root: Path) -> Path:
    """The folder that has the package `transforms`. Raises BadInputError."""
    if folder := folder_of_transforms(root):
        return folder
    raise BadInputError(f"there is no folder {FUNCTIONS}/{TRANSFORMS} here; run this in the project that has it")


def _load(name: str) -> Any:
    from sluice.mapping.transforms import load_transform

    try:
        return load_transform(name)
    except InvalidInputError as error:
        raise BadInputError(str(error)) from error


def _call(transform: Any, given: Given, number: int, folder: Path) -> tuple[str, list[str]]:
    """What became of one item: a word for it, and the lines that show it."""
    from sluice.mapping.transforms import takes_row

    before = deepcopy(given.record)
    more = [RowIdentity("test", "sample").row(number)] if takes_row(transform) else []
    try:
        return _outcome(before, transform(given.record, *more))
    except RejectError as error:
        return "failed", [f"{error.reason}: {error}"]
    # The user's own code can raise anything, and try to end the program.
    except (Exception, SystemExit) as error:  # noqa: BLE001
        return "failed", [_explained(error, folder)]


def _outcome(before: Mapping[str, Any], result: object) -> tuple[str, list[str]]:
    """Raises RejectError for what is not an item."""
    if result is None:
        return "left alone", [UNCHANGED]
    if result is DELETE:
        return "deleted", [DELETED]
    several = list(result) if isinstance(result, list | tuple) else [result]
    shown = [line for each in several for line in _changes(before, each)]
    if len(several) != 1:
        return "made into several", [f"{len(several)} items", *shown]
    return ("changed", ["changed", *shown]) if shown else ("unchanged", ["unchanged"])


def _changes(before: Mapping[str, Any], after: object) -> list[str]:
    if not isinstance(after, Mapping):
        raise RejectError("ValueUnsupported", f"the transform returned a {type(after).__name__} for an item")
    return difference_lines(_typed(before), _typed(after))


def _typed(record: Mapping[str, Any]) -> dict[str, Any]:
    """DynamoDB JSON of plain values. Raises RejectError for a value that DynamoDB does not have."""
    return {name: json.loads(value) for name, value in encode_attributes(record).items()}


def _explained(error: BaseException, folder: Path) -> str:
    """The error with the line of the user's code that raised it."""
    problem = "".join(traceback.format_exception_only(error)).strip()
    transforms = folder / TRANSFORMS
    own = [each for each in traceback.extract_tb(error.__traceback__) if Path(each.filename).is_relative_to(transforms)]
    if not own:
        return problem
    last = own[-1]
    return f"{problem} ({Path(last.filename).relative_to(folder)}, line {last.lineno}, in {last.name}: {last.line})"


def _given(options: Namespace, surroundings: Surroundings) -> Iterator[Given]:
    given = _sampled(Path(options.sample)) if options.sample else _scanned(options, surroundings)
    return islice(given, options.limit)


def _scanned(options: Namespace, surroundings: Surroundings) -> Iterator[Given]:
    """Items of a table, which is only read."""
    target = target_of(options, surroundings)
    with explaining(target):
        aws = surroundings.connect(target)
        schema = aws.dynamodb.describe_table(TableName=options.table)["Table"]["KeySchema"]
        keys = [each["AttributeName"] for each in schema]
        pages = aws.dynamodb.get_paginator("scan").paginate(
            TableName=options.table, PaginationConfig={"MaxItems": options.limit, "PageSize": options.limit}
        )
        for page in pages:
            for item in page["Items"]:
                plain = plain_item(item)
                yield Given(" ".join(f"{name}={plain[name]}" for name in keys), plain)


def _sampled(path: Path) -> Iterator[Given]:
    """The rows of a CSV file, or the objects of a JSON Lines file: plain JSON, or items in DynamoDB JSON."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            if path.suffix.lower() in (".csv", ".tsv"):
                rows = csv.DictReader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
                for number, row in enumerate(rows, 1):
                    yield Given(f"row {number}", dict(row))
            else:
                for number, line in enumerate(file, 1):
                    if line.strip():
                        yield Given(f"line {number}", _record(line, path, number))
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(f"--sample: {path} cannot be read: {error}") from error


def _record(line: str, path: Path, number: int) -> dict[str, Any]:
    try:
        value = json.loads(line, parse_float=Decimal)
    except ValueError as error:
        raise BadInputError(f"--sample: line {number} of {path} is not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise BadInputError(f"--sample: line {number} of {path} is not a JSON object")
    item = value["Item"] if set(value) == {"Item"} and isinstance(value["Item"], dict) else value
    if item and all(isinstance(each, dict) and len(each) == 1 and each.keys() <= KINDS for each in item.values()):
        return plain_item(item)
    return value

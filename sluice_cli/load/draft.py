"""`sluice draft`: the csv_load input for a file, with the mapping spelled out, to edit."""

import json
import re
from argparse import Namespace
from pathlib import Path, PurePosixPath

from sluice_cli.exit_code import ExitCode
from sluice_cli.load.detection import Detected, detect_file
from sluice_cli.load.inputs import mapping_of, source_of, with_types
from sluice_cli.load.options import hints_of, split_list, types_of
from sluice_cli.load.samples import SCHEME, Objects, detect_objects
from sluice_cli.load.upload import LocalFile
from sluice_cli.load.view import found_lines
from sluice_cli.stack import DATA_BUCKET
from sluice_cli.surroundings import Surroundings
from sluice_cli.where import explaining, target_of

NOT_IN_TABLE_NAMES = re.compile(r"[^a-zA-Z0-9_.-]+")


def draft(options: Namespace, surroundings: Surroundings) -> ExitCode:
    """Print the input; say on stderr what was found, and how to use it."""
    hints, given, key = hints_of(options), types_of(options), split_list(options.key or "")
    if options.file.startswith(SCHEME):
        objects, found = _remote(options, surroundings)
    else:
        found = detect_file(Path(options.file), hints)
        file = LocalFile.read(Path(options.file))
        objects = {"bucket": f"${{{DATA_BUCKET}}}", "key": file.key}
    types = with_types(found.columns.columns, {**dict.fromkeys(key, "S"), **given})
    table = options.table or table_name(options.file)
    document = {
        "source": source_of(found, objects, hints.headers),
        "table": table,
        "mapping": mapping_of(found, types, hints.words, frozenset(key)),
    }
    for line in found_lines(options.file, found, types, key):
        surroundings.say(line)
    surroundings.print(json.dumps(document, indent=2, ensure_ascii=False))
    surroundings.say(f"to load with this mapping: sluice load {options.file} --table {table} --mapping FILE")
    return ExitCode.SUCCEEDED


def table_name(file: str) -> str:
    """A name like the file's, without its endings."""
    stem = PurePosixPath(file.removesuffix("/")).name.partition(".")[0]
    return NOT_IN_TABLE_NAMES.sub("-", stem).strip("-") or "table"


def _remote(options: Namespace, surroundings: Surroundings) -> tuple[dict[str, str], Detected]:
    objects = Objects.parse(options.file)
    target = target_of(options, surroundings)
    with explaining(target):
        return objects.source, detect_objects(surroundings.connect(target), objects, hints_of(options))

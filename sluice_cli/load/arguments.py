"""The options of `sluice load` and `sluice draft`. Every command's parser is built from here: it imports nothing."""

from argparse import ArgumentParser, BooleanOptionalAction
from pathlib import Path

LAYOUTS = ("csv", "jsonl", "json", "dynamodbJson")
WRITES = ("put", "update", "delete")
CONFLICTS = ("replace", "keep", "reject")


def add_load(parser: ArgumentParser) -> None:
    """What and where to load, and how."""
    _add_file(parser)
    parser.add_argument("--table", metavar="TABLE", required=True, help="the table to load into")
    parser.add_argument("--create", action="store_true", help="create the table, on demand, if there is none")
    parser.add_argument("--key", metavar="COLUMN[,COLUMN]", help="the key of a table to create: partition, sort key")
    _add_types(parser)
    parser.add_argument(
        "--rename",
        metavar="COLUMN=ATTRIBUTE",
        action="append",
        default=[],
        help="name an attribute otherwise than its column (repeatable)",
    )
    parser.add_argument("--mapping", type=Path, metavar="FILE", help="what an item looks like: from sluice draft")
    parser.add_argument("--write", choices=WRITES, help="put items (default), update them, or delete them by key")
    parser.add_argument("--on-conflict", choices=CONFLICTS, help="what to do if an item exists (default: replace it)")
    parser.add_argument("--max-write-units", metavar="N", type=int, help="write units per second for the whole run")
    parser.add_argument("--rejects-tolerated", metavar="N", help='rejected rows to accept: a count, "1.5%%" or "any"')
    parser.add_argument(
        "--set",
        metavar="PATH=VALUE",
        action="append",
        default=[],
        help="set another field of the csv_load input, such as maxConcurrency=10 (repeatable)",
    )
    parser.add_argument("--dry-run", action="store_true", help="read and check all rows, and write none of them")
    parser.add_argument("--name", help="the execution's name; generated if omitted")
    parser.add_argument("--yes", action="store_true", help="do not ask whether a guessed encoding is right")
    parser.add_argument("--up", action="store_true", help="with --local: start local AWS and deploy the stack first")
    _add_dialect(parser)


def add_draft(parser: ArgumentParser) -> None:
    """Which file, and what the user knows of it."""
    _add_file(parser)
    parser.add_argument("--table", metavar="TABLE", help="the table's name (default: the file's)")
    parser.add_argument("--key", metavar="COLUMN[,COLUMN]", help="the table's key: S unless --types says otherwise")
    _add_types(parser)
    _add_dialect(parser)


def _add_file(parser: ArgumentParser) -> None:
    parser.add_argument(
        "file",
        metavar="FILE",
        help="a local file, s3://bucket/key, or for many objects 's3://bucket/folder/*.csv'",
    )


def _add_types(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--types",
        metavar="COLUMN=TYPE[,...]",
        action="append",
        default=[],
        help="types of columns, where those that are found do not suit: S, N, B, BOOL, M, L (repeatable)",
    )
    parser.add_argument("--empty", metavar="WORD[,WORD]", help="words that mean an empty cell, such as NA,NULL")


def _add_dialect(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("the file", "all of this is found out if omitted")
    group.add_argument("--format", choices=LAYOUTS, help="how the rows are written")
    group.add_argument("--delimiter", metavar="TEXT", help="what separates cells: one or more characters, or tab")
    group.add_argument("--quote", metavar="CHARACTER", help='the quote, such as "; or none')
    group.add_argument("--escape", metavar="CHARACTER", help="what makes the next character plain, such as a backslash")
    group.add_argument("--comment", metavar="TEXT", help="what lines to leave out begin with")
    group.add_argument("--skip-rows", metavar="N", type=int, help="lines before the header")
    group.add_argument("--trim", action="store_true", help="remove the spaces around cells")
    group.add_argument(
        "--header", action=BooleanOptionalAction, help="whether the first row names the columns, or is data"
    )
    group.add_argument("--headers", metavar="NAME,...", help="the columns' names; with --header, instead of the file's")
    group.add_argument("--encoding", metavar="NAME", help="such as utf-8, cp1252 or latin-1")

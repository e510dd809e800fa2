"""`sluice load` before it reaches a run: what it says, asks and refuses, against stubbed AWS."""

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest

from sluice_cli.console import console_url
from sluice_cli.exit_code import BadInputError, ExitCode
from sluice_cli.load.columns import Column, Columns, merged
from sluice_cli.load.detection import Hints, detect_file
from sluice_cli.load.dialect import delimiter_of
from sluice_cli.load.draft import table_name
from sluice_cli.load.samples import Objects
from sluice_cli.load.upload import LocalFile
from sluice_cli.load.view import found_lines
from sluice_cli.main import main
from sluice_cli.surroundings import Surroundings
from tests.unit.cli_aws import EXECUTION, OUTPUTS, StubbedAws, Terminal, stubbed_aws

NOT_THERE = "ResourceNotFoundException"


class Keyboard(io.StringIO):
    """What a person at a terminal types."""

    def isatty(self) -> bool:
        return True


def orders(folder: Path, content: bytes = b"id,n\n1,5\n") -> str:
    path = folder / "orders.csv"
    path.write_bytes(content)
    return str(path)


def expect_table(stubbed: StubbedAws, *keys: str) -> None:
    schema = [{"AttributeName": name, "KeyType": kind} for name, kind in zip(keys, ("HASH", "RANGE"), strict=False)]
    definitions = [{"AttributeName": name, "AttributeType": "S"} for name in keys]
    stubbed.dynamodb.add_response(
        "describe_table", {"Table": {"KeySchema": schema[::-1], "AttributeDefinitions": definitions}}
    )


def test_file_is_refused_before_aws_is_reached(tmp_path: Path) -> None:
    with stubbed_aws() as stubbed:
        terminal = Terminal(tmp_path, lambda _target: stubbed.aws)
        assert terminal.sluice("load", orders(tmp_path, b""), "--table", "orders") == ExitCode.BAD_INPUT
        assert terminal.sluice("load", str(tmp_path), "--table", "orders") == ExitCode.BAD_INPUT
    assert "orders.csv is empty\n" in terminal.stderr.getvalue()
    assert f"cannot read {tmp_path}: Is a directory\n" in terminal.stderr.getvalue()


def test_local_aws_that_does_not_run_is_named_with_both_remedies(tmp_path: Path) -> None:
    with stubbed_aws() as stubbed:
        terminal = Terminal(tmp_path, lambda _target: stubbed.aws)
        assert terminal.sluice("load", orders(tmp_path), "--table", "t-1", "--local") == ExitCode.NOT_DEPLOYED
    assert "start it with `sluice local up`, or add --up\n" in terminal.stderr.getvalue()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--up",), "--up starts local AWS: add --local"),
        (("--mapping", "m.json", "--types", "n=N"), "omit --types, --rename and --empty"),
        (("--mapping", "none.json"), "--mapping none.json: No such file or directory"),
        (("--skip-rows", "-1"), "--skip-rows -1: must be 0 or more"),
        (("--rename", "id"), "--rename id: expected column=attribute"),
    ],
)
def test_options_that_do_not_go_together_are_refused(tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    with stubbed_aws() as stubbed:
        terminal = Terminal(tmp_path, lambda _target: stubbed.aws)
        assert terminal.sluice("load", orders(tmp_path), "--table", "orders", *options) == ExitCode.BAD_INPUT
    assert message in terminal.stderr.getvalue()


def test_table_that_runs_may_not_use_is_refused(tmp_path: Path) -> None:
    with stubbed_aws() as stubbed:
        stubbed.expect_stack(parameters={"TableNamePattern": "bulk-*"})
        terminal = Terminal(tmp_path, lambda _target: stubbed.aws)
        assert terminal.sluice("load", orders(tmp_path), "--table", "orders") == ExitCode.BAD_INPUT
    assert "runs of stack sluice may use tables named bulk-*; deploy it with another TableNamePattern" in (
        terminal.stderr.getvalue()
    )


@pytest.mark.parametrize(("answer", "is_loaded"), [("y\n", True), ("n\n", False), ("", False)])
def test_guessed_encoding_is_confirmed_at_a_terminal(tmp_path: Path, answer: str, is_loaded: bool) -> None:
    file = orders(tmp_path, "id,city\n1,Zürich\n".encode("cp1252"))
    with stubbed_aws() as stubbed:
        stubbed.expect_stack(OUTPUTS)
        expect_table(stubbed, "id")
        if is_loaded:
            stubbed.s3.add_client_error("head_object", "500", http_status_code=400)
        terminal = Terminal(tmp_path, lambda _target: stubbed.aws)
        surroundings: Surroundings = replace(terminal.surroundings, stdin=Keyboard(answer))
        code = main(["load", file, "--table", "orders"], surroundings)
    assert "Is that right? [y/N]" in terminal.stderr.getvalue()
    assert code == (ExitCode.FAILED if is_loaded else ExitCode.BAD_INPUT)
    assert ("nothing is loaded" in terminal.stderr.getvalue()) is not is_loaded


def test_dry_run_without_a_table_creates_none(tmp_path: Path) -> None:
    with stubbed_aws() as stubbed:
        stubbed.expect_stack()
        stubbed.dynamodb.add_client_error("describe_table", NOT_THERE)
        terminal = Terminal(tmp_path, lambda _target: stubbed.aws)
        arguments = ("load", orders(tmp_path), "--table", "orders", "--create", "--key", "id", "--dry-run")
        assert terminal.sluice(*arguments) == ExitCode.SUCCEEDED
    assert "would create table orders, whose key is id" in terminal.stderr.getvalue()


@pytest.mark.parametrize(
    ("address", "objects"),
    [
        ("s3://b/k.csv", Objects("b", "k.csv")),
        ("s3://b/folder/", Objects("b", None, "folder/")),
        ("s3://b/", Objects("b", None, "")),
        ("s3://b/2026/*.csv.gz", Objects("b", None, "2026/", ".csv.gz")),
        ("s3://b/2026/day-*", Objects("b", None, "2026/day-", "")),
    ],
)
def test_address_names_an_object_or_many(address: str, objects: Objects) -> None:
    assert Objects.parse(address) == objects


@pytest.mark.parametrize("address", ["s3://", "s3://b", "s3:///k", "s3://b/*/*.csv"])
def test_address_that_names_nothing_is_refused(address: str) -> None:
    with pytest.raises(BadInputError, match=re.escape(address)):
        Objects.parse(address)


def test_types_of_several_objects_are_those_that_all_have() -> None:
    one = Columns((Column("id", "N", "1"), Column("n", "N", "5"), Column("e", "S", "")), rows=3)
    other = Columns((Column("n", "S", "x", other="x"), Column("id", "N", "2"), Column("e", "N", "7")), rows=2, ragged=1)
    found = merged([one, other])
    assert [(each.name, each.type, each.empty) for each in found.columns] == [
        ("id", "N", None),
        ("n", "S", None),
        ("e", "N", None),
    ]
    assert (found.rows, found.ragged, found.is_whole) == (5, 1, False)


def test_what_was_found_fits_a_terminal(tmp_path: Path) -> None:
    header = ",".join(["id", *(f"c{number}" for number in range(60))])
    row = ",".join(["1\x1b[31m" + "x" * 60, *["5"] * 60])
    found = detect_file(Path(orders(tmp_path, f"{header}\n{row}\n".encode())), Hints())
    lines = found_lines("orders.csv", found, dict.fromkeys(found.columns.names, "S"), ["id"])
    assert lines[0] == "orders.csv: CSV, delimiter comma, UTF-8, 1 row"
    assert lines[2] == f"  id      S (key)  1 [31m{'x' * 31}...  0"
    assert (len(lines), lines[-1]) == (53, "  ... 11 more columns")


def test_content_has_one_key_wherever_the_file_is(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    one, other = LocalFile.read(Path(orders(tmp_path))), LocalFile.read(Path(orders(tmp_path / "other")))
    assert one.key == other.key
    assert re.fullmatch(r"input/[0-9a-f]{16}/orders\.csv", one.key)
    Path(orders(tmp_path, b"id,n\n1,6\n"))
    assert one.has_changed
    assert LocalFile.read(one.path).key != one.key


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("orders.csv.gz", "orders"),
        ("/data/My orders (2).csv", "My-orders-2"),
        ("s3://b/2026/", "2026"),
        ("...", "table"),
    ],
)
def test_draft_names_the_table_like_the_file(file: str, name: str) -> None:
    assert table_name(file) == name


@pytest.mark.parametrize(("text", "delimiter"), [("tab", "\t"), ("\\t", "\t"), (";", ";"), ("||", "||")])
def test_delimiter_can_be_named(text: str, delimiter: str) -> None:
    assert delimiter_of(text) == delimiter


@pytest.mark.parametrize(
    ("arn", "url"),
    [
        (
            EXECUTION,
            "https://eu-west-1.console.aws.amazon.com/states/home?region=eu-west-1#/v2/executions/details/" + EXECUTION,
        ),
        (
            "arn:aws-cn:states:cn-north-1:1:execution:M:r",
            "https://cn-north-1.console.amazonaws.cn/states/home?region=cn-north-1#/v2/executions/details/"
            "arn:aws-cn:states:cn-north-1:1:execution:M:r",
        ),
    ],
)
def test_console_has_an_address_per_partition(arn: str, url: str) -> None:
    assert console_url(arn) == url

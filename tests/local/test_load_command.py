"""`sluice load` and `sluice draft` as their users run them, against the deployed stack on local AWS."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import zipfile
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sluice_cli.exit_code import ExitCode
from tests.local.commands import new_terminal
from tests.local.deployed import Deployed
from tests.unit.cli_aws import Terminal

ORDERS = 'id;price;active;zip;note\n1;19.90;true;08001;"a; b"\n2;-5;false;00100;\n3;;true;20000;"two\nlines"\n'
ITEMS = [
    {"id": {"S": "1"}, "price": {"N": "19.9"}, "active": {"BOOL": True}, "zip": {"S": "08001"}, "note": {"S": "a; b"}},
    {"id": {"S": "2"}, "price": {"N": "-5"}, "active": {"BOOL": False}, "zip": {"S": "00100"}},
    {"id": {"S": "3"}, "active": {"BOOL": True}, "zip": {"S": "20000"}, "note": {"S": "two\nlines"}},
]


def new_name() -> str:
    return f"loaded-{uuid4().hex[:12]}"


def by_id(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(items, key=lambda item: str(item["id"]))


def sluice(stack: Deployed, *arguments: str) -> tuple[int, Terminal]:
    """A command on local AWS, and the terminal that shows what it said."""
    terminal = new_terminal(stack.surroundings.root)
    return terminal.sluice(*arguments, "--local"), terminal


def file(folder: Path, content: str | bytes, name: str = "orders.csv") -> str:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def loaded(stack: Deployed, path: str, *options: str) -> tuple[str, list[dict[str, Any]], Terminal]:
    """A file in a new table whose key is id: the table, its items, and what was said."""
    table = new_name()
    code, terminal = sluice(stack, "load", path, "--table", table, "--create", "--key", "id", *options)
    assert code == ExitCode.SUCCEEDED, terminal.stderr.getvalue()
    return table, by_id(stack.items(table)), terminal


def run_input(stack: Deployed, name: str) -> dict[str, Any]:
    machine = stack.machine_arn("csv_load").replace(":stateMachine:", ":execution:")
    found = stack.stepfunctions.describe_execution(executionArn=f"{machine}:{name}")
    document: dict[str, Any] = json.loads(found["input"])
    return document


def test_file_becomes_a_table_with_the_types_of_its_values(stack: Deployed, tmp_path: Path) -> None:
    name = f"load-{uuid4().hex[:8]}"
    table, items, terminal = loaded(stack, file(tmp_path, ORDERS), "--name", name)
    assert items == ITEMS
    shown = terminal.stderr.getvalue()
    assert "orders.csv: CSV, delimiter semicolon, UTF-8, 3 rows\n" in shown
    assert "  price   N        19.90    1\n" in shown
    assert "  id      S (key)  1        0\n" in shown
    document = run_input(stack, name)
    assert document["types"] == {"price": "N", "active": "BOOL", "zip": "S", "note": "S"}
    assert (document["keys"], document["omitEmpty"], document["source"]["delimiter"]) == (["id"], True, ";")
    assert stack.dynamodb.describe_table(TableName=table)["Table"]["BillingModeSummary"]["BillingMode"] == (
        "PAY_PER_REQUEST"
    )


def test_same_content_is_uploaded_once(stack: Deployed, tmp_path: Path) -> None:
    path = file(tmp_path, f"id,n\n1,{uuid4().hex}\n")
    table, _, first = loaded(stack, path)
    code, second = sluice(stack, "load", path, "--table", table)
    assert code == ExitCode.SUCCEEDED
    assert ("uploaded to s3://" in first.stderr.getvalue(), "already at s3://" in second.stderr.getvalue()) == (
        True,
        True,
    )


@pytest.mark.parametrize(
    ("content", "name", "options"),
    [
        (gzip.compress(ORDERS.encode(), mtime=0), "orders.csv.gz", ()),
        (ORDERS.replace(";", "\t").encode(), "orders.tsv", ()),
        (ORDERS.partition("\n")[2].encode(), "orders.txt", ("--headers", "id,price,active,zip,note")),
        (ORDERS.encode(), "orders.dat", ()),
        (("\ufeff" + ORDERS).encode(), "orders.csv", ()),
    ],
    ids=["gzip", "tab", "no_header", "unknown_ending", "byte_order_mark"],
)
def test_however_it_is_written_the_items_are_the_same(
    stack: Deployed, tmp_path: Path, content: bytes, name: str, options: tuple[str, ...]
) -> None:
    _, items, _ = loaded(stack, file(tmp_path, content, name), *options)
    assert [{key: value for key, value in each.items() if key != "note"} for each in items] == [
        {key: value for key, value in each.items() if key != "note"} for each in ITEMS
    ]


def zipped(text: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("orders.csv", text)
    return packed.getvalue()


DIALECTS = [
    ("orders.csv", b'id,t\na,"x \\" y"\nb,z\n', 'x " y'),
    ("orders.csv", b"id,t\na,'x, y'\nb,'z'\n", "x, y"),
    ("orders.csv", b"# made by X\nid,t\na,x\n# more\nb,z\n", "x"),
    ("orders.csv", b"Report of July\nby X\nid,t\na,x\nb,z\n", "x"),
    ("orders.csv", b"id, t\na, x\nb, z\n", "x"),
    ("orders.csv", b"sep=;\nid;t\na;x\nb;z\n", "x"),
    ("orders.csv.bz2", bz2.compress(b"id,t\na,x\nb,z\n"), "x"),
    ("orders.zip", zipped("id,t\na,x\nb,z\n"), "x"),
    ("orders.json", b'[{"id": "a", "t": "x"},\n {"id": "b", "t": "z"}]', "x"),
    ("orders.json", b'{"Item":{"id":{"S":"a"},"t":{"S":"x"}}}\n{"Item":{"id":{"S":"b"},"t":{"S":"z"}}}\n', "x"),
]
DIALECT_IDS = ["escape", "quote", "comment", "preamble", "trim", "sep", "bzip2", "zip", "json", "dynamodb_json"]


@pytest.mark.parametrize(("name", "content", "value"), DIALECTS, ids=DIALECT_IDS)
def test_dialect_that_was_found_is_how_the_run_reads(
    stack: Deployed, tmp_path: Path, name: str, content: bytes, value: str
) -> None:
    _, items, _ = loaded(stack, file(tmp_path, content, name))
    assert items == [{"id": {"S": "a"}, "t": {"S": value}}, {"id": {"S": "b"}, "t": {"S": "z"}}]


def test_guessed_encoding_is_for_the_user_to_confirm(stack: Deployed, tmp_path: Path) -> None:
    path, table = file(tmp_path, "id,city\n1,Zürich\n".encode("cp1252")), new_name()
    code, terminal = sluice(stack, "load", path, "--table", table, "--create", "--key", "id")
    assert code == ExitCode.BAD_INPUT
    assert "As cp1252 it has the text: id,city 1,Zürich. If that is right, add --encoding cp1252" in (
        terminal.stderr.getvalue()
    )
    assert table not in stack.dynamodb.list_tables()["TableNames"]
    for options in (("--encoding", "cp1252"), ("--yes",)):
        _, items, _ = loaded(stack, path, *options)
        assert items == [{"id": {"S": "1"}, "city": {"S": "Zürich"}}]


def test_types_that_are_given_win(stack: Deployed, tmp_path: Path) -> None:
    path = file(tmp_path, "id,n,flag\n1,5,true\n2,,false\n")
    _, items, _ = loaded(stack, path, "--types", "n=S,flag=S")
    assert items == [
        {"id": {"S": "1"}, "n": {"S": "5"}, "flag": {"S": "true"}},
        {"id": {"S": "2"}, "flag": {"S": "false"}},
    ]
    _, items, _ = loaded(stack, path, "--types", "id=N")
    assert [each["id"] for each in items] == [{"N": "1"}, {"N": "2"}]


def test_words_that_mean_empty_are_left_out(stack: Deployed, tmp_path: Path) -> None:
    _, items, _ = loaded(stack, file(tmp_path, "id,n\n1,NA\n2,7\n3,NULL\n4,\n"), "--empty", "NA,NULL")
    assert items == [{"id": {"S": "1"}}, {"id": {"S": "2"}, "n": {"N": "7"}}, {"id": {"S": "3"}}, {"id": {"S": "4"}}]


def test_types_of_keys_and_indexes_come_from_the_table(stack: Deployed, tmp_path: Path) -> None:
    table = stack.new_table("id", "day", types="NS")
    code, terminal = sluice(stack, "load", file(tmp_path, "id,day,n\n1,5,x\n"), "--table", table)
    assert code == ExitCode.SUCCEEDED, terminal.stderr.getvalue()
    assert stack.items(table) == [{"id": {"N": "1"}, "day": {"S": "5"}, "n": {"S": "x"}}]


def test_column_can_be_the_key_under_another_name(stack: Deployed, tmp_path: Path) -> None:
    table, path = stack.new_table(), file(tmp_path, "ident,n\na,1\n")
    code, terminal = sluice(stack, "load", path, "--table", table)
    assert code == ExitCode.BAD_INPUT
    assert f"the key of table {table} is id, and the file has no column id; it has ident, n." in (
        terminal.stderr.getvalue()
    )
    code, terminal = sluice(stack, "load", path, "--table", table, "--rename", "ident=id")
    assert code == ExitCode.SUCCEEDED, terminal.stderr.getvalue()
    assert stack.items(table) == [{"id": {"S": "a"}, "n": {"N": "1"}}]


def test_json_lines_keep_the_types_of_json(stack: Deployed, tmp_path: Path) -> None:
    path = file(tmp_path, '{"id":"a","n":1.5,"m":{"x":[true]}}\n{"id":"b","n":2}\n', "orders.jsonl")
    _, items, terminal = loaded(stack, path)
    assert items == [
        {"id": {"S": "a"}, "n": {"N": "1.5"}, "m": {"M": {"x": {"L": [{"BOOL": True}]}}}},
        {"id": {"S": "b"}, "n": {"N": "2"}},
    ]
    assert "orders.jsonl: JSON Lines, UTF-8, 2 rows" in terminal.stderr.getvalue()


def test_rejects_are_shown_with_their_first_reason(stack: Deployed, tmp_path: Path) -> None:
    path, table = file(tmp_path, "id,n\n1,5\n2,6,7\n3,8\n"), new_name()
    arguments = ("load", path, "--table", table, "--create", "--key", "id")
    code, terminal = sluice(stack, *arguments)
    assert code == ExitCode.FAILED
    assert "note: 1 row with more or fewer cells than the header will be rejected (RowRagged)" in (
        terminal.stderr.getvalue()
    )
    assert "RowRagged 1" in terminal.stdout.getvalue()
    assert "rejects.jsonl" in terminal.stdout.getvalue()
    assert 'row 2: RowRagged: 3 values for 2 columns\n  ["2", "6", "7"]\n' in terminal.stdout.getvalue()
    assert "to see more of them: sluice rejects " in terminal.stderr.getvalue()
    code, _ = sluice(stack, *arguments, "--rejects-tolerated", "1")
    assert code == ExitCode.SUCCEEDED
    assert len(stack.items(table)) == 2


def test_draft_is_an_input_that_loads(stack: Deployed, tmp_path: Path) -> None:
    path, table = file(tmp_path, ORDERS), stack.new_table()
    code, terminal = sluice(stack, "draft", path, "--table", table, "--key", "id")
    assert code == ExitCode.SUCCEEDED
    document = json.loads(terminal.stdout.getvalue())
    assert document["mapping"] == {
        "id": "{id}",
        "price": {"N": "{price}", "omitEmpty": True},
        "active": {"BOOL": "{active}"},
        "zip": "{zip}",
        "note": {"S": "{note}", "omitEmpty": True},
    }
    code, terminal = sluice(
        stack, "load", path, "--table", table, "--mapping", file(tmp_path, json.dumps(document), "m")
    )
    assert code == ExitCode.SUCCEEDED, terminal.stderr.getvalue()
    assert by_id(stack.items(table)) == ITEMS
    drafted = file(tmp_path, json.dumps(document), "load.json")
    code, terminal = sluice(stack, "run", "csv_load", "--input", drafted)
    assert code == ExitCode.SUCCEEDED, terminal.stderr.getvalue()


def test_object_in_s3_is_loaded_where_it_is(stack: Deployed) -> None:
    source, table = stack.put(ORDERS), new_name()
    address = f"s3://{source['bucket']}/{source['key']}"
    code, terminal = sluice(stack, "load", address, "--table", table, "--create", "--key", "id")
    assert code == ExitCode.SUCCEEDED, terminal.stderr.getvalue()
    assert by_id(stack.items(table)) == ITEMS
    assert "input/" in terminal.stderr.getvalue()
    assert "uploaded" not in terminal.stderr.getvalue()


BAD = [
    (("--table", "no-such-table"), "there is no table no-such-table; to create it, add --create --key COLUMN"),
    (("--table", "no-such-table", "--create"), "--create needs --key"),
    (
        ("--table", "no-such-table", "--create", "--key", "ID"),
        "--key ID: the file has no column ID; it has id, price, active, zip, note; did you mean id?",
    ),
    (("--table", "no-such-table", "--create", "--key", "note"), "column note is in the key of table no-such-table"),
    (("--table", "no-such-table", "--create", "--key", "id", "--types", "id=BOOL"), "a key is of type S, N or B"),
    (("--table", "{table}", "--create", "--key", "zip"), "exists, and its key is id"),
    (("--table", "{table}", "--types", "prise=N"), "did you mean price?"),
    (("--table", "{table}", "--types", "price=X"), "--types price=X: the types are S, N"),
    (("--table", "{table}", "--types", "id=N"), "--types id=N: id is of type S in table"),
    (("--table", "{table}", "--types", "price"), "--types price: expected price=N,active=BOOL"),
    (("--table", "{table}", "--name", ""), "--name (empty): expected 1 to 80 letters"),
    (("--table", "a b"), "a table name has 3 to 255 letters"),
    (("--table", "{table}", "--delimiter", ""), "--delimiter: must not be empty"),
    (("--table", "{table}", "--encoding", "klingon"), "Python knows no such encoding"),
]


@pytest.mark.parametrize(("options", "message"), BAD, ids=[" ".join(options) for options, _ in BAD])
def test_what_cannot_be_loaded_is_said_before_anything_is_written(
    stack: Deployed, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    table = stack.new_table()
    arguments = [each.format(table=table) for each in options]
    code, terminal = sluice(stack, "load", file(tmp_path, ORDERS), *arguments)
    assert (code, terminal.stdout.getvalue()) == (ExitCode.BAD_INPUT, "")
    assert message in terminal.stderr.getvalue()
    assert stack.items(table) == []
    assert "no-such-table" not in stack.dynamodb.list_tables()["TableNames"]


VALUES = st.sampled_from(
    [
        "",
        "0",
        "7",
        "-2.50",
        "19.90",
        "007",
        "1e5",
        "+1",
        "NaN",
        "true",
        "false",
        "TRUE",
        "9" * 38,
        "9" * 39,
        "0." + "0" * 131,
    ]
)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(columns=st.lists(st.lists(VALUES, min_size=12, max_size=12), min_size=1, max_size=6))
def test_no_row_is_rejected_for_a_type_that_was_found(
    stack: Deployed, tmp_path: Path, columns: list[list[str]]
) -> None:
    names = ["id", *(f"c{number}" for number in range(len(columns)))]
    rows = [[f"k{number}", *cells] for number, cells in enumerate(zip(*columns, strict=True))]
    text = "".join(",".join(row) + "\n" for row in [names, *rows])
    _, items, _ = loaded(stack, file(tmp_path, text), "--header")
    assert len(items) == len(rows)
    for item, (identity, *cells) in zip(items, sorted(rows, key=lambda row: str({"S": row[0]})), strict=True):
        assert item["id"] == {"S": identity}
        assert {name for name in names[1:] if name not in item} == {
            name for name, cell in zip(names[1:], cells, strict=True) if not cell
        }


# What a run has left, from the command line.


@pytest.fixture(scope="module")
def rejecting_run(stack: Deployed) -> str:
    """A run of four rows: two are loaded, one is ragged, one has no number where the mapping wants one."""
    table, source = stack.new_table(), stack.put("id,n\n1,5\n2\n3,x\n4,6\n")
    mapping = {"id": "{id}", "n": {"N": "{n}"}}
    document = {"source": source, "table": table, "mapping": mapping, "rejectsTolerated": "any"}
    ended = stack.run("csv_load", document)
    assert ended.status == "SUCCEEDED", ended
    return ended.name


def test_rejects_of_a_run_are_shown(stack: Deployed, rejecting_run: str) -> None:
    code, terminal = sluice(stack, "rejects", rejecting_run)
    assert code == ExitCode.SUCCEEDED
    shown = terminal.stdout.getvalue().splitlines()
    assert [line.partition(":")[0] for line in shown[::2]] == ["row 2", "row 3"]
    assert "RowRagged: " in shown[0]
    assert "NumberInvalid: " in shown[2]
    assert shown[3] == '  {"id": "3", "n": "x"}'


def test_rejects_can_be_of_one_reason_and_limited(stack: Deployed, rejecting_run: str) -> None:
    _, terminal = sluice(stack, "rejects", rejecting_run, "--reason", "NumberInvalid", "--output", "json")
    (line,) = terminal.stdout.getvalue().splitlines()
    assert json.loads(line)["row"] == 3
    code, terminal = sluice(stack, "rejects", rejecting_run, "--limit", "1")
    assert (code, len(terminal.stdout.getvalue().splitlines())) == (ExitCode.SUCCEEDED, 2)
    assert "1 more in s3://" in terminal.stderr.getvalue()
    code, terminal = sluice(stack, "rejects", rejecting_run, "--reason", "NumberInvalidd")
    assert code == ExitCode.BAD_INPUT
    assert "the reasons are NumberInvalid, RowRagged; did you mean NumberInvalid?" in terminal.stderr.getvalue()


def test_run_without_rejects_says_so(stack: Deployed) -> None:
    ended = stack.run("csv_load", {"source": stack.put("id\n1\n"), "table": stack.new_table(), "keys": ["id"]})
    code, terminal = sluice(stack, "rejects", ended.name)
    assert (code, terminal.stdout.getvalue()) == (ExitCode.SUCCEEDED, "")
    assert f"csv_load {ended.name} rejected nothing" in terminal.stderr.getvalue()


def test_runs_are_listed_newest_first(stack: Deployed, rejecting_run: str) -> None:
    later = stack.run("csv_load", {"source": stack.put("id\n1\n"), "table": stack.new_table(), "keys": ["id"]})
    _, terminal = sluice(stack, "runs", "--workflow", "csv_load", "--limit", "1000", "--json")
    listed = json.loads(terminal.stdout.getvalue())
    names = [each["execution"] for each in listed]
    assert names.index(later.name) < names.index(rejecting_run)
    found = listed[names.index(rejecting_run)]
    assert (found["workflow"], found["status"], found["rows"]) == ("csv_load", "SUCCEEDED", 4)
    _, terminal = sluice(stack, "runs", "--limit", "1")
    title, line = terminal.stdout.getvalue().splitlines()
    assert title.split() == ["run", "workflow", "status", "rows", "age"]
    assert line.split()[:4] == [later.name, "csv_load", "SUCCEEDED", "1"]


def test_logs_of_a_run_are_shown_in_the_order_of_time(stack: Deployed, rejecting_run: str) -> None:
    code, terminal = sluice(stack, "logs", rejecting_run)
    assert code == ExitCode.SUCCEEDED
    lines = terminal.stdout.getvalue().splitlines()
    assert lines == sorted(lines)
    assert any("plan_load" in line and "INFO" in line for line in lines)
    assert any("summarize_run" in line for line in lines)
    _, terminal = sluice(stack, "logs", rejecting_run, "--json", "--limit", "1")
    assert rejecting_run in json.loads(terminal.stdout.getvalue())["message"]


def test_console_is_of_aws_alone(stack: Deployed, rejecting_run: str) -> None:
    code, terminal = sluice(stack, "console", rejecting_run)
    assert code == ExitCode.BAD_INPUT
    assert f"sluice report {rejecting_run} --local" in terminal.stderr.getvalue()


def test_many_objects_are_loaded_by_a_pattern_after_a_dry_run(stack: Deployed) -> None:
    prefix = f"input/{uuid4().hex}/"
    for name, text in (("a.csv", "id,n\n1,5\n"), ("b.csv", "n,id\n6,2\n"), ("c.txt", "not,this\n1,2\n"), ("d.csv", "")):
        stack.s3.put_object(Bucket=stack.bucket, Key=prefix + name, Body=text.encode())
    table = new_name()
    arguments = ("load", f"s3://{stack.bucket}/{prefix}*.csv", "--table", table, "--create", "--key", "id")
    code, terminal = sluice(stack, *arguments)
    assert code == ExitCode.SUCCEEDED, terminal.stderr.getvalue()
    assert by_id(stack.items(table)) == [
        {"id": {"S": "1"}, "n": {"N": "5"}},
        {"id": {"S": "2"}, "n": {"N": "6"}},
    ]
    assert "a dry run tries them on all rows" in terminal.stderr.getvalue()
    assert terminal.stdout.getvalue().count("written      2") == 1


def test_types_that_do_not_hold_for_all_objects_stop_the_load(stack: Deployed) -> None:
    prefix = f"input/{uuid4().hex}/"
    for number in range(40):
        value = "five" if number == 19 else str(number)
        stack.s3.put_object(
            Bucket=stack.bucket, Key=f"{prefix}{number:02}.csv", Body=f"id,n\nk{number},{value}\n".encode()
        )
    table = stack.new_table()
    arguments = ("load", f"s3://{stack.bucket}/{prefix}", "--table", table)
    code, terminal = sluice(stack, *arguments)
    assert (code, terminal.stdout.getvalue()) == (ExitCode.FAILED, "")
    assert "NumberInvalid" in terminal.stderr.getvalue()
    assert "nothing is written; give the columns that the rejects name the type S with --types" in (
        terminal.stderr.getvalue()
    )
    assert stack.items(table) == []
    code, _ = sluice(stack, *arguments, "--types", "n=S")
    assert (code, len(stack.items(table))) == (ExitCode.SUCCEEDED, 40)


def test_dry_run_writes_nothing_and_shows_items(stack: Deployed, tmp_path: Path) -> None:
    table = stack.new_table()
    code, terminal = sluice(stack, "load", file(tmp_path, "id,n\na,5\nb,6\n"), "--table", table, "--dry-run")
    assert code == ExitCode.SUCCEEDED, terminal.stderr.getvalue()
    assert stack.items(table) == []
    assert "row 1\n  + id: a\n  + n: 5\n" in terminal.stdout.getvalue()


@pytest.mark.parametrize(
    ("options", "items"),
    [
        (("--on-conflict", "keep"), [{"id": {"S": "a"}, "m": {"S": "old"}}, {"id": {"S": "b"}, "n": {"N": "6"}}]),
        (
            ("--write", "update"),
            [{"id": {"S": "a"}, "m": {"S": "old"}, "n": {"N": "5"}}, {"id": {"S": "b"}, "n": {"N": "6"}}],
        ),
        (("--write", "delete"), []),
        (("--max-write-units", "100"), [{"id": {"S": "a"}, "n": {"N": "5"}}, {"id": {"S": "b"}, "n": {"N": "6"}}]),
        (("--set", "maxConcurrency=1"), [{"id": {"S": "a"}, "n": {"N": "5"}}, {"id": {"S": "b"}, "n": {"N": "6"}}]),
    ],
)
def test_options_of_the_run_reach_it(
    stack: Deployed, tmp_path: Path, options: tuple[str, ...], items: list[dict[str, Any]]
) -> None:
    table = stack.new_table()
    stack.dynamodb.put_item(TableName=table, Item={"id": {"S": "a"}, "m": {"S": "old"}})
    code, terminal = sluice(stack, "load", file(tmp_path, "id,n\na,5\nb,6\n"), "--table", table, *options)
    assert code == ExitCode.SUCCEEDED, terminal.stderr.getvalue()
    assert by_id(stack.items(table)) == items

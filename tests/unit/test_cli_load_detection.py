"""What `sluice load` finds in a file: dialect, encoding, compression, columns and types."""

import bz2
import csv
import gzip
import io
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sluice_cli.exit_code import BadInputError
from sluice_cli.load.columns import Column, Columns, is_number, scan
from sluice_cli.load.detection import HEAD_CONTENT_BYTES, Detected, Hints, detect_file, detect_sample
from sluice_cli.load.dialect import Dialect, lines_of
from sluice_cli.load.fast_scan import fast_scan


def detect(folder: Path, content: bytes | str, name: str = "orders.csv", **hints: Any) -> Detected:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return detect_file(path, Hints(**hints))


def types(found: Detected) -> dict[str, str]:
    return {each.name: each.type for each in found.columns.columns}


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "2"], "N"),
        (["0", "-7", "19.90", "0.5", "-0.25", "100"], "N"),
        (["1", "", "3"], "N"),
        (["1" * 38], "N"),
        (["0." + "1" * 38], "N"),
        (["1" + "0" * 125], "N"),
        (["007"], "S"),
        (["1", "007"], "S"),
        (["1e5"], "S"),
        (["1E5"], "S"),
        (["+1"], "S"),
        ([".5"], "S"),
        (["5."], "S"),
        (["1,000"], "S"),
        ([" 1"], "S"),
        (["1 "], "S"),
        (["NaN"], "S"),
        (["Infinity"], "S"),
        (["0x1F"], "S"),
        (["1_000"], "S"),
        (["٣"], "S"),
        (["--1"], "S"),
        (["1" * 39], "S"),
        (["1" + "0" * 126], "S"),
        (["0." + "0" * 130 + "1"], "S"),
        (["2026-01-02"], "S"),
        (["10:15"], "S"),
        (["true", "false"], "BOOL"),
        (["true", ""], "BOOL"),
        (["TRUE", "False"], "S"),
        (["true", "yes"], "S"),
        (["true", "1"], "S"),
        (["0", "1"], "N"),
        (["", ""], "S"),
        (["1\n2"], "S"),
    ],
)
def test_column_has_the_type_that_all_its_values_have(tmp_path: Path, values: list[str], kind: str) -> None:
    text = io.StringIO()
    csv.writer(text, delimiter=",").writerows([["id", "value"], *([f"k{n}", each] for n, each in enumerate(values))])
    found = detect(tmp_path, text.getvalue(), dialect={"delimiter": ",", "has_header": True})
    (_, column) = found.columns.columns
    assert (column.type, column.empty) == (kind, values.count(""))
    assert column.example == next(filter(None, values), "")


@pytest.mark.parametrize(
    ("text", "dialect", "names"),
    [
        pytest.param("id,name\n1,a\n2,b\n", Dialect(), ["id", "name"], id="comma"),
        pytest.param("id;price;n\n1;1,5;2\n2;2,75;3\n", Dialect(";"), ["id", "price", "n"], id="decimal_commas"),
        pytest.param("id\tname\n1\ta, b\n2\tc\n", Dialect("\t"), ["id", "name"], id="tab"),
        pytest.param("id|name\n1|a\n2|b\n", Dialect("|"), ["id", "name"], id="pipe"),
        pytest.param("id\x01name\n1\x01a\n2\x01b\n", Dialect("\x01"), ["id", "name"], id="hive"),
        pytest.param("id^name^n\n1^a^1\n2^b^2\n", Dialect("^"), ["id", "name", "n"], id="caret"),
        pytest.param('id,t\n1,"a\nb; c"\n2,"\n\n;;;"\n', Dialect(), ["id", "t"], id="quoted_newlines"),
        pytest.param("id,t\r1,a\r2,b\r", Dialect(), ["id", "t"], id="lone_cr"),
        pytest.param("id,tags\n1,a;b\n2,c;d;e\n", Dialect(), ["id", "tags"], id="other_delimiter_in_cells"),
        pytest.param("name\nalice\nbob\n", Dialect(), ["name"], id="one_column"),
        pytest.param("id;name\n", Dialect(";"), ["id", "name"], id="header_only"),
        pytest.param("id,t\n", Dialect(), ["id", "t"], id="short_header_only"),
        pytest.param("id,name\n1,Alice\n", Dialect(), ["id", "name"], id="one_row"),
        pytest.param("id,name\n1,a\n2,b,c\n3\n4,d\n5,e\n", Dialect(), ["id", "name"], id="ragged"),
        pytest.param("id,name\n1,a,x\n2,b,y\n", Dialect(), ["id", "name"], id="narrow_header"),
        pytest.param("id;name\n'1';'a;b'\n'2';'c'\n", Dialect(";", "'"), ["id", "name"], id="single_quotes"),
        pytest.param('id,t\n1,"a \\" b"\n2,c\n', Dialect(escape="\\"), ["id", "t"], id="escapes"),
        pytest.param('id,t\n1,5" pipe\n2,b\n', Dialect(), ["id", "t"], id="quote_in_a_cell"),
        pytest.param("Report of July\nby X\nid,n\n1,a\n2,b\n3,c\n", Dialect(skip_rows=2), ["id", "n"], id="preamble"),
        pytest.param("# made by X\nid,n\n1,a\n# x\n2,b\n", Dialect(comment="#"), ["id", "n"], id="comments"),
        pytest.param("sep=;\nid;n\n1;a\n", Dialect(";", skip_rows=1), ["id", "n"], id="excel_hint"),
        pytest.param("id, name \n1, a\n2, b\n", Dialect(trim=True), ["id", "name"], id="spaces_in_the_header"),
        pytest.param("id,name,\n1,a,\n2,b,\n", Dialect(), ["id", "name"], id="delimiter_at_the_end"),
    ],
)
def test_dialect_is_found(tmp_path: Path, text: str, dialect: Dialect, names: list[str]) -> None:
    found = detect(tmp_path, text)
    assert found.dialect == dialect
    assert found.columns.names == names


def test_ragged_rows_are_counted_and_not_looked_at(tmp_path: Path) -> None:
    found = detect(tmp_path, "id,n\n1,5\n2,x,y\n3\n4,6\n5,7\n")
    assert (found.columns.rows, found.columns.ragged, types(found)) == (3, 2, {"id": "N", "n": "N"})


def test_header_that_comes_again_is_no_row(tmp_path: Path) -> None:
    found = detect(tmp_path, "id,n\n1,5\nid,n\n2,6\n")
    assert (found.columns.rows, types(found)) == (2, {"id": "N", "n": "N"})


def test_words_that_mean_empty_do_not_decide_a_type(tmp_path: Path) -> None:
    found = detect(tmp_path, "id,n\n1,5\n2,NA\n3,\n", words=frozenset({"NA"}))
    assert found.columns.columns[1] == Column("n", "N", "5", 2)


def test_value_that_is_no_number_is_remembered(tmp_path: Path) -> None:
    assert detect(tmp_path, "id,n\n1,5\n2,NA\n").columns.columns[1].other == "NA"


@pytest.mark.parametrize("text", ["1,a\n2,b\n3,c\n", "2026-01-01,5\n2026-01-02,6\n"])
def test_first_row_that_looks_like_data_is_not_taken_for_a_header(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadInputError, match=r"--headers a,b.*--header"):
        detect(tmp_path, text)
    assert detect(tmp_path, text, headers=("id", "n")).columns.names == ["id", "n"]
    assert detect(tmp_path, text, dialect={"has_header": True}).columns.names == text.partition("\n")[0].split(",")


def test_names_can_replace_those_of_the_file(tmp_path: Path) -> None:
    found = detect(tmp_path, "id,id\n1,a\n", headers=("one", "other"), dialect={"has_header": True})
    assert (found.columns.names, found.columns.rows) == (["one", "other"], 1)


@pytest.mark.parametrize(
    ("content", "encoding", "name"),
    [
        ("\ufeffid,n\n1,a\n".encode(), "utf-8", "id"),
        ("id,n\n1,Zürich\n".encode("latin-1"), "cp1252", "id"),
        ("id,n\n1,“Zürich”\n".encode("cp1252"), "cp1252", "id"),
        (b"id,n\n1,\x81\n", "latin-1", "id"),
    ],
    ids=["byte_order_mark", "latin1", "windows", "beyond_windows"],
)
def test_encoding_is_found(tmp_path: Path, content: bytes, encoding: str, name: str) -> None:
    found = detect(tmp_path, content)
    assert (found.encoding, found.columns.names[0]) == (encoding, name)
    assert bool(found.guess) == (encoding != "utf-8")


def test_byte_that_is_not_utf8_is_found_anywhere(tmp_path: Path) -> None:
    content = b"id,n\n" + b"1,a\n" * (HEAD_CONTENT_BYTES // 3) + "2,é\n".encode("latin-1")
    found = detect(tmp_path, content)
    assert (found.encoding, found.guess, found.columns.rows) == ("cp1252", "é", content.count(b"\n") - 1)


@pytest.mark.parametrize(
    ("suffix", "pack", "compression"),
    [(".gz", gzip.compress, "gzip"), (".bz2", bz2.compress, "bzip2"), (".csv", gzip.compress, "gzip")],
)
def test_compression_is_found_by_the_first_bytes(
    tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes], compression: str
) -> None:
    found = detect(tmp_path, pack(b"id,n\n1,5\n"), f"orders{suffix}")
    assert (found.compression, types(found)) == (compression, {"id": "N", "n": "N"})


def zipped(**members: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return packed.getvalue()


def test_zip_of_one_file_is_looked_into(tmp_path: Path) -> None:
    content = zipped(orders="id,n\n1,5\n2,x\n")
    assert types(detect(tmp_path, content, "orders.zip")) == {"id": "N", "n": "S"}
    assert types(detect_sample(content, "orders.zip", Hints(), is_whole=True)) == {"id": "N", "n": "S"}


REFUSED = [
    (b"", "is empty"),
    (b"\n\n", "no header row"),
    ("id,n\n1,a\n".encode("utf-16"), "UTF-16.*iconv"),
    ("id,n\n1,a\n".encode("utf-16-le"), "UTF-16.*iconv"),
    (b"PAR1....", "Parquet"),
    (zipped(**{"[Content_Types].xml": "", "xl/workbook.xml": ""}), "Excel workbook; save it as CSV"),
    (zipped(a="id\n1\n", b="id\n2\n"), "has 2 files: a, b"),
    (gzip.compress(b"id,n\n1,a\n")[:-9], "damaged or cut off"),
    (b"id,id,n\n1,2,3\n", "2 columns are named id"),
    (b"id,,n\n1,2,3\n", "column 2 has no name, and values such as 2"),
    (b'{"a": 1}\n[1]\n', "must be a JSON object"),
]


@pytest.mark.parametrize(("content", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_file_that_cannot_be_loaded_says_why(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        detect(tmp_path, content, "orders.txt")


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"there is no file .*none\.csv"):
        detect_file(tmp_path / "none.csv", Hints())


@pytest.mark.parametrize(
    ("text", "layout", "kinds"),
    [
        ('{"id":"a","n":1,"b":true}\n{"id":"b","n":null}\n', "jsonl", {"id": "S", "n": "N/NULL", "b": "BOOL"}),
        ('[{"id":"a","m":{"x":1}},\n {"id":"b","l":[1]}]', "json", {"id": "S", "m": "M", "l": "L"}),
        ('{\n  "id": "a"\n}\n{"id": "b"}', "json", {"id": "S"}),
        ('{"Item":{"id":{"S":"a"},"n":{"N":"1"}}}\n', "dynamodbJson", {"id": "S", "n": "N"}),
        ('[{"id":{"S":"a"},"t":{"SS":["x"]}}]', "dynamodbJson", {"id": "S", "t": "SS"}),
    ],
)
def test_json_is_found_with_the_types_that_it_has(
    tmp_path: Path, text: str, layout: str, kinds: dict[str, str]
) -> None:
    found = detect(tmp_path, text, "orders.json")
    assert (found.layout, types(found)) == (layout, kinds)


def test_sample_leaves_out_its_last_record() -> None:
    found = detect_sample(b"id,n\n1,5\n2,6\n3,7", "s3://b/k.csv", Hints(), is_whole=False)
    assert (found.columns.rows, found.columns.is_whole, found.columns.columns[1].empty) == (2, False, None)


def test_hundred_thousand_columns_are_read_in_bounded_memory(tmp_path: Path) -> None:
    names = ",".join(f"c{number}" for number in range(100_000))
    row = ",".join(map(str, range(100_000)))
    found = detect(tmp_path, f"{names}\n{row}\n{row}\n")
    assert (len(found.columns.columns), found.columns.rows) == (100_000, 2)
    assert set(types(found).values()) == {"N"}


def test_first_record_may_be_longer_than_what_is_looked_at(tmp_path: Path) -> None:
    found = detect(tmp_path, f'id,t\n1,"{"x" * HEAD_CONTENT_BYTES}\n"\n2,y\n')
    assert (found.columns.rows, types(found)) == (2, {"id": "N", "t": "S"})


# The fast reader and the exact one.

CELLS = st.sampled_from(
    [
        "",
        "1",
        "-2.50",
        "007",
        "1e5",
        "true",
        "false",
        "TRUE",
        "NA",
        "x",
        "a b",
        'q"q',
        "l1\nl2",
        "é",
        "9" * 38,
        "9" * 39,
    ]
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.lists(CELLS, min_size=3, max_size=3), max_size=12),
    seen=st.integers(0, 12),
    delimiter=st.sampled_from([",", ";", "\t"]),
    end=st.sampled_from(["\n", "\r\n"]),
    words=st.sampled_from([frozenset({""}), frozenset({"", "NA"})]),
)
def test_duckdb_finds_what_python_finds(
    tmp_path: Path, rows: list[list[str]], seen: int, delimiter: str, end: str, words: frozenset[str]
) -> None:
    header = ["a", "b", "c"]
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator=end).writerows([header, *rows])
    path, dialect = tmp_path / "t.csv", Dialect(delimiter)
    path.write_text(text.getvalue(), encoding="utf-8", newline="")
    begin = io.StringIO()
    csv.writer(begin, delimiter=delimiter, lineterminator=end).writerows([header, *rows[:seen]])
    sample = scan(lines_of(begin.getvalue()), dialect, None, words, is_whole=True)
    exact = scan(lines_of(text.getvalue()), dialect, None, words, is_whole=True)
    fast = fast_scan(path, dialect, header, sample, words)
    if fast is not None:
        assert (facts(fast), fast.rows) == (facts(exact), exact.rows)
        assert all(is_number(each.other) is False for each in fast.columns if each.other)
    else:
        assert "9" * 39 in {cell for row in rows for cell in row} or not rows


def facts(found: Columns) -> list[tuple[str, str, int | None]]:
    return [(each.name, each.type, each.empty) for each in found.columns]


def test_large_file_is_read_to_its_end(tmp_path: Path) -> None:
    rows = [f"{n},{n % 7},{random.Random(n).random():.3f},true,\n" for n in range(60_000)]
    text = "id,late,price,flag,note\n" + "".join(rows) + "60000,x,1e5,maybe,here\n"
    assert len(text) > HEAD_CONTENT_BYTES
    found = detect(tmp_path, text)
    assert types(found) == {"id": "N", "late": "S", "price": "S", "flag": "S", "note": "S"}
    assert found.columns.rows == 60_001
    assert [each.empty for each in found.columns.columns] == [0, 0, 0, 0, 60_000]
    assert [each.other for each in found.columns.columns[1:3]] == ["x", "1e5"]

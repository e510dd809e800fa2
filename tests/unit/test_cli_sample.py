"""The items of a sample as `sluice run` and `watch` show them."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.response import StreamingBody

from sluice_cli.exit_code import ExitCode, NotDeployedError
from sluice_cli.plain_text import is_same, plain_key, plain_value
from sluice_cli.sample_view import item_lines, sample_lines
from sluice_cli.stored_lines import BYTES_READ
from tests.unit.cli_aws import SUMMARY, StubbedAws, Terminal, stubbed_aws

KEY = "table_transform/july/sample.jsonl"
SAMPLED = SUMMARY | {"workflow": "table_transform", "sample": {"key": KEY}}
WANTED = {"Bucket": "data", "Key": KEY, "Range": f"bytes=0-{BYTES_READ - 1}"}


def line(number: int) -> bytes:
    before = {"ident": {"S": f"K{number}"}}
    document = {"key": before, "before": before, "after": before | {"hash": {"S": "dn"}}}
    return json.dumps(document).encode() + b"\n"


def shown(before: dict[str, Any], after: Any) -> list[str]:
    lines = item_lines({"key": {"ident": {"S": "KATL"}}, "before": before, "after": after})
    assert lines[0].startswith("ident=KATL")
    return [text.removeprefix("  ") for text in lines[1:]]


def store(stubbed: StubbedAws, body: bytes) -> None:
    stubbed.s3.add_response("get_object", {"Body": StreamingBody(io.BytesIO(body), len(body))}, WANTED)


def test_added_removed_and_changed_attributes_are_distinguished() -> None:
    before = {"ident": {"S": "KATL"}, "old": {"N": "1"}, "name": {"S": "Atlanta"}}
    after = {"ident": {"S": "KATL"}, "geohash": {"S": "djgz"}, "name": {"S": "Hartsfield"}}

    assert shown(before, after) == ["+ geohash: djgz", "- name: Atlanta", "+ name: Hartsfield", "- old: 1"]


def test_only_what_differs_within_maps_and_lists_is_shown() -> None:
    before = {"at": {"M": {"lat": {"N": "33"}, "old": {"BOOL": True}, "all": {"L": [{"S": "a"}, {"S": "b"}]}}}}
    after = {"at": {"M": {"lat": {"N": "33.0"}, "new": {"NULL": True}, "all": {"L": [{"S": "a"}, {"S": "c"}]}}}}

    assert shown(before, after) == ["- at.all[1]: b", "+ at.all[1]: c", "+ at.new: null", "- at.old: true"]


def test_lists_of_different_lengths_are_shown_as_a_whole() -> None:
    before, after = {"all": {"L": [{"S": "a"}]}}, {"all": {"L": [{"S": "a"}, {"M": {"b": {"N": "1"}}}]}}

    assert shown(before, after) == ['- all: ["a"]', '+ all: ["a", {"b": 1}]']


def test_a_value_that_changed_its_type_reads_differently() -> None:
    assert shown({"a": {"N": "5"}}, {"a": {"S": "5"}}) == ["- a: 5", '+ a: "5"']


def test_long_values_are_cut() -> None:
    assert shown({}, {"text": {"S": "x" * 81}}) == [f"+ text: {'x' * 80}..."]


def test_long_values_are_shown_where_they_differ() -> None:
    before, after = {"text": {"S": "x" * 500 + "old"}}, {"text": {"S": "x" * 500 + "new" + "y" * 500}}

    assert shown(before, after) == [f"- text: ...{'x' * 16}old", f"+ text: ...{'x' * 16}new{'y' * 61}..."]


def test_a_value_that_is_the_beginning_of_another_is_shown_where_they_differ() -> None:
    before, after = {"text": {"S": "x" * 100}}, {"text": {"S": "x" * 100 + "y"}}

    assert shown(before, after) == [f"- text: ...{'x' * 16}", f"+ text: ...{'x' * 16}y"]


def test_of_many_differences_the_first_are_shown() -> None:
    lines = shown({}, {f"a{number:02}": {"N": "1"} for number in range(23)})

    assert (len(lines), lines[-2:]) == (21, ["+ a19: 1", "... 3 more lines"])


def test_an_item_that_goes_says_so() -> None:
    document = {"key": {"ident": {"S": "KATL"}}, "before": {}, "after": None}

    assert item_lines(document) == ["ident=KATL: nothing is left of it"]


def test_each_of_several_items_is_compared() -> None:
    after = [{"ident": {"S": "a"}}, {"ident": {"S": "KATL"}}]

    lines = item_lines({"key": {"ident": {"S": "KATL"}}, "before": after[1], "after": after})

    assert lines == [
        "ident=KATL: item 1 of 2",
        "  - ident: KATL",
        "  + ident: a",
        "ident=KATL: item 2 of 2",
        "  the same",
    ]


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ({"S": "Montréal, QC"}, "Montréal, QC"),
        ({"S": ""}, '""'),
        ({"S": "null"}, '"null"'),
        ({"S": "[a"}, '"[a"'),
        ({"S": " a"}, '" a"'),
        ({"S": "a\nb\x1b[31m"}, r'"a\nb\u001b[31m"'),
        ({"N": "12345678901234567890.5"}, "12345678901234567890.5"),
        ({"B": "YQ=="}, "base64 YQ=="),
        ({"BOOL": False}, "false"),
        ({"NULL": True}, "null"),
        ({"SS": ["b", "a"]}, '{"a", "b"}'),
        ({"NS": ["1"]}, "{1}"),
        ({"BS": ["YQ=="]}, "{base64 YQ==}"),
        ({"M": {"é": {"S": "è"}, "\x1b": {"L": []}}}, r'{"é": "è", "\u001b": []}'),
    ],
)
def test_values_read_plainly(typed: dict[str, Any], text: str) -> None:
    assert plain_value(typed) == text


def test_a_key_has_its_names_and_values() -> None:
    assert plain_key({"ident": {"S": "KATL"}, "a\n": {"N": "7"}}) == r'ident=KATL "a\n"=7'


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ({"NS": ["1", "2"]}, {"NS": ["2.0", "1"]}, True),
        ({"N": "1"}, {"S": "1"}, False),
        ({"L": [{"BOOL": True}]}, {"L": [{"BOOL": True}]}, True),
        ({"L": [{"N": "1"}]}, {"L": [{"BOOL": True}]}, False),
        ({"M": {"a": {"N": "1E2"}}}, {"M": {"a": {"N": "100"}}}, True),
    ],
)
def test_values_are_compared_as_dynamodb_does(one: dict[str, Any], other: dict[str, Any], expected: bool) -> None:
    assert is_same(one, other) is expected


def test_the_first_three_items_are_shown() -> None:
    with stubbed_aws() as stubbed:
        store(stubbed, b"".join(line(number) for number in range(5)))

        assert sample_lines(stubbed.aws, SAMPLED) == [
            text for number in range(3) for text in ("", f"ident=K{number}", "  + hash: dn")
        ]


@pytest.mark.parametrize(("body", "items"), [(line(0) + line(1)[:-5], 1), (line(0)[:-1], 0), (b"", 0)])
def test_a_line_that_was_cut_off_is_not_shown(body: bytes, items: int) -> None:
    with stubbed_aws() as stubbed:
        store(stubbed, body)

        assert len(sample_lines(stubbed.aws, SAMPLED)) == 3 * items


@pytest.mark.parametrize("code", ["NoSuchKey", "NoSuchBucket", "AccessDenied", "InvalidRange"])
def test_a_sample_that_may_not_be_read_is_left_out(code: str) -> None:
    with stubbed_aws() as stubbed:
        stubbed.s3.add_client_error("get_object", code, expected_params=WANTED)

        assert sample_lines(stubbed.aws, SAMPLED) == []


def test_an_s3_that_cannot_be_reached_is_no_missing_sample() -> None:
    def raise_error(**_event: object) -> None:
        raise EndpointConnectionError(endpoint_url="http://x")

    with stubbed_aws() as stubbed:
        stubbed.aws.s3.meta.events.register("provide-client-params", raise_error)

        with pytest.raises(NotDeployedError):
            sample_lines(stubbed.aws, SAMPLED)


@pytest.mark.parametrize("summary", [SUMMARY, SUMMARY | {"sample": None}, [1], None])
def test_without_a_sample_nothing_is_read(summary: Any) -> None:
    with stubbed_aws() as stubbed:
        assert sample_lines(stubbed.aws, summary) == []


def watch(tmp_path: Path, stubbed: StubbedAws, *options: str) -> Terminal:
    stubbed.expect_stack()
    stubbed.expect_execution("SUCCEEDED")
    stubbed.expect_execution("SUCCEEDED", output=json.dumps(SAMPLED))
    stubbed.expect_map_runs()
    shell = Terminal(tmp_path, lambda _target: stubbed.aws)
    assert shell.sluice("watch", "july", *options) == ExitCode.SUCCEEDED
    return shell


def test_the_sample_stands_below_the_summary(tmp_path: Path) -> None:
    with stubbed_aws() as stubbed:
        store(stubbed, line(0))
        shell = watch(tmp_path, stubbed)

    assert shell.stdout.getvalue().endswith(
        f"\nsample       s3://data/{KEY}\nrejects      8 in s3://data/csv_load/july/"
        "rejects.jsonl\n             RowRagged 5\n             KeyEmpty 3\n\nident=K0\n  + hash: dn\n"
    )


def test_json_has_no_sample_below_it(tmp_path: Path) -> None:
    with stubbed_aws() as stubbed:
        shell = watch(tmp_path, stubbed, "--json")

    assert json.loads(shell.stdout.getvalue()) == SAMPLED

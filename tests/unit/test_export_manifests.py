"""CheckExport: manifests that are damaged, and keys that do not fit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from moto import mock_aws

from sluice.errors import (
    InvalidInputError,
    SourceMalformedError,
    SourceNotFoundError,
    TableNotFoundError,
)
from tests.unit.checked_exports import CHANGES, TABLE_ID, Surroundings
from tests.unit.export_files import BUCKET, TABLE_ARN, ExportInS3, Json, items


@pytest.fixture
def aws() -> Iterator[Surroundings]:
    with mock_aws():
        yield Surroundings()


@pytest.mark.parametrize("manifest", ["manifest-summary", "manifest-files"])
def test_manifest_with_another_md5_is_damaged(aws: Surroundings, manifest: str) -> None:
    key = f"{aws.export.folder}/{manifest}"
    aws.s3.put_object(Bucket=BUCKET, Key=f"{key}.md5", Body=b"1B2M2Y8AsgTpgAmY7PhCfg==\n")
    aws.refused(SourceMalformedError, f"s3://{BUCKET}/{key}.json is damaged: its MD5 is .*, {key}.md5 has 1B2M2Y8")
    assert aws.check(verify=False).items == 2


@pytest.mark.parametrize("name", ["manifest-summary.json", "manifest-files.json", "manifest-files.md5"])
def test_manifest_that_is_missing_is_named(aws: Surroundings, name: str) -> None:
    aws.s3.delete_object(Bucket=BUCKET, Key=f"{aws.export.folder}/{name}")
    aws.refused(SourceNotFoundError, f"{BUCKET} has no object {aws.export.folder}/{name}")


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"itemCount": 3}, "manifest-files.json lists 2 records, the export's summary has 3"),
        ({"exportType": "PARTIAL"}, "is not the summary of an export: KeyError"),
        ({"outputView": "OLD_IMAGE"}, "is not the summary of an export: KeyError"),
        ({"exportType": "FULL_EXPORT"}, "is not the summary of an export: KeyError: 'exportTime'"),
        ({"exportType": "FULL_EXPORT", "exportTime": "noon"}, "is not the summary of an export: ValueError"),
    ],
)
def test_summary_that_makes_no_sense_is_malformed(aws: Surroundings, changed: Json, problem: str) -> None:
    aws.put(**changed)
    aws.refused(SourceMalformedError, problem)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}"])
def test_summary_that_is_none_is_malformed(aws: Surroundings, body: bytes) -> None:
    aws.export.put_manifest(aws.export.summary_key, body)
    aws.refused(SourceMalformedError, "manifest-summary.json is not the summary of an export")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"{", "line 3 names no data file: JSONDecodeError"),
        (b"[]", "line 3 names no data file: TypeError"),
        ({"itemCount": 1, "md5Checksum": "x"}, "line 3 names no data file: KeyError: 'dataFileS3Key'"),
        ({"itemCount": -1, "md5Checksum": "x", "dataFileS3Key": "k"}, "line 3 names no data file: ValueError"),
        ({"itemCount": True, "md5Checksum": "x", "dataFileS3Key": "k"}, "line 3 names no data file: ValueError"),
        ({"itemCount": 0, "dataFileS3Key": "k"}, "line 3 has no md5Checksum; an export without checksums"),
    ],
)
def test_line_that_names_no_data_file_is_named(aws: Surroundings, line: Any, problem: str) -> None:
    aws.export.put_manifests([aws.export.put_file("a", []), aws.export.put_file("b", CHANGES), line])
    aws.refused(SourceMalformedError, problem)


def test_thousands_of_files_are_counted(aws: Surroundings) -> None:
    file = aws.export.put_file("a", CHANGES)
    aws.export.put_manifests([file] * 3000)
    assert (aws.check().files, aws.check().items) == (3000, 6000)


# Keys.


def test_table_with_another_key_than_the_exported_one_is_refused(aws: Surroundings) -> None:
    aws.dynamodb.create("other", pk="S", sk="N")
    problem = r"^sink\.table: the key of other is pk \(S\), sk \(N\), the exported items have pk \(S\)$"
    aws.refused(InvalidInputError, problem, sink={"table": "other"})
    aws.dynamodb.create("numbers", pk="N")
    aws.refused(InvalidInputError, r"numbers is pk \(N\), .* have pk \(S\)", sink={"table": "numbers"})


def test_key_of_the_exported_table_itself_counts_where_it_is_there(aws: Surroundings) -> None:
    aws.dynamodb.create("birds", pk="S", sk="N")
    aws.put(tableId=TABLE_ID)
    aws.refused(InvalidInputError, r"have pk \(S\), sk \(N\)")
    aws.dynamodb.create("same", pk="S", sk="N")
    assert aws.check(sink={"table": "same"}).items == 2
    aws.put()
    assert aws.check().items == 2
    aws.put(tableId=TABLE_ID, tableArn=TABLE_ARN.replace("us-east-1", "eu-west-1"))
    assert aws.check().items == 2


def test_items_of_a_full_export_need_the_key_attributes(aws: Surroundings) -> None:
    aws.export = ExportInS3(aws.s3, is_full=True)
    aws.put(items([{"id": {"S": "x"}, "pk": {"N": "1"}}]))
    aws.refused(InvalidInputError, r"target is pk \(S\), the exported items have pk \(N\)")


@pytest.mark.parametrize("records", [[], [b"{"], [b""]])
def test_unreadable_object_does_not_decide_about_a_key(aws: Surroundings, records: Any) -> None:
    file = aws.export.put_file("a", records, itemCount=len(records))
    aws.export.put_manifests([file])
    assert aws.check().items == len(records)


@pytest.mark.parametrize("changed", [{"dataFileS3Key": "gone"}, {"dataFileS3Key": "no.gzip"}])
def test_file_that_is_missing_or_damaged_is_left_to_its_child(aws: Surroundings, changed: Json) -> None:
    aws.s3.put_object(Bucket=BUCKET, Key="no.gzip", Body=b"x")
    aws.export.put_manifests([aws.export.put_file("a", CHANGES) | changed])
    assert aws.check().items == 2


def test_transform_may_make_another_key(aws: Surroundings) -> None:
    aws.dynamodb.create("other", country="S", icao="S")
    assert aws.check(sink={"table": "other"}, transform="airports_by_country").items == 2


def test_transform_needs_old_images(aws: Surroundings) -> None:
    aws.put(outputView="NEW_IMAGE")
    aws.refused(InvalidInputError, "^transform: needs an export with old images", transform="airports_by_country")
    aws.refused(InvalidInputError, "^transform: there is no transform", transform="no_such")


@pytest.mark.parametrize("name", ["WriteTimestampMicros", "TombstoneExpiresAt"])
def test_guard_cannot_write_its_attributes_over_a_key(aws: Surroundings, name: str) -> None:
    aws.dynamodb.create("odd", pk="S", **{name: "N"})
    problem = f"^sink.guard: writes the attribute {name}, which is a key of odd"
    aws.refused(InvalidInputError, problem, sink={"table": "odd", "guard": "newerOnly"})


def test_table_that_is_missing_is_named(aws: Surroundings) -> None:
    aws.refused(TableNotFoundError, "there is no table nothing", sink={"table": "nothing"})

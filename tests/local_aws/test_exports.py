"""Full exports, continuous backups, and what is reported and refused."""

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws import faults
from tests.local_aws.exporting import BUCKET, HOUR, MINUTE, Exporting, by_key, seconds

DAY = 24 * HOUR


def test_recovery_is_off_until_it_is_switched_on(exporting: Exporting) -> None:
    table = exporting.new_table(recovery=False)

    assert exporting.recovery(table) == {"PointInTimeRecoveryStatus": "DISABLED"}


def test_recovery_reaches_back_to_when_it_was_switched_on(exporting: Exporting) -> None:
    before = exporting.now()
    table = exporting.new_table()
    switched_on = exporting.recovery(table)["EarliestRestorableDateTime"]
    now = exporting.advance(DAY)

    found = exporting.recovery(table)

    assert found["PointInTimeRecoveryStatus"] == "ENABLED"
    assert found["RecoveryPeriodInDays"] == 35
    assert before <= seconds(switched_on) <= before + 30
    assert found["EarliestRestorableDateTime"] == switched_on
    assert now - 5 * MINUTE <= seconds(found["LatestRestorableDateTime"]) <= now - 5 * MINUTE + 30


def test_recovery_reaches_back_its_period(exporting: Exporting) -> None:
    table = exporting.new_table(period_days=2)
    now = exporting.advance(10 * DAY)

    found = exporting.recovery(table)

    assert found["RecoveryPeriodInDays"] == 2
    assert now - 2 * DAY <= seconds(found["EarliestRestorableDateTime"]) <= now - 2 * DAY + 30


def test_longer_period_brings_nothing_back(exporting: Exporting) -> None:
    table = exporting.new_table(period_days=1)
    now = exporting.advance(10 * DAY)
    exporting.recovery(table)

    found = exporting.switch_recovery(table, enabled=True, period_days=35)

    assert seconds(found["EarliestRestorableDateTime"]) >= now - DAY


@pytest.mark.parametrize(("days", "bound"), [(0, "greater than or equal to 1"), (36, "less than or equal to 35")])
def test_period_is_1_to_35_days(exporting: Exporting, days: int, bound: str) -> None:
    table = exporting.new_table(recovery=False)
    with pytest.raises(ClientError, match=f"recoveryPeriodInDays.*{bound}"):
        exporting.dynamodb.update_continuous_backups(
            TableName=table,
            PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True, "RecoveryPeriodInDays": days},
        )


def test_backups_of_a_missing_table_are_refused(exporting: Exporting) -> None:
    with pytest.raises(exporting.dynamodb.exceptions.TableNotFoundException, match="Table not found: nowhere"):
        exporting.recovery("nowhere")


def test_switching_off_loses_what_was_kept(exporting: Exporting) -> None:
    table = exporting.new_table()
    exporting.put(table, "a")
    exporting.advance(HOUR)

    off = exporting.switch_recovery(table, enabled=False)
    on = exporting.switch_recovery(table, enabled=True)

    assert off == {"PointInTimeRecoveryStatus": "DISABLED"}
    assert seconds(on["EarliestRestorableDateTime"]) > exporting.now() - 30


def test_new_table_of_the_same_name_has_no_recovery(exporting: Exporting) -> None:
    table = exporting.new_table()
    exporting.dynamodb.delete_table(TableName=table)
    exporting.dynamodb.create_table(
        TableName=table,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
    )

    assert exporting.recovery(table) == {"PointInTimeRecoveryStatus": "DISABLED"}


def test_template_switches_recovery(exporting: Exporting) -> None:
    table = exporting.new_table(recovery=False) + "-of-a-stack"
    cloudformation = exporting.client("cloudformation")
    stack = {"StackName": table, "TemplateBody": _template(table, '{"PointInTimeRecoveryEnabled": "true"}')}
    cloudformation.create_stack(**stack)
    cloudformation.get_waiter("stack_create_complete").wait(StackName=table, WaiterConfig={"Delay": 0.05})
    created = exporting.recovery(table)
    specification = '{"PointInTimeRecoveryEnabled": true, "RecoveryPeriodInDays": 3}'
    for body in (specification, '{"PointInTimeRecoveryEnabled": false}'):
        cloudformation.update_stack(StackName=table, TemplateBody=_template(table, body))
        cloudformation.get_waiter("stack_update_complete").wait(StackName=table, WaiterConfig={"Delay": 0.05})
        if body == specification:
            updated = exporting.recovery(table)

    assert created["RecoveryPeriodInDays"] == 35
    assert updated["RecoveryPeriodInDays"] == 3
    assert updated["EarliestRestorableDateTime"] == created["EarliestRestorableDateTime"]
    assert exporting.recovery(table) == {"PointInTimeRecoveryStatus": "DISABLED"}


def _template(table: str, recovery: str) -> str:
    return f"""{{"Resources": {{"Table": {{"Type": "AWS::DynamoDB::Table", "Properties": {{
        "TableName": "{table}", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{{"AttributeName": "pk", "AttributeType": "S"}}],
        "KeySchema": [{{"AttributeName": "pk", "KeyType": "HASH"}}],
        "PointInTimeRecoverySpecification": {recovery}}}}}}}}}"""


def test_export_is_in_progress_until_its_time_is_over(exporting: Exporting) -> None:
    table = exporting.new_table()
    exporting.put(table, "a")
    with exporting.exports_take(10 * MINUTE):
        started = exporting.start(table, S3Prefix=table)
    running = exporting.describe(started["ExportArn"])
    exporting.advance(10 * MINUTE)

    ended = exporting.ended(started["ExportArn"])

    assert running == started
    assert started["ExportStatus"] == "IN_PROGRESS"
    assert "EndTime" not in started
    assert ended["ExportStatus"] == "COMPLETED"
    assert (ended["EndTime"] - ended["StartTime"]).total_seconds() >= 10 * MINUTE
    assert ended["ItemCount"] == 1
    assert ended["ExportManifest"].endswith("/manifest-summary.json")


def test_export_ends_by_itself_after_a_second(exporting: Exporting) -> None:
    table = exporting.new_table()
    faults.clear(exporting.aws)
    try:
        started = exporting.start(table)
        ended = exporting.ended(started["ExportArn"])
    finally:
        faults.let_exports_take(exporting.aws, 0)

    assert started["ExportStatus"] == "IN_PROGRESS"
    assert (ended["EndTime"] - ended["StartTime"]).total_seconds() >= 1


def test_start_describes_the_request(exporting: Exporting) -> None:
    table = exporting.new_table()
    started = exporting.start(table, S3Prefix="some/where", ClientToken="token-" + table)

    assert started["ExportArn"].startswith(f"{exporting.arn(table)}/export/0{int(started['StartTime'].timestamp())}")
    assert {name: started[name] for name in started if name not in ("ExportArn", "StartTime", "TableId")} == {
        "ExportStatus": "IN_PROGRESS",
        "TableArn": exporting.arn(table),
        "ExportTime": started["StartTime"],
        "ClientToken": "token-" + table,
        "S3Bucket": BUCKET,
        "S3Prefix": "some/where",
        "S3SseAlgorithm": "AES256",
        "ExportFormat": "DYNAMODB_JSON",
        "ExportType": "FULL_EXPORT",
    }


def test_full_export_holds_what_was_acknowledged_before_it(exporting: Exporting) -> None:
    table = exporting.new_table()
    for round_ in range(20):
        exporting.put(table, f"key-{round_}")
        assert len(exporting.full(table).records) == round_ + 1


def test_full_export_is_as_of_the_requested_time(exporting: Exporting) -> None:
    table = exporting.new_table()
    kept, changed = exporting.put(table, "kept", n=1), exporting.put(table, "changed", n=1)
    removed = exporting.put(table, "removed", n=1)
    moment = exporting.advance(HOUR)
    exporting.advance(1)
    exporting.put(table, "changed", n=2)
    exporting.delete(table, "removed")
    exporting.put(table, "new", n=1)
    exporting.delete(table, "new")

    exported = exporting.full(table, ExportTime=moment)

    assert by_key([record["Item"] for record in exported.records]) == by_key([changed, kept, removed])
    assert exported.summary["exportTime"] == f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%S}.000Z"
    assert len(exporting.full(table).records) == 2


def test_export_of_an_empty_table_completes_with_empty_files(exporting: Exporting) -> None:
    exported = exporting.full(exporting.new_table())

    assert exported.records == []
    assert {file["itemCount"] for file in exported.files} == {0}
    assert exported.summary["billedSizeBytes"] == 0


@pytest.mark.parametrize(
    ("offset", "expected"),
    [(-HOUR, "Export Time is invalid"), (HOUR, "Export Time is invalid")],
    ids=["before recovery was on", "in the future"],
)
def test_full_export_outside_of_the_recovery_window_is_refused(
    exporting: Exporting, offset: int, expected: str
) -> None:
    table = exporting.new_table()
    with pytest.raises(exporting.dynamodb.exceptions.InvalidExportTimeException, match=expected):
        exporting.start(table, ExportTime=exporting.now() + offset)


def test_export_without_recovery_is_refused(exporting: Exporting) -> None:
    table = exporting.new_table(recovery=False)
    with pytest.raises(exporting.dynamodb.exceptions.PointInTimeRecoveryUnavailableException, match=table):
        exporting.start(table)


def test_export_of_a_missing_table_is_refused(exporting: Exporting) -> None:
    with pytest.raises(exporting.dynamodb.exceptions.TableNotFoundException, match="nowhere"):
        exporting.start("nowhere")


def test_missing_export_is_reported(exporting: Exporting) -> None:
    arn = f"{exporting.arn('nowhere')}/export/01700000000000-0a1b2c3d"
    with pytest.raises(exporting.dynamodb.exceptions.ExportNotFoundException, match="01700000000000-0a1b2c3d"):
        exporting.describe(arn)


def test_export_is_remembered_for_90_days(exporting: Exporting) -> None:
    table = exporting.new_table()
    arn = exporting.start(table)["ExportArn"]
    exporting.advance(89 * DAY)
    assert exporting.ended(arn)["ExportStatus"] == "COMPLETED"
    exporting.advance(2 * DAY)

    with pytest.raises(exporting.dynamodb.exceptions.ExportNotFoundException):
        exporting.describe(arn)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({"ExportFormat": "ION"}, "local AWS does not write ION"),
        ({"ExportFormat": "CSV"}, r"'CSV' at 'exportFormat' failed .*enum value set: \[ION, DYNAMODB_JSON\]"),
        ({"ExportType": "HALF"}, r"'HALF' at 'exportType' failed .*\[INCREMENTAL_EXPORT, FULL_EXPORT\]"),
        ({"S3SseAlgorithm": "ROT13"}, "'ROT13' at 's3SseAlgorithm'"),
        ({"S3Bucket": ""}, "'' at 's3Bucket' failed to satisfy constraint"),
        ({"S3Prefix": "p" * 1025}, "'s3Prefix'.*length less than or equal to 1024"),
        ({"FilterSpecification": {"FilterExpression": "a = b"}}, "does not filter"),
        ({"ExportType": "INCREMENTAL_EXPORT"}, "needs an ExportFromTime"),
        ({"IncrementalExportSpecification": {"ExportFromTime": 1}}, "only supported with .* INCREMENTAL_EXPORT"),
        (
            {
                "ExportType": "INCREMENTAL_EXPORT",
                "ExportTime": 1,
                "IncrementalExportSpecification": {"ExportFromTime": 1},
            },
            "ExportTime is not supported",
        ),
        (
            {
                "ExportType": "INCREMENTAL_EXPORT",
                "IncrementalExportSpecification": {"ExportFromTime": 1, "ExportViewType": "OLD"},
            },
            r"'OLD' at 'incrementalExportSpecification.exportViewType' .*\[NEW_IMAGE, NEW_AND_OLD_IMAGES\]",
        ),
    ],
)
def test_invalid_request_is_refused(exporting: Exporting, request_: dict[str, Any], expected: str) -> None:
    table = exporting.new_table()
    with pytest.raises(ClientError, match=expected) as raised:
        exporting.start(table, **request_)
    assert raised.value.response["Error"]["Code"] == "ValidationException"


def test_same_client_token_names_the_same_export_for_eight_hours(exporting: Exporting) -> None:
    table = exporting.new_table()
    request = {"ClientToken": f"token-{table}", "S3Prefix": table}
    first = exporting.start(table, **request)
    exporting.ended(first["ExportArn"])

    again = exporting.start(table, **request)
    exporting.advance(8 * HOUR)
    later = exporting.start(table, **request)

    assert again["ExportArn"] == first["ExportArn"]
    assert again["ExportStatus"] == "COMPLETED"
    assert later["ExportArn"] != first["ExportArn"]


def test_same_client_token_with_another_request_conflicts(exporting: Exporting) -> None:
    table = exporting.new_table()
    exporting.start(table, ClientToken=f"token-{table}", S3Prefix="one")
    with pytest.raises(exporting.dynamodb.exceptions.ExportConflictException):
        exporting.start(table, ClientToken=f"token-{table}", S3Prefix="other")


def test_missing_bucket_fails_the_export(exporting: Exporting) -> None:
    started = exporting.start(exporting.new_table(), S3Bucket="there-is-no-such-bucket")
    ended = exporting.ended(started["ExportArn"])

    assert started["ExportStatus"] == "IN_PROGRESS"
    assert ended["ExportStatus"] == "FAILED"
    assert ended["FailureCode"] == "S3NoSuchBucket"
    assert "bucket does not exist" in ended["FailureMessage"]
    assert "ExportManifest" not in ended


def test_bucket_that_goes_away_fails_the_export(exporting: Exporting) -> None:
    table = exporting.new_table()
    exporting.s3.create_bucket(Bucket=table)
    with exporting.exports_take(HOUR):
        arn = exporting.start(table, S3Bucket=table)["ExportArn"]
    _wait_for_files(exporting, table)
    for key in exporting.keys(table, ""):
        exporting.s3.delete_object(Bucket=table, Key=key)
    exporting.s3.delete_bucket(Bucket=table)
    exporting.advance(HOUR)

    assert exporting.ended(arn)["FailureCode"] == "S3NoSuchBucket"


def _wait_for_files(exporting: Exporting, bucket: str) -> None:
    while len(exporting.keys(bucket, "")) < 6:
        pass


def test_planned_failures_end_the_next_exports(exporting: Exporting) -> None:
    table, other = exporting.new_table(), exporting.new_table()
    exporting.put(table, "a")
    faults.fail_exports(exporting.aws, times=2, table_name=table, code="S3AccessDenied", message="no more")

    arns = [exporting.start(name, S3Prefix=name)["ExportArn"] for name in (other, table, table, table)]
    ended = [exporting.ended(arn) for arn in arns]

    assert [each["ExportStatus"] for each in ended] == ["COMPLETED", "FAILED", "FAILED", "COMPLETED"]
    assert (ended[1]["FailureCode"], ended[1]["FailureMessage"]) == ("S3AccessDenied", "no more")
    failed = arns[1].rpartition("/")[2]
    assert exporting.keys(BUCKET, f"{table}/AWSDynamoDB/{failed}") == [f"{table}/AWSDynamoDB/{failed}/_started"]


@pytest.mark.parametrize("operation", ["ExportTableToPointInTime", "DescribeExport", "DescribeContinuousBackups"])
def test_requests_about_exports_fail_as_planned(exporting: Exporting, operation: str) -> None:
    table = exporting.new_table()
    arn = exporting.start(table)["ExportArn"]
    faults.fail_requests(exporting.aws, operation, error="InternalServerError")
    calls = {
        "ExportTableToPointInTime": lambda: exporting.start(table),
        "DescribeExport": lambda: exporting.describe(arn),
        "DescribeContinuousBackups": lambda: exporting.recovery(table),
    }

    with pytest.raises(ClientError, match="InternalServerError"):
        calls[operation]()

    calls[operation]()


def test_exports_are_listed_page_by_page(exporting: Exporting) -> None:
    table = exporting.new_table()
    arns = [exporting.start(table)["ExportArn"] for _ in range(5)]
    for arn in arns:
        exporting.ended(arn)

    wanted: dict[str, Any] = {"TableArn": exporting.arn(table), "MaxResults": 2}
    pages = [exporting.dynamodb.list_exports(**wanted)]
    while "NextToken" in pages[-1]:
        pages.append(exporting.dynamodb.list_exports(**wanted, NextToken=pages[-1]["NextToken"]))

    assert [len(page["ExportSummaries"]) for page in pages] == [2, 2, 1]
    listed = [entry for page in pages for entry in page["ExportSummaries"]]
    assert [entry["ExportArn"] for entry in listed] == arns[::-1]
    assert {(entry["ExportStatus"], entry["ExportType"]) for entry in listed} == {("COMPLETED", "FULL_EXPORT")}

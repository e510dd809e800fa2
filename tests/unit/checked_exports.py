"""CheckExport without its handler: an export in S3 and tables in moto, as a test describes them."""

from __future__ import annotations

from typing import Any

import boto3
import pytest

from sluice.errors import SluiceError
from sluice.workflows.export_process.input import ObjectLocation, ProcessInput
from sluice.workflows.export_process.plan import Checked, check
from tests.unit.export_files import BUCKET, TABLE_ARN, ExportInS3, Json, bird, changed, key_of

DATA_BUCKET = "sluice-data-000000000000-us-east-1"
ARN = f"{TABLE_ARN}/export/01768386096366-0123abcd"
OWN_LIST = ObjectLocation(DATA_BUCKET, "export_process/planned/plan.jsonl")
TABLE_ID = "the-tables-own"
CHANGES = [changed(key_of(bird(name)), None, bird(name)) for name in ("wren", "emu")]


class DynamoDB:
    """moto's tables, and one export as a test describes it."""

    def __init__(self) -> None:
        self._client = boto3.client("dynamodb", region_name="us-east-1")
        self.meta = self._client.meta
        self.create("target", pk="S")
        self.export: Json = {}
        self.problem: str | None = None

    def create(self, name: str, **types: str) -> None:
        """A table with these key attributes."""
        schema: Any = [
            {"AttributeName": each, "KeyType": kind} for each, kind in zip(types, ("HASH", "RANGE"), strict=False)
        ]
        attributes: Any = [{"AttributeName": each, "AttributeType": kind} for each, kind in types.items()]
        self._client.create_table(
            TableName=name, KeySchema=schema, AttributeDefinitions=attributes, BillingMode="PAY_PER_REQUEST"
        )

    def describe_table(self, *, TableName: str) -> Any:  # noqa: N803
        """What moto tells, with an id."""
        described: Any = self._client.describe_table(TableName=TableName)
        described["Table"]["TableId"] = TABLE_ID
        return described

    def scan(self, **request: Any) -> Any:
        """What moto finds."""
        return self._client.scan(**request)

    def put_item(self, table: str, item: Json) -> None:
        """One item of a table."""
        self._client.put_item(TableName=table, Item=item)

    def describe_export(self, **request: Any) -> Any:
        """The export, or the problem."""
        if self.problem is not None:
            response: Any = {"Error": {"Code": self.problem}, "ResponseMetadata": {"HTTPStatusCode": 400}}
            raise self._client.exceptions.ClientError(response, "DescribeExport")
        assert request == {"ExportArn": ARN}
        return {"ExportDescription": self.export}


class Surroundings:
    """An export in S3, and tables."""

    def __init__(self) -> None:
        self.s3 = boto3.client("s3", region_name="us-east-1")
        for bucket in (BUCKET, DATA_BUCKET):
            self.s3.create_bucket(Bucket=bucket)
        self.dynamodb = DynamoDB()
        self.export = ExportInS3(self.s3)
        self.put()

    def put(self, records: Any = CHANGES, **changed: Any) -> None:
        """The export: an empty file, and one with the records."""
        files = [self.export.put_file("empty", []), self.export.put_file("full", records)]
        self.export.put_manifests(files, **changed)

    def check(self, **changed: Any) -> Checked:
        """Check the usual input but for what is changed."""
        usual: Json = {"export": {"bucket": BUCKET, "key": self.export.summary_key}, "sink": {"table": "target"}}
        given = {name: value for name, value in (usual | changed).items() if value is not None}
        request = ProcessInput.from_input(given, DATA_BUCKET)
        client: Any = self.dynamodb
        return check(self.s3, client, request, OWN_LIST)

    def refused(self, error: type[SluiceError], problem: str, **changed: Any) -> None:
        """The check fails, and nothing was written."""
        with pytest.raises(error, match=problem):
            self.check(**changed)
        assert self.s3.list_objects_v2(Bucket=DATA_BUCKET)["KeyCount"] == 0

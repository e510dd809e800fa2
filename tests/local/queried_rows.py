"""Rows in a Glue table of a test's own, the objects that they name, and a function that takes them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import uuid4

from tests.local.deployed import ROW_FUNCTION, Deployed
from tests.local.user_functions import create_function

JSON = "org.openx.data.jsonserde.JsonSerDe"
FUNCTION = """
import json, os, uuid, boto3

s3, bucket = boto3.client("s3"), os.environ["BUCKET"]

def handler(event, context):
    run, rows = event["BatchInput"]["run"]["name"], event["Items"]
    if any(row["id"].startswith("bad") for row in rows):
        raise ValueError("a bad row")
    s3.put_object(Bucket=bucket, Key=f"processed/{run}/{uuid.uuid4().hex}", Body=json.dumps(rows).encode())
"""
Row = Mapping[str, Any]


class Queried:
    """A database of a test's own, and inputs that query it."""

    def __init__(self, stack: Deployed) -> None:
        self.stack = stack
        self.name = f"d_{uuid4().hex[:12]}"
        self.glue = stack.client("glue")
        self.glue.create_database(DatabaseInput={"Name": self.name})

    @property
    def folder(self) -> str:
        """Where its objects lie."""
        return f"input/{self.name}"

    def table(self, rows: Iterable[Row], columns: Iterable[str] = ("id", "place", "name")) -> str:
        """A table of texts over one object of JSON Lines."""
        body = "".join(json.dumps(row) + "\n" for row in rows)
        self.stack.s3.put_object(Bucket=self.stack.bucket, Key=f"{self.folder}/t/rows.json", Body=body.encode())
        storage = {
            "Columns": [{"Name": column, "Type": "string"} for column in columns],
            "Location": f"s3://{self.stack.bucket}/{self.folder}/t/",
            "SerdeInfo": {"SerializationLibrary": JSON},
        }
        self.glue.create_table(DatabaseName=self.name, TableInput={"Name": "t", "StorageDescriptor": storage})
        return "t"

    def partitioned_table(self, rows: Mapping[str, Iterable[Row]]) -> None:
        """A table of texts that is partitioned by day: its rows, by their day."""
        columns: Any = [{"Name": column, "Type": "string"} for column in ("id", "place", "name")]
        storage: Any = {"Columns": columns, "SerdeInfo": {"SerializationLibrary": JSON}}
        location = f"s3://{self.stack.bucket}/{self.folder}/t/"
        table: Any = {"Name": "t", "StorageDescriptor": storage | {"Location": location}}
        table["PartitionKeys"] = [{"Name": "day", "Type": "string"}]
        self.glue.create_table(DatabaseName=self.name, TableInput=table)
        for day, of_day in rows.items():
            body = "".join(json.dumps(row) + "\n" for row in of_day)
            self.stack.s3.put_object(
                Bucket=self.stack.bucket, Key=f"{self.folder}/t/day={day}/rows.json", Body=body.encode()
            )
            partition: Any = {"Values": [day], "StorageDescriptor": storage | {"Location": f"{location}day={day}/"}}
            self.glue.create_partition(DatabaseName=self.name, TableName="t", PartitionInput=partition)

    def put(self, key: str, body: bytes) -> str:
        """An object below the folder; returns its whole key."""
        whole = f"{self.folder}/objects/{key}"
        self.stack.s3.put_object(Bucket=self.stack.bucket, Key=whole, Body=body)
        return whole

    def copies(self) -> dict[str, bytes]:
        """The objects below the destination, by what is left of their keys without it."""
        prefix = f"output/{self.name}/"
        pages = self.stack.s3.get_paginator("list_objects_v2").paginate(Bucket=self.stack.bucket, Prefix=prefix)
        keys = [each["Key"] for page in pages for each in page.get("Contents", [])]
        return {key.removeprefix(prefix): self.stack.object(key) for key in keys}

    def copy(self, source: Mapping[str, str], **destination: Any) -> dict[str, Any]:
        """An action; copies keep the whole key unless the destination says otherwise."""
        return {"copyObject": {"source": source, "destination": {"prefix": f"output/{self.name}", **destination}}}

    def input(self, query: str, action: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
        """An input of athena_map."""
        return {"query": query, "database": self.name, "action": action, **fields}

    def unload(self, query: str, layout: str) -> str:
        """The statement that unloads a query's rows."""
        return f"UNLOAD ({query}) TO 's3://{self.stack.bucket}/output/{self.name}-rows/' WITH (format = '{layout}')"


def create_row_function(stack: Deployed) -> None:
    """The function that the stack's parameter names; it refuses a batch with an id that begins with bad."""
    create_function(stack, ROW_FUNCTION, FUNCTION)


def processed_rows(stack: Deployed, name: str) -> Counter[str]:
    """How often the function saw each row in a run, as JSON."""
    pages = stack.s3.get_paginator("list_objects_v2").paginate(Bucket=stack.bucket, Prefix=f"processed/{name}/")
    batches = [each["Key"] for page in pages for each in page.get("Contents", [])]
    return Counter(json.dumps(row, sort_keys=True) for each in batches for row in json.loads(stack.object(each)))

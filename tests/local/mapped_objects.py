"""Objects of a test's own, inputs of object_map that take them, and a function that is called with them."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any
from uuid import uuid4

from tests.local.deployed import OBJECT_FUNCTION, Deployed, Ended
from tests.local.user_functions import create_function

# The end of a key says what becomes of the object. Each call is recorded.
FUNCTION = """
import json, os, uuid, boto3

s3, bucket = boto3.client("s3"), os.environ["BUCKET"]

def outcome(each):
    kind = each["Key"].rpartition(".")[2]
    if kind == "skip":
        return {"outcome": "skipped"}
    if kind == "fail":
        return {"outcome": "failed", "reason": "not an image: " + each["Key"]}
    return {"outcome": "done", "Key": each["Key"], "result": {"bytes": each["Size"]}}

def handler(event, context):
    run, items = event["BatchInput"]["run"]["name"], event["Items"]
    keys = [each["Key"] for each in items]
    if any(key.endswith(".raise") for key in keys):
        raise ValueError("a bad object")
    s3.put_object(Bucket=bucket, Key=f"processed/{run}/{uuid.uuid4().hex}", Body=json.dumps(items).encode())
    if any(key.endswith(".none") for key in keys):
        return None
    outcomes = [outcome(each) for each in items]
    if any(key.endswith(".short") for key in keys):
        outcomes.pop()
    return {"outcomes": outcomes}
"""
# Keys of every kind.
KEYS = (
    "plain.csv",
    "deep/er/a.csv",
    "space and + plus.csv",
    "percent%20.csv",
    "ünï ☃ 🗻.csv",
    "quote\"'`.csv",
    "a?b=c&d#e.csv",
    "back\\slash.csv",
    "//double//.csv",
    "tab\t.csv",
    "~!@$^*(){}[]|:;<>,.csv",
)


class Objects:
    """A prefix of a test's own, in the data bucket unless another is given."""

    def __init__(self, stack: Deployed, bucket: str | None = None) -> None:
        self.stack = stack
        self.bucket = bucket or stack.bucket
        self.name = uuid4().hex[:12]
        self.prefix = f"input/{self.name}/"

    def put(self, *keys: str, body: bytes = b"x", **options: Any) -> list[str]:
        """Objects below the prefix; returns their whole keys."""
        whole = [self.prefix + key for key in keys]
        for key in whole:
            self.stack.s3.put_object(Bucket=self.bucket, Key=key, Body=body, **options)
        return whole

    def keys(self, prefix: str | None = None) -> list[str]:
        """The keys below a prefix, the test's own if none is given."""
        pages = self.stack.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=self.prefix if prefix is None else prefix
        )
        return [each["Key"] for page in pages for each in page.get("Contents", [])]

    def document(self, action: dict[str, Any], **fields: Any) -> dict[str, Any]:
        """An input for the objects below the prefix."""
        return {"bucket": self.bucket, "prefix": self.prefix, "action": action, **fields}

    def run(self, action: dict[str, Any], **fields: Any) -> Ended:
        """Run object_map for the objects below the prefix."""
        return self.stack.run("object_map", self.document(action, **fields))

    @property
    def copies(self) -> str:
        """A prefix for copies, which nothing else uses."""
        return f"output/{self.name}/"

    def copy(self, **destination: Any) -> dict[str, Any]:
        """An action that copies."""
        return {"copyObject": {"destination": {"prefix": self.copies, **destination}}}


def create_object_function(stack: Deployed) -> None:
    """Create OBJECT_FUNCTION."""
    create_function(stack, OBJECT_FUNCTION, FUNCTION)


def processed(stack: Deployed, run: str) -> Counter[str]:
    """How often the function was called with each key, so far."""
    pages = stack.s3.get_paginator("list_objects_v2").paginate(Bucket=stack.bucket, Prefix=f"processed/{run}/")
    calls = [json.loads(stack.object(each["Key"])) for page in pages for each in page.get("Contents", [])]
    return Counter(each["Key"] for call in calls for each in call)


def lines(stack: Deployed, key: str) -> list[dict[str, Any]]:
    """A file of JSON Lines in the data bucket."""
    return [json.loads(line) for line in stack.object(key).splitlines()]

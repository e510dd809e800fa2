"""A copy of the project, deployed to a local AWS of its own, and what tests do with it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_aws.access.origins import LOOPBACK
from sluice_cli.sandbox import Sandbox, sandbox
from sluice_cli.stack import Stack

RUN_SECONDS = 120
# The environment variable that gives the account of the tests a Lambda concurrency quota; none by default.
LAMBDA_CONCURRENCY = "LAMBDA_CONCURRENCY"
# What the deployed distinct_keys, athena_map and object_map may start; the tests that do create them.
PROCESSOR_FUNCTION = "test-processor-function"
PROCESSOR_MACHINE = "test-processor-machine"
ROW_FUNCTION = "test-row-function"
OBJECT_FUNCTION = "test-object-function"
# Workflows whose last step leaves a report.
REPORTING = frozenset(
    {"athena_map", "csv_load", "distinct_keys", "export_process", "object_aggregate", "object_map", "table_transform"}
)
# Named by the parameters, and never created.
MISSING_FUNCTION = "test-missing-function"
# A workgroup with a result location of its own, and the bucket of that.
WORK_GROUP, RESULT_BUCKET = "test-enforced", "results-of-athena"
# Buckets other than the data bucket, to read from and to write to. The second one keeps versions.
SOURCE_BUCKET, VERSIONED_BUCKET, COPY_BUCKET = "objects-of-others", "objects-of-versions", "copies-for-others"
# A bucket to delete from, which keeps versions.
SCRATCH_BUCKET = "scratch-of-versions"
PARAMETERS = (
    f"ProcessorFunctions={PROCESSOR_FUNCTION},{ROW_FUNCTION},{OBJECT_FUNCTION},{MISSING_FUNCTION}",
    f"ProcessorStateMachines={PROCESSOR_MACHINE}",
    f"AthenaWorkGroups=primary,{WORK_GROUP}",
    "AthenaDatabasePattern=d_*",
    f"AthenaResultBucketPattern={RESULT_BUCKET}",
    "SourceBucketPattern=objects-of-*",
    f"OutputBucketPattern={COPY_BUCKET}",
    f"DeleteBucketPattern={SCRATCH_BUCKET}",
)


@dataclass(frozen=True)
class Ended:
    """How an execution ended; `summary` is its output, or what a failed run left behind."""

    name: str
    status: str
    error: str | None
    cause: str | None
    summary: dict[str, Any]

    @property
    def counts(self) -> tuple[int, int, int, int, int]:
        """Rows read, written, skipped, rejected, failed."""
        counts = self.summary["counts"]
        return tuple(counts[each] for each in ("read", "written", "skipped", "rejected", "failed"))

    @property
    def notes(self) -> list[str]:
        """What the summary notes, but for the number of children: an account of ten Lambda slots has fewer."""
        return [each for each in self.summary["notes"] if not each.startswith("maxConcurrency")]


class Deployed(Sandbox):
    """The deployed stack, and how its runs ended."""

    def object(self, key: str) -> bytes:
        """An object of the data bucket."""
        return self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def rejects(self, ended: Ended) -> list[dict[str, Any]]:
        """The lines of a run's rejects file."""
        return [json.loads(line) for line in self.object(ended.summary["rejects"]["key"]).splitlines()]

    def items(self, table: str) -> list[dict[str, Any]]:
        """All items of a table, as DynamoDB JSON."""
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=table)
        return [item for page in pages for item in page["Items"]]

    def versioned_bucket(self) -> str:
        """VERSIONED_BUCKET, which runs may read."""
        return self.keeping_versions(VERSIONED_BUCKET)

    def keeping_versions(self, bucket: str) -> str:
        """A bucket, which keeps versions from now on."""
        self.s3.create_bucket(Bucket=bucket)
        self.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        return bucket

    def put_items(self, table: str, items: Sequence[Mapping[str, Any]]) -> None:
        """Put items of different keys, 25 per request."""
        for first in range(0, len(items), 25):
            puts: Any = [{"PutRequest": {"Item": each}} for each in items[first : first + 25]]
            assert not self.dynamodb.batch_write_item(RequestItems={table: puts})["UnprocessedItems"]

    def run(self, workflow: str, document: Mapping[str, Any]) -> Ended:
        """Run a workflow to its end."""
        return self.wait(self.start(workflow, document))

    def wait(self, execution_arn: str, timeout_seconds: float = RUN_SECONDS) -> Ended:
        """Wait for any end of an execution, but not for ever."""
        found = self.end_of(execution_arn, timeout_seconds)
        name = found["name"]
        workflow = self.workflow_of(found["stateMachineArn"])
        summary = json.loads(found["output"]) if "output" in found else self._left_behind(workflow, name)
        if summary and workflow in REPORTING:
            assert {"source", "table", "target", "undone"} & summary.keys(), "what the run worked on"
            assert self.object(f"{workflow}/{name}/report.html").startswith(b"<!doctype html>"), "the run's report"
        return Ended(name, found["status"], found.get("error"), found.get("cause"), summary)

    def workflow_of(self, state_machine_arn: str) -> str:
        """The workflow that a state machine of the stack runs."""
        workflows = Stack("sluice", self.outputs).workflows
        return next(name for name, arn in workflows.items() if arn == state_machine_arn)

    def _left_behind(self, workflow: str, name: str) -> dict[str, Any]:
        try:
            summary: dict[str, Any] = json.loads(self.object(f"{workflow}/{name}/summary.json"))
        except self.s3.exceptions.NoSuchKey:
            return {}
        return summary


@contextmanager
def deployed(root: Path, bind_host: str = LOOPBACK) -> Iterator[Deployed]:
    """A copy of the project that faults can be planned for; it ends with the context."""
    concurrency = os.environ.get(LAMBDA_CONCURRENCY)
    with sandbox(
        root,
        bind_host=bind_host,
        fault_injection=True,
        lambda_concurrency=int(concurrency) if concurrency else None,
        parameters=PARAMETERS,
    ) as stack:
        yield Deployed(stack.surroundings, stack.aws)

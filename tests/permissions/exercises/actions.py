"""object_map, with each kind of action."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.local.deployed import COPY_BUCKET, MISSING_FUNCTION, OBJECT_FUNCTION, SCRATCH_BUCKET, SOURCE_BUCKET, Deployed
from tests.local.mapped_objects import Objects
from tests.permissions.exercises.runs import run, update

TAGS = {"putObjectTagging": {"tags": {"team": "night"}}}
DELETION = {"deleteObject": {"confirm": True}}
FUNCTION = {"function": OBJECT_FUNCTION}


def _document(stack: Deployed, action: dict[str, Any], **fields: Any) -> dict[str, Any]:
    objects = Objects(stack)
    objects.put("a.csv")
    return objects.document(action, **fields)


def _copy(stack: Deployed, **fields: Any) -> dict[str, Any]:
    objects = Objects(stack)
    objects.put("a.csv", Tagging="team=night")
    return objects.document(objects.copy(), **fields)


def _copied(stack: Deployed) -> dict[str, Any]:
    """The same objects as in a run that has ended: they are there."""
    document = _copy(stack)
    stack.run("object_map", document)
    return document


def _other_buckets(stack: Deployed) -> dict[str, Any]:
    """An object that was copied from one bucket to another: its copy is looked at."""
    for bucket in (SOURCE_BUCKET, COPY_BUCKET):
        stack.s3.create_bucket(Bucket=bucket)
    objects = Objects(stack, SOURCE_BUCKET)
    objects.put("a.csv", Tagging="team=night")
    document = objects.document(objects.copy(bucket=COPY_BUCKET))
    stack.run("object_map", document)
    return document


def _versions(stack: Deployed, bucket: str, action: Callable[[Objects], dict[str, Any]]) -> dict[str, Any]:
    """A list that names an object's version."""
    objects = Objects(stack, bucket)
    key = f"{objects.prefix}a.csv"
    put = stack.s3.put_object(Bucket=bucket, Key=key, Body=b"x", Tagging="team=night")
    listed = stack.put(json.dumps({"Bucket": bucket, "Key": key, "VersionId": put["VersionId"]}) + "\n", ".jsonl")
    return {"objects": listed, "action": action(objects)}


def _versions_of_others(stack: Deployed) -> dict[str, Any]:
    stack.s3.create_bucket(Bucket=SOURCE_BUCKET)
    stack.s3.put_bucket_versioning(Bucket=SOURCE_BUCKET, VersioningConfiguration={"Status": "Enabled"})
    return _versions(stack, SOURCE_BUCKET, _copy_here)


def _tagged_version(stack: Deployed) -> dict[str, Any]:
    stack.s3.create_bucket(Bucket=COPY_BUCKET)
    stack.s3.put_bucket_versioning(Bucket=COPY_BUCKET, VersioningConfiguration={"Status": "Enabled"})
    return _versions(stack, COPY_BUCKET, lambda _: TAGS)


def _deleted_from_another_bucket(stack: Deployed) -> dict[str, Any]:
    objects = Objects(stack, stack.keeping_versions(SCRATCH_BUCKET))
    objects.put("a.csv")
    return objects.document(DELETION)


def _copy_here(objects: Objects) -> dict[str, Any]:
    return objects.copy(bucket=objects.stack.bucket)


def _listed_twice(stack: Deployed) -> dict[str, Any]:
    """The objects that a run could not do, as the input of another one."""
    objects = Objects(stack)
    objects.put("1.fail")
    failed = objects.run(FUNCTION, toleratedFailurePercentage=100)
    listed = {"bucket": stack.bucket, "key": failed.summary["failures"]["objects"]}
    return {"objects": listed, "action": objects.copy()}


def _resumed(stack: Deployed) -> dict[str, Any]:
    document = _document(stack, {"function": MISSING_FUNCTION})
    return {**document, "resume": {"run": stack.run("object_map", document).name}}


EXERCISES = (
    update("object_map"),
    run("object_map", _copy),
    run("object_map", _copied),
    run("object_map", _other_buckets),
    run("object_map", lambda stack: _document(stack, FUNCTION)),
    run("object_map", lambda stack: _document(stack, {"function": MISSING_FUNCTION})),
    run("object_map", lambda stack: _document(stack, TAGS)),
    run("object_map", lambda stack: _document(stack, DELETION)),
    run("object_map", _versions_of_others),
    run("object_map", _tagged_version),
    run("object_map", _deleted_from_another_bucket),
    run("object_map", lambda stack: _versions(stack, stack.keeping_versions(SCRATCH_BUCKET), lambda _: DELETION)),
    run("object_map", _listed_twice),
    run("object_map", _resumed),
)

"""Objects that are in S3 already: which ones an address means, and what is in the beginning of some of them."""

from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Any

from botocore.exceptions import ClientError

from sluice_cli.aws import Aws, error_code
from sluice_cli.exit_code import BadInputError
from sluice_cli.load.columns import Columns, merged
from sluice_cli.load.detection import SAMPLE_BYTES, Detected, Hints, detect_sample

SCHEME = "s3://"
WILDCARD = "*"
OBJECTS_LISTED, OBJECTS_SAMPLED = 10_000, 16
UNREADABLE = frozenset({"403", "404", "AccessDenied", "NoSuchBucket", "NoSuchKey"})


@dataclass(frozen=True)
class Objects:
    """One object (`key`), or all whose keys begin with `prefix` and end with `suffix`."""

    bucket: str
    key: str | None = None
    prefix: str = ""
    suffix: str = ""

    @classmethod
    def parse(cls, address: str) -> "Objects":
        """Read s3://bucket/key, s3://bucket/folder/ or s3://bucket/begin*end. Raises BadInputError."""
        bucket, _, key = address.removeprefix(SCHEME).partition("/")
        if not bucket or not (key or address.endswith("/")):
            raise BadInputError(f"{address}: expected s3://bucket/key, s3://bucket/folder/ or s3://bucket/folder/*.csv")
        if key.count(WILDCARD) > 1:
            raise BadInputError(f"{address}: one * is possible, for whatever is between a beginning and an end")
        if WILDCARD in key:
            prefix, _, suffix = key.partition(WILDCARD)
            return cls(bucket, None, prefix, suffix)
        return cls(bucket, None, key) if not key or key.endswith("/") else cls(bucket, key)

    def __str__(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.key or f'{self.prefix}{WILDCARD}{self.suffix}'}"

    @property
    def source(self) -> dict[str, Any]:
        """The fields of csv_load's source that name the objects."""
        if self.key is not None:
            return {"bucket": self.bucket, "key": self.key}
        return {"bucket": self.bucket, "prefix": self.prefix, **({"suffix": self.suffix} if self.suffix else {})}


@dataclass(frozen=True)
class Sample:
    """The first bytes of an object. `is_whole`: it has no others."""

    key: str
    data: bytes
    is_whole: bool


def detect_objects(aws: Aws, objects: Objects, hints: Hints) -> Detected:
    """What is in the beginning of the object, or of some of the objects. Raises BadInputError if there are none."""
    if objects.key is not None:
        sample = _read(aws, objects.bucket, objects.key, SAMPLE_BYTES)
        return detect_sample(sample.data, sample.key, hints, is_whole=sample.is_whole)
    keys = _some_keys(aws, objects)
    first, *others = (_read(aws, objects.bucket, key, SAMPLE_BYTES // len(keys)) for key in keys)
    found = detect_sample(first.data, first.key, hints, is_whole=first.is_whole)
    same = replace(
        hints, layout=found.layout, dialect={**vars(found.dialect), **hints.dialect} if found.dialect else {}
    )
    columns = [found.columns, *(_columns_alike(sample, same) for sample in others)]
    return replace(found, columns=merged(columns))


def _columns_alike(sample: Sample, hints: Hints) -> Columns:
    """The columns of another object. What is wrong with it is for the run to say, which looks into all of them."""
    try:
        return detect_sample(sample.data, sample.key, hints, is_whole=sample.is_whole).columns
    except BadInputError:
        return Columns(())


def _read(aws: Aws, bucket: str, key: str, limit: int) -> Sample:
    try:
        found = aws.s3.get_object(Bucket=bucket, Key=key, Range=f"bytes=0-{limit - 1}")
    except ClientError as error:
        if error_code(error) == "InvalidRange":
            raise BadInputError(f"{SCHEME}{bucket}/{key} is empty") from error
        raise _unreadable(error, f"{SCHEME}{bucket}/{key}") from error
    size = int(found["ContentRange"].rpartition("/")[2])
    return Sample(key, found["Body"].read(), size <= limit)


def _some_keys(aws: Aws, objects: Objects) -> list[str]:
    """Some of the first objects that have content, evenly spread."""
    pages = aws.s3.get_paginator("list_objects_v2").paginate(Bucket=objects.bucket, Prefix=objects.prefix)
    contents = chain.from_iterable(page.get("Contents", []) for page in pages)
    try:
        keys = [
            each["Key"]
            for each in islice(contents, OBJECTS_LISTED)
            if each["Key"].endswith(objects.suffix) and each["Size"]
        ]
    except ClientError as error:
        raise _unreadable(error, f"{SCHEME}{objects.bucket}") from error
    if not keys:
        raise BadInputError(f"{objects}: no object there has any content")
    step = max(1, len(keys) // OBJECTS_SAMPLED)
    return keys[::step][:OBJECTS_SAMPLED]


def _unreadable(error: ClientError, what: str) -> Exception:
    """A message for what is missing or may not be read; AWS's own for the rest."""
    code = error_code(error)
    if code not in UNREADABLE:
        return error
    why = "you may not read it" if code in ("403", "AccessDenied") else "there is no such object or bucket"
    return BadInputError(f"cannot read {what}: {why} ({code})")

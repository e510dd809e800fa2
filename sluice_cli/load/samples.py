"""Objects that are in S3 already: which ones an address means, and the beginning of one of them."""

from dataclasses import dataclass
from itertools import chain
from typing import Any

from botocore.exceptions import ClientError

from sluice_cli.aws import Aws, error_code
from sluice_cli.exit_code import BadInputError
from sluice_cli.load.detection import SAMPLE_BYTES

SCHEME = "s3://"
WILDCARD = "*"
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
    """The first bytes of an object. `is_whole`: it has no others, and no other object is loaded."""

    key: str
    data: bytes
    is_whole: bool


def read_sample(aws: Aws, objects: Objects) -> Sample:
    """The beginning of the object, or of the first one that is not empty. Raises BadInputError if there is none."""
    key = objects.key or _first_key(aws, objects)
    try:
        found = aws.s3.get_object(Bucket=objects.bucket, Key=key, Range=f"bytes=0-{SAMPLE_BYTES - 1}")
    except ClientError as error:
        if error_code(error) == "InvalidRange":
            raise BadInputError(f"s3://{objects.bucket}/{key} is empty") from error
        raise _unreadable(error, f"s3://{objects.bucket}/{key}") from error
    size = int(found["ContentRange"].rpartition("/")[2])
    return Sample(key, found["Body"].read(), objects.key is not None and size <= SAMPLE_BYTES)


def _first_key(aws: Aws, objects: Objects) -> str:
    pages = aws.s3.get_paginator("list_objects_v2").paginate(Bucket=objects.bucket, Prefix=objects.prefix)
    try:
        for each in chain.from_iterable(page.get("Contents", []) for page in pages):
            if each["Key"].endswith(objects.suffix) and each["Size"]:
                return each["Key"]
    except ClientError as error:
        raise _unreadable(error, f"s3://{objects.bucket}") from error
    raise BadInputError(f"{objects}: no object there has any content")


def _unreadable(error: ClientError, what: str) -> Exception:
    """A message for what is missing or may not be read; AWS's own for the rest."""
    code = error_code(error)
    if code not in UNREADABLE:
        return error
    why = "you may not read it" if code in ("403", "AccessDenied") else "there is no such object or bucket"
    return BadInputError(f"cannot read {what}: {why} ({code})")

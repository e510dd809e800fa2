"""Keys that the input brings instead of a scan: JSON Lines of partition keys in DynamoDB JSON, copied for the run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from sluice.aws.clients import aws_errors
from sluice.errors import InvalidInputError, SourceNotFoundError
from sluice.runs.results import spool, upload

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True)
class KeysObject:
    """An object of keys, such as an earlier run's failed_keys.jsonl."""

    bucket: str
    key: str


# The most that CopyObject copies.
COPY_MAX_BYTES = 5 << 30
# Larger objects are not written again: a function has 512 MB of disk. Reading this many bytes takes some ten seconds.
REWRITE_MAX_BYTES = 256 << 20
KEYS_CHUNK_BYTES = 1 << 20


def copy_keys(s3: S3Client, given: KeysObject, bucket: str, key: str) -> None:
    """Copy the given object, within S3 if possible. One of blank lines becomes an empty object, which no Map reads.

    Step Functions' reader fails the whole run for one line that is not JSON. In objects of up to REWRITE_MAX_BYTES such
    a line becomes a JSON string, which fails as a key of its own; in larger ones it is refused.

    Raises SourceNotFoundError, InvalidInputError, AccessDeniedError.
    """
    name = f"s3://{given.bucket}/{given.key}"
    missing = SourceNotFoundError(f"there is no object {name}")
    with aws_errors(name, {"404": missing, "NoSuchKey": missing, "NoSuchBucket": missing}):
        size = s3.head_object(Bucket=given.bucket, Key=given.key)["ContentLength"]
        if size > COPY_MAX_BYTES:
            raise InvalidInputError("keys.key", f"{name} has {size:,} bytes, more than the {COPY_MAX_BYTES:,} allowed")
        wrong = _first_wrong_line(_lines(s3, given))
        if wrong is not None:
            if wrong and size > REWRITE_MAX_BYTES:
                raise InvalidInputError("keys.key", f"line {wrong:,} of {name} is not JSON; {_SPLIT}")
            with spool() as file:
                file.writelines(readable_lines(_lines(s3, given)))
                upload(s3, file, bucket, key)
            return
        s3.copy_object(
            Bucket=bucket,
            Key=key,
            CopySource={"Bucket": given.bucket, "Key": given.key},
            # The object's tags would take further rights to be read.
            TaggingDirective="REPLACE",
        )


def readable_lines(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The lines as Step Functions reads them, without blank ones; a line that is not JSON as a JSON string."""
    for line in lines:
        if line.strip():
            text = line if _is_json(line) else json.dumps(line.decode(errors="backslashreplace")).encode()
            yield text + b"\n"


_SPLIT = f"correct it, or split the object into ones of at most {REWRITE_MAX_BYTES:,} bytes, where only this key fails"


def _first_wrong_line(lines: Iterable[bytes]) -> int | None:
    """The number of the first line that is not JSON; 0 for an object of blank lines, None for one as it should be."""
    wrong: int | None = 0
    for number, line in enumerate(lines, 1):
        if line.strip():
            wrong = None
            if not _is_json(line):
                return number
    return wrong


def _lines(s3: S3Client, given: KeysObject) -> Iterator[bytes]:
    return s3.get_object(Bucket=given.bucket, Key=given.key)["Body"].iter_lines(KEYS_CHUNK_BYTES)


def _is_json(line: bytes) -> bool:
    try:
        _DECODER.decode(line.decode())
    except (ValueError, RecursionError):
        return False
    return True


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)

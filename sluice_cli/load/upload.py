"""A local file in the stack's data bucket: uploaded, unless the same content is there."""

import hashlib
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from botocore.exceptions import ClientError

from sluice_cli.aws import Aws, error_code
from sluice_cli.display import Display, open_display
from sluice_cli.exit_code import BadInputError, CommandError
from sluice_cli.progress import RUNNING, Pace, Upload
from sluice_cli.surroundings import Surroundings

INPUT_PREFIX = "input/"
CHECKSUM = "sha256"
NAME_DIGITS = 16
SHOWN_FROM_BYTES = 8 << 20
# A HEAD request has no error code of S3's own; without the right to list, a missing key is a 403.
NOT_THERE = frozenset({"403", "404"})


@dataclass(frozen=True)
class LocalFile:
    """A file with this content: `checksum` is its SHA-256, in hexadecimal digits."""

    path: Path
    size: int
    checksum: str
    changed_ns: int

    @classmethod
    def read(cls, path: Path) -> "LocalFile":
        """Read all of it. Raises BadInputError for a file that cannot be read."""
        try:
            with path.open("rb") as file:
                changed_ns = os.fstat(file.fileno()).st_mtime_ns
                digest = hashlib.file_digest(file, CHECKSUM)
                return cls(path, file.tell(), digest.hexdigest(), changed_ns)
        except OSError as error:
            raise BadInputError(f"cannot read {path}: {error.strerror or error}") from error

    @property
    def key(self) -> str:
        """The key that this content has: no upload replaces an object that another run is reading."""
        return f"{INPUT_PREFIX}{self.checksum[:NAME_DIGITS]}/{self.path.name}"

    @property
    def has_changed(self) -> bool:
        """Whether somebody has written to it since."""
        now = self.path.stat()
        return (now.st_size, now.st_mtime_ns) != (self.size, self.changed_ns)


def upload(aws: Aws, bucket: str, file: LocalFile, surroundings: Surroundings) -> bool:
    """Put the file into the bucket; False if it is there already. Raises CommandError if S3 refuses it."""
    from boto3.exceptions import S3UploadFailedError

    if _is_there(aws, bucket, file):
        return False
    with open_display(surroundings) as display:
        progress = UploadProgress(file.size, display, surroundings.clock.now)
        try:
            aws.s3.upload_file(
                str(file.path),
                bucket,
                file.key,
                ExtraArgs={"Metadata": {CHECKSUM: file.checksum}},
                Callback=progress.add,
            )
        except S3UploadFailedError as error:
            raise CommandError(f"cannot upload {file.path} to s3://{bucket}/{file.key}: {error}") from error
        except OSError as error:
            raise BadInputError(f"cannot read {file.path}: {error.strerror or error}") from error
    if file.has_changed:
        aws.s3.delete_object(Bucket=bucket, Key=file.key)
        raise BadInputError(f"{file.path} changed while it was uploaded; load it again when it is complete")
    return True


@dataclass
class UploadProgress:
    """Shows the bytes as the threads of an upload send them; those of a small file are there before it could."""

    total: int
    display: Display
    now: Callable[[], float]
    done: int = 0
    pace: Pace = field(default_factory=Pace)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, count: int) -> None:
        """So many bytes more."""
        with self.lock:
            self.done += count
            if self.total < SHOWN_FROM_BYTES:
                return
            status = RUNNING if self.done < self.total else "SUCCEEDED"
            now = self.now()
            self.display.show([self.pace.measure(Upload(self.total, self.done, status), now)], now)


def _is_there(aws: Aws, bucket: str, file: LocalFile) -> bool:
    """Whether the object of this key has this content, which its upload has recorded."""
    try:
        found = aws.s3.head_object(Bucket=bucket, Key=file.key)
    except ClientError as error:
        if error_code(error) in NOT_THERE:
            return False
        raise
    return found["ContentLength"] == file.size and found["Metadata"].get(CHECKSUM) == file.checksum

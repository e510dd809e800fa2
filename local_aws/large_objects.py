"""Objects of any size for tests: zeros that take no room.

    with running(fault_injection=True) as local_aws:
        large_objects.put(local_aws, "bucket", "key", size_bytes=6 * 1024**3)

They are listed, described and read in ranges like others. Do not read a large one as a whole: the server holds what
it sends.
"""

import tempfile
from pathlib import Path
from typing import Any

from local_aws.control_requests import control
from local_aws.lifecycle import LocalAws

PATH = "/_local_aws/large-objects"
PART_BYTES = 64 * 1024**2
ETAG_OF_ZEROS = "0" * 32


def put(local_aws: LocalAws, bucket: str, key: str, *, size_bytes: int) -> None:
    """Store an object of so many zeros, as one that was uploaded in parts."""
    control(local_aws, PATH, {"bucket": bucket, "key": key, "size": size_bytes})


def store(data: dict[str, Any]) -> dict[str, Any]:
    """The server's side. Raises MissingObjectError."""
    from local_aws.s3_objects import put_file

    with tempfile.NamedTemporaryFile(prefix="large-object-", delete=False) as file:
        file.truncate(data["size"])
    parts = -(-data["size"] // PART_BYTES)
    put_file(data["bucket"], data["key"], Path(file.name), f"{ETAG_OF_ZEROS}-{parts}")
    return {}

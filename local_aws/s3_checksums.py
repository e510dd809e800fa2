"""S3's checksums of uploads: computed once, and CRC32C and CRC64NVME in C instead of byte by byte."""

import importlib
from collections.abc import Callable
from typing import Any

from ministack.services import s3 as service

from local_aws.replacements import check, replace

ALGORITHM = "x-amz-sdk-checksum-algorithm"

Headers = dict[str, str]
Resolve = Callable[[bytes, Headers], Any]


def install() -> None:
    """Replace how checksums are computed. botocore's C library is used where it is installed."""
    parameters = ("body", "headers")
    resolve = check(service, "_resolve_object_checksums", parameters)
    replace(service, "_resolve_object_checksums", parameters, once(resolve))
    try:
        library: Any = importlib.import_module("awscrt.checksums")
    except ImportError:
        return
    replace(service, "_crc32c", ("body",), library.crc32c)
    replace(service, "_crc64nvme", ("body",), library.crc64nvme)


def once(resolve: Resolve) -> Resolve:
    """SDKs name the algorithm and send its value: the value is checked, and so not computed a second time."""

    def resolved(body: bytes, headers: Headers) -> Any:
        algorithm = headers.get(ALGORITHM, "").lower().replace("_", "")
        if algorithm and headers.get(f"x-amz-checksum-{algorithm}"):
            headers = {name: value for name, value in headers.items() if name != ALGORITHM}
        return resolve(body, headers)

    return resolved

"""Checksums of uploads, on a started local AWS."""

import base64
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

BODY = b"123456789"
# The check values that the algorithms' definitions give for this body.
VALUES = {
    "CRC32": 0xCBF43926.to_bytes(4),
    "CRC32C": 0xE3069283.to_bytes(4),
    "CRC64NVME": 0xAE8B14860A799888.to_bytes(8),
}


@pytest.fixture
def s3(client: Callable[[str], Any]) -> Any:
    return client("s3")


@pytest.mark.parametrize("algorithm", VALUES)
def test_object_keeps_the_checksum_that_its_upload_had(s3: Any, bucket: str, algorithm: str) -> None:
    expected = base64.b64encode(VALUES[algorithm]).decode()
    s3.put_object(Bucket=bucket, Key="k", Body=BODY, **{f"Checksum{algorithm}": expected})
    assert s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")[f"Checksum{algorithm}"] == expected


@pytest.mark.parametrize("algorithm", VALUES)
def test_upload_with_a_wrong_checksum_is_refused(s3: Any, bucket: str, algorithm: str) -> None:
    wrong = base64.b64encode(bytes(len(VALUES[algorithm]))).decode()
    with pytest.raises(ClientError) as refused:
        s3.put_object(Bucket=bucket, Key="k", Body=BODY, ChecksumAlgorithm=algorithm, **{f"Checksum{algorithm}": wrong})
    assert refused.value.response["Error"]["Code"] == "BadDigest"
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_upload_without_a_value_gets_that_of_the_algorithm(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=BODY, ChecksumAlgorithm="CRC32")
    value = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")["ChecksumCRC32"]
    assert base64.b64decode(value) == zlib.crc32(BODY).to_bytes(4)

"""The beginning of a file that a run has left."""

from botocore.exceptions import BotoCoreError, ClientError

from sluice_cli.aws import Aws, error_code, explained

BYTES_READ = 64 << 10
UNREADABLE = frozenset({"403", "404", "AccessDenied", "InvalidRange", "NoSuchBucket", "NoSuchKey"})


def first_lines(aws: Aws, bucket: str, key: str) -> list[bytes]:
    """The whole lines in the object's first BYTES_READ bytes; none of one that is missing or may not be read.

    Raises CommandError when S3 cannot be read.
    """
    try:
        answer = aws.s3.get_object(Bucket=bucket, Key=key, Range=f"bytes=0-{BYTES_READ - 1}")
        beginning = answer["Body"].read()
    except (BotoCoreError, ClientError) as error:
        if isinstance(error, ClientError) and error_code(error) in UNREADABLE:
            return []
        raise explained(error, aws.target) from error
    whole, _, _ = beginning.rpartition(b"\n")
    return whole.split(b"\n") if whole else []

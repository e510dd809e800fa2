"""What S3 tells of a key that is not there: to a caller who may not list the bucket, that access is denied."""

from typing import Any

from ministack.services import s3 as service

from local_aws.exports.permissions import caller_role
from local_aws.role_permissions import denial

Response = tuple[int, dict[str, str], Any]


def with_listing_right(bucket: str, key: str, answer: Response) -> Response:
    """The answer to the caller: a missing key is AccessDenied where its role lacks s3:ListBucket."""
    role_arn = caller_role()
    is_missing = answer[0] == 404 and b"NoSuchBucket" not in (answer[2] or b"")
    if role_arn is None or not is_missing:
        return answer
    # A statement may be limited to prefixes, of which S3 does not say how it meets a key.
    denial_message = denial(role_arn, "s3:ListBucket", f"arn:aws:s3:::{bucket}", (("s3:prefix", key),))
    if denial_message is None:
        return answer
    return service._error("AccessDenied", denial_message, 403)  # type: ignore[no-any-return]

"""How a request is refused: with the error that AWS answers in the protocol of its service."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from xml.sax.saxutils import escape

# Written for people: what to do about it.
CREDENTIALS_ADVICE = (
    "Local AWS makes new credentials at each start. "
    'Get those of this start with: eval "$(sluice local status)" (in Python: local_aws.client_environment).'
)


# The service in a credential, also where a presigned URL has it encoded.
SIGNED_SERVICE = re.compile(r"Credential=[^,&]*?(?:/|%2F)\d{8}(?:/|%2F)[^/%,&]*(?:/|%2F)([^/%,&]+)")
LAMBDA_PATH = re.compile(r"/20\d\d-\d\d-\d\d/")


class Reason(Enum):
    """Why a request is refused: the error's code in S3, in query protocols (IAM, STS), and in JSON protocols."""

    DENIED = ("AccessDenied", "AccessDenied", "AccessDeniedException")
    UNSIGNED = ("AccessDenied", "MissingAuthenticationToken", "MissingAuthenticationTokenException")
    INCOMPLETE = ("AuthorizationHeaderMalformed", "IncompleteSignature", "IncompleteSignatureException")
    UNKNOWN_KEY = ("InvalidAccessKeyId", "InvalidClientTokenId", "UnrecognizedClientException")
    WRONG_TOKEN = ("InvalidToken", "InvalidClientTokenId", "UnrecognizedClientException")
    EXPIRED_TOKEN = ("ExpiredToken", "ExpiredToken", "ExpiredTokenException")
    WRONG_SIGNATURE = ("SignatureDoesNotMatch", "SignatureDoesNotMatch", "InvalidSignatureException")
    WRONG_TIME = ("RequestTimeTooSkewed", "SignatureDoesNotMatch", "InvalidSignatureException")
    EXPIRED_URL = ("AccessDenied", "SignatureDoesNotMatch", "InvalidSignatureException")
    WRONG_PAYLOAD = ("XAmzContentSHA256Mismatch", "SignatureDoesNotMatch", "InvalidSignatureException")


class RefusedError(Exception):
    """The request may not be served."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Refusal:
    """An answer with the status 403."""

    content_type: str
    error_type: str
    body: bytes


def refusal(error: RefusedError, headers: Mapping[str, str], query: str, path: str) -> Refusal:
    """The answer in the request's protocol: that of the service it was signed for, or else the likely one."""
    s3_code, query_code, json_code = error.reason.value
    text = escape(str(error))
    content_type = headers.get("content-type", "")
    signed = SIGNED_SERVICE.search(headers.get("authorization", "") or query)
    is_s3 = signed[1] == "s3" if signed else not LAMBDA_PATH.match(path) and "json" not in content_type
    if "x-amz-target" not in headers and (
        content_type.startswith("application/x-www-form-urlencoded") or "Action=" in query
    ):
        body = f"<ErrorResponse><Error><Type>Sender</Type><Code>{query_code}</Code><Message>{text}</Message></Error>"
        return Refusal("text/xml", "", f"{body}<RequestId>local</RequestId></ErrorResponse>".encode())
    if "x-amz-target" in headers or not is_s3:
        return _json(json_code, str(error))
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{s3_code}</Code><Message>{text}</Message></Error>'
    return Refusal("application/xml", "", body.encode())


def _json(code: str, message: str) -> Refusal:
    return Refusal("application/x-amz-json-1.0", code, json.dumps({"__type": code, "message": message}).encode())

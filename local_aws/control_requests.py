"""What tests tell a started server beside the APIs of AWS: signed requests to paths of its own."""

import json
import time
import urllib.request
from hashlib import sha256
from typing import Any

from local_aws.access.signatures import ALGORITHM, Scope, canonical_request, signature
from local_aws.lifecycle import LocalAws

SERVICE = "local-aws"
SIGNED_HEADERS = "host;x-amz-content-sha256;x-amz-date"
TIMEOUT_SECONDS = 10


def control(local_aws: LocalAws, path: str, document: dict[str, Any]) -> dict[str, Any]:
    """Send a document to one of the server's own paths, signed by the owner of its account; its answer."""
    body = json.dumps(document).encode()
    request = urllib.request.Request(  # noqa: S310
        local_aws.endpoint_url + path, body, {"content-type": "application/json", **_signed(local_aws, path, body)}
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
        result: dict[str, Any] = json.load(answer)
        return result


def _signed(local_aws: LocalAws, path: str, body: bytes) -> dict[str, str]:
    now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    headers = {
        "host": local_aws.endpoint_url.partition("://")[2],
        "x-amz-content-sha256": sha256(body).hexdigest(),
        "x-amz-date": now,
    }
    scope, credentials = Scope(now[:8], local_aws.region, SERVICE), local_aws.credentials
    canonical = canonical_request(
        "POST", path, [], headers=headers, signed_headers=SIGNED_HEADERS, payload_hash=headers["x-amz-content-sha256"]
    )
    signed = signature(credentials.secret_access_key, scope, now, canonical)
    credential = f"Credential={credentials.access_key_id}/{scope}"
    return {**headers, "authorization": f"{ALGORITHM} {credential}, SignedHeaders={SIGNED_HEADERS}, Signature={signed}"}

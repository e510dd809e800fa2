"""Operations on items straight from HTTP, past ministack's routing: its way costs more than most of them do."""

import logging
import time
import uuid
from collections.abc import Callable
from email.utils import formatdate
from typing import Any
from zlib import crc32

from ministack import app
from ministack.core.iam_evaluator import find_iam_access_key_account
from ministack.core.responses import set_request_account_id, set_request_region
from ministack.services import dynamodb as service

from local_aws.access.direct import Answer, Caller
from local_aws.access.requests import Body, Request
from local_aws.dynamodb.json_text import Response, from_json, json_answer
from local_aws.dynamodb.request_permissions import is_allowed
from local_aws.replacements import check

Operation = Callable[[dict[str, Any]], Response]

TARGET = "DynamoDB_20120810."
FUNCTIONS = {
    "BatchGetItem": "_batch_get_item",
    "BatchWriteItem": "_batch_write_item",
    "DeleteItem": "_delete_item",
    "GetItem": "_get_item",
    "PutItem": "_put_item",
    "Query": "_query",
    "Scan": "_scan",
    "UpdateItem": "_update_item",
}

logger = logging.getLogger(__name__)
_date: tuple[int, bytes] = (0, b"")


def install() -> None:
    """Check that ministack has the operations."""
    for name in FUNCTIONS.values():
        check(service, name, ("data",))


def serve(request: Request, body: Body, caller: Caller) -> Answer | None:
    """The answer to an operation on items; None for all other requests, and for those that IAM may deny."""
    function = _function(request)
    if function is None or "content-encoding" in request.headers:
        return None
    try:
        data = from_json(body.content())
    except (ValueError, RecursionError):
        return None
    if not isinstance(data, dict):
        return None
    _enter_scope(caller)
    action = request.headers["x-amz-target"].removeprefix(TARGET)
    if app.AUTH and not is_allowed(f"dynamodb:{action}", data, request, caller):
        return None
    status, headers, text = _run(function, data)
    return Answer(status, _header_lines(headers, text), text)


def _run(function: Operation, data: dict[str, Any]) -> Response:
    """What the operation answers; a fault of the server's own is logged."""
    try:
        return function(data)
    except Exception:
        logger.exception("an operation on items failed")
        return json_answer({"__type": "InternalServerError", "message": "The server has an error: see its log"}, 500)


def _function(request: Request) -> Operation | None:
    target = request.headers.get("x-amz-target", "")
    if not target.startswith(TARGET) or request.method != "POST" or request.raw_path != "/" or request.query_text:
        return None
    name = FUNCTIONS.get(target.removeprefix(TARGET))
    # Looked up each time: the operations are replaced after this module is imported.
    return None if name is None else getattr(service, name)


def _enter_scope(caller: Caller) -> None:
    """The account and the Region whose tables are meant, as ministack chooses them."""
    account = find_iam_access_key_account(caller.access_key_id) if app.AUTH else None
    set_request_account_id(account or caller.access_key_id)
    set_request_region(caller.region)


def _header_lines(headers: dict[str, str], text: bytes) -> list[tuple[bytes, bytes]]:
    lines = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    return [
        *lines,
        (b"content-length", b"%d" % len(text)),
        (b"date", _now()),
        (b"x-amz-crc32", b"%d" % crc32(text)),
        (b"x-amzn-requestid", str(uuid.uuid4()).encode()),
    ]


def _now() -> bytes:
    """The Date header, which changes once a second."""
    global _date  # noqa: PLW0603
    now = int(time.time())
    if now != _date[0]:
        _date = (now, formatdate(now, usegmt=True).encode())
    return _date[1]

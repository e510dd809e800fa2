"""DynamoDB's write API on loopback, under a test's control: what it holds and saw, and what goes wrong."""

from __future__ import annotations

import json
import random
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from sluice.aws.connection import Endpoint
from sluice.aws.retry import RetryPolicy
from sluice.aws.signing import SigV4Signer
from sluice.aws.wire import Target, Wire

CREDENTIALS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG", "a-session-token")
REGION = "eu-central-1"
TABLE = "birds"
Json = dict[str, Any]
Key = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Seen:
    """One request as it arrived."""

    operation: str
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Json:
        parsed: Json = json.loads(self.raw)
        return parsed


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request: it is carried out first when `is_applied`."""

    status: int = 200
    name: str = ""
    body: bytes | None = None
    is_applied: bool = False
    is_cut: bool = False
    unprocessed: int = 0
    delay_seconds: float = 0.0
    checksum: int | None = None


def wire_to(url: str, retries: RetryPolicy) -> Wire:
    """A wire that is signed as the fake expects it."""
    return Wire(lambda: Target(Endpoint(url), SigV4Signer(CREDENTIALS, REGION, url)), retries)


def throttle(name: str = "ProvisionedThroughputExceededException") -> Fault:
    return Fault(400, name)


@dataclass
class FakeDynamoDB:
    """Answers BatchWriteItem, PutItem and UpdateItem (SET) on one table. `faults` are used up in their order.

    `refuses_key_twice`: as DynamoDB does; else a request that carries a key twice is a problem.
    """

    key_names: tuple[str, ...] = ("pk",)
    items: dict[Key, Json] = field(default_factory=dict)
    faults: deque[Fault] = field(default_factory=deque)
    refuses: Callable[[Json], str | None] = lambda item: item.get("refuse", {}).get("S")
    refuses_key_twice: bool = False
    seen: list[Seen] = field(default_factory=list, repr=False)
    problems: list[str] = field(default_factory=list)
    connections: int = 0
    url: str = ""
    _lock: Lock = field(default_factory=Lock)
    _in_flight: set[Key] = field(default_factory=set)

    def key(self, item: Json) -> Key:
        return tuple(
            (kind, Decimal(value) if kind == "N" else value)
            for name in self.key_names
            for kind, value in item[name].items()
        )

    def answer(self, seen: Seen) -> tuple[Fault, bytes]:
        """The answer, and the fault that says how to send it."""
        with self._lock:
            self.seen.append(seen)
            fault = self.faults.popleft() if self.faults else Fault()
            keys = [self.key(item) for item in _items(seen)]
            if not self.refuses_key_twice:
                self._check_keys(keys)
            self._in_flight.update(keys)
        time.sleep(fault.delay_seconds)
        with self._lock:
            self._in_flight.difference_update(keys)
            return self._decide(seen, fault)

    def _check_keys(self, keys: list[Key]) -> None:
        if len(set(keys)) < len(keys):
            self.problems.append("one request carries a key twice")
        if not self._in_flight.isdisjoint(keys):
            self.problems.append("two requests in flight share a key")

    def _decide(self, seen: Seen, fault: Fault) -> tuple[Fault, bytes]:
        if fault.body is not None:
            return fault, fault.body
        if fault.status != 200 and not fault.is_applied:
            return fault, _error(fault.name, "as told")
        if fault.is_cut and not fault.is_applied:
            return fault, _error("InternalServerError", "cut off")
        items = _items(seen)
        if len({self.key(item) for item in items}) < len(items):
            return Fault(400), _error("ValidationException", "Provided list of item keys contains duplicates")
        for item in items:
            if message := self.refuses(item):
                return Fault(400), _error("ValidationException", message)
        answer = self._carried_out(seen, fault)
        if "__type" in answer and fault.status == 200:
            fault = Fault(400, is_cut=fault.is_cut)
        return fault, _error(fault.name, "as told") if fault.name else json.dumps(answer).encode()

    def _carried_out(self, seen: Seen, fault: Fault) -> Json:
        if seen.operation == "BatchWriteItem":
            return self._batch(seen, fault)
        return self._update(seen) if seen.operation == "UpdateItem" else self._put(seen)

    def _batch(self, seen: Seen, fault: Fault) -> Json:
        changes = _changes(seen)
        random.shuffle(changes)
        left, done = changes[: fault.unprocessed], changes[fault.unprocessed :]
        for change in done:
            if "PutRequest" in change:
                self.items[self.key(change["PutRequest"]["Item"])] = change["PutRequest"]["Item"]
            else:
                self.items.pop(self.key(change["DeleteRequest"]["Key"]), None)
        given_back = [
            {kind: {name: self._as_stored(item) for name, item in request.items()} for kind, request in change.items()}
            for change in left
        ]
        return {
            "UnprocessedItems": {TABLE: given_back} if given_back else {},
            "ConsumedCapacity": [{"TableName": TABLE, "CapacityUnits": float(len(done))}],
        }

    def _put(self, seen: Seen) -> Json:
        (item,) = _items(seen)
        key = self.key(item)
        if key in self.items and not _is_newer(seen.body, self.items[key]):
            return {
                "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
                "message": "The conditional request failed",
                "Item": self._as_stored(self.items[key]),
            }
        self.items[key] = item
        return {"ConsumedCapacity": {"TableName": TABLE, "CapacityUnits": 1.0}}

    def _update(self, seen: Seen) -> Json:
        """SET #0=:0,#1=:1 with an optional condition attribute_exists(#key)."""
        body = seen.body
        key = self.key(body["Key"])
        names, values = body.get("ExpressionAttributeNames", {}), body.get("ExpressionAttributeValues", {})
        if body.get("ConditionExpression") == "attribute_exists(#key)":
            assert names["#key"] in self.key_names
            if key not in self.items:
                return {
                    "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
                    "message": "The conditional request failed",
                }
        pairs = [each.split("=") for each in body.get("UpdateExpression", "").removeprefix("SET ").split(",") if each]
        before: Json = self.items[key] if key in self.items else body["Key"]
        self.items[key] = before | {names[name]: values[value] for name, value in pairs}
        return {"ConsumedCapacity": {"TableName": TABLE, "CapacityUnits": 1.0}}

    def _as_stored(self, item: Json) -> Json:
        """Numbers come back in normal form, and attributes in another order."""
        stored = {
            name: {"N": format(Decimal(value["N"]).normalize(), "f")} if "N" in value else value
            for name, value in item.items()
        }
        return dict(reversed(stored.items()))


def _changes(seen: Seen) -> list[Json]:
    changes: list[Json] = seen.body["RequestItems"][TABLE]
    return changes


def _items(seen: Seen) -> list[Json]:
    """The items that are put, the keys that are deleted, and keys with the values that are set."""
    if seen.operation == "BatchWriteItem":
        return [part for change in _changes(seen) for request in change.values() for part in request.values()]
    if seen.operation == "UpdateItem":
        return [seen.body["Key"] | seen.body.get("ExpressionAttributeValues", {})]
    return [seen.body["Item"]] if seen.operation == "PutItem" else []


def _is_newer(request: Json, stored: Json) -> bool:
    """Whether the condition of a put lets it replace what is there: attribute_not_exists(#a) [OR #a <= :a]."""
    _absent, _, older = request.get("ConditionExpression", "").partition(" OR ")
    if not older:
        return False
    name, operator, value = older.split()
    assert operator == "<="
    before = stored.get(request["ExpressionAttributeNames"][name])
    limit = request["ExpressionAttributeValues"][value]
    return before is None or Decimal(before["N"]) <= Decimal(limit["N"])


def _error(name: str, message: str) -> bytes:
    return json.dumps({"__type": f"com.amazonaws.dynamodb.v20120810#{name}", "message": message}).encode()


def expected_signature(seen: Seen, url: str) -> str:
    """The Authorization header that botocore computes for the request."""
    authorization = seen.headers["authorization"]
    signed = authorization.partition("SignedHeaders=")[2].partition(",")[0].split(";")
    request = AWSRequest("POST", url, {name: seen.headers[name] for name in signed}, seen.raw)
    request.context["timestamp"] = seen.headers["x-amz-date"]
    auth = SigV4Auth(CREDENTIALS.get_frozen_credentials(), "dynamodb", REGION)
    signature = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    scope, names = auth.scope(request), ";".join(signed)
    return f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={names}, Signature={signature}"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no event."""


@contextmanager
def serving(fake: FakeDynamoDB) -> Iterator[FakeDynamoDB]:
    """Serve the fake on a port that the system chooses; `fake.url` names it."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def setup(self) -> None:
            super().setup()
            fake.connections += 1

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            fault, body = fake.answer(Seen(headers["x-amz-target"].partition(".")[2], headers, raw))
            self.send_response(fault.status)
            self.send_header("x-amz-crc32", str(fault.checksum or zlib.crc32(body)))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if fault.is_cut else body)
            self.close_connection = fault.is_cut

        def log_message(self, *_arguments: object) -> None:
            pass

    server = _Server(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield fake
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

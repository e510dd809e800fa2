"""The application behind a gate: only signed requests of programs get through, and no emulator's endpoint."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from local_aws.access.asgi import Application, Message, Receive, Send, answer
from local_aws.access.direct import Answer, Caller, Direct
from local_aws.access.origins import LOOPBACK, Origins
from local_aws.access.refusals import Reason, RefusedError, refusal
from local_aws.access.requests import Body, Request
from local_aws.access.verification import Verifier

Control = Callable[[dict[str, Any]], dict[str, Any]]

HEALTH_PATHS = frozenset(("/_ministack/health", "/_localstack/health"))
CORS = b"access-control-"


@dataclass(frozen=True)
class Gate:
    """An ASGI application in front of another.

    `direct` serves requests that need nothing else of the application. `controls` are this server's own paths, for
    its owner's key only.
    """

    application: Application
    origins: Origins
    verifier: Verifier
    owner: str
    controls: Mapping[str, Control] = field(default_factory=dict)
    direct: Direct = lambda *_: None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve or refuse."""
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self.application(scope, receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1008})

    async def _serve(self, scope: Message, receive: Receive, send: Send) -> None:
        request = Request.of(scope)
        try:
            self.origins.check(request.method, request.headers, (scope.get("server") or ("",))[0])
            if scope["path"] in HEALTH_PATHS and request.method in ("GET", "HEAD"):
                await self.application(scope, receive, without_cors(send))
                return
            body = await Body.read(receive) if request.has_body else Body()
            signed = self.verifier.check(request, body.hash)
            control = self._control(scope["path"], signed.access_key_id)
        except RefusedError as error:
            await _refuse(error, request, send)
            return
        if control is not None:
            result = control(json.loads(body.content()))
            await answer(send, 200, {"content-type": "application/json"}, json.dumps(result).encode())
            return
        caller = Caller(signed.access_key_id, signed.region, (scope.get("client") or (LOOPBACK,))[0])
        direct = self.direct(request, body, caller)
        if direct is None:
            await self.application(scope, body.again(receive), without_cors(send))
        else:
            await _send(direct, send)

    def _control(self, path: str, access_key_id: str) -> Control | None:
        """What serves a path that is no AWS API's; None for those that are. Raises RefusedError."""
        if not path.startswith("/_") and "/_user_request_" not in path:
            return None
        control = self.controls.get(path)
        if control is None or access_key_id != self.owner:
            raise RefusedError(Reason.DENIED, f"Local AWS serves the APIs of AWS only, not {path}.")
        return control


def without_cors(send: Send) -> Send:
    """Takes out the headers with which an answer lets other sites' pages read it."""

    async def send_without(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [each for each in message["headers"] if not each[0].lower().startswith(CORS)]
            message = {**message, "headers": headers}
        await send(message)

    return send_without


async def _send(answer: Answer, send: Send) -> None:
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
    await send({"type": "http.response.body", "body": answer.body})


async def _refuse(error: RefusedError, request: Request, send: Send) -> None:
    refused = refusal(error, request.headers, request.query_text, request.raw_path)
    headers = {"content-type": refused.content_type}
    if refused.error_type:
        headers["x-amzn-errortype"] = refused.error_type
    await answer(send, 403, headers, b"" if request.method == "HEAD" else refused.body)

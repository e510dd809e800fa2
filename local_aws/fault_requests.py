"""The server's path that tests send faults to."""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from local_aws import faults

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]


def with_fault_requests(application: Application) -> Application:
    """The application with the faults' path in front of it, for callers on this machine."""

    async def run(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != faults.PATH:
            await application(scope, receive, send)
            return
        if (scope.get("client") or ("",))[0] != "127.0.0.1":
            await _answer(send, 403)
            return
        faults.planned.plan(json.loads(await _body(receive)))
        await _answer(send, 200)

    return run


async def _body(receive: Receive) -> bytes:
    body, is_more = b"", True
    while is_more:
        message = await receive()
        body += message.get("body", b"")
        is_more = message.get("more_body", False)
    return body


async def _answer(send: Send, status: int) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"{}"})

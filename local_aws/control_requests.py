"""The server's paths that tests send faults and the clock's steps to."""

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]
Control = Callable[[dict[str, Any]], dict[str, Any]]


def with_controls(application: Application, controls: Mapping[str, Control]) -> Application:
    """The application with the controls' paths in front of it, for callers on this machine."""

    async def run(scope: Message, receive: Receive, send: Send) -> None:
        control = controls.get(scope["path"]) if scope["type"] == "http" else None
        if control is None:
            await application(scope, receive, send)
        elif (scope.get("client") or ("",))[0] != "127.0.0.1":
            await _answer(send, 403, {})
        else:
            await _answer(send, 200, control(json.loads(await _body(receive))))

    return run


async def _body(receive: Receive) -> bytes:
    body, is_more = b"", True
    while is_more:
        message = await receive()
        body += message.get("body", b"")
        is_more = message.get("more_body", False)
    return body


async def _answer(send: Send, status: int, answer: dict[str, Any]) -> None:
    body = json.dumps(answer).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

"""What runs in a Lambda worker's process: one invocation per line on stdin, one answer per line on stdout.

Started as a script, with nothing of local AWS in its environment; it imports the standard library only.
"""

import contextlib
import importlib
import io
import json
import os
import resource
import sys
import threading
import time
import traceback
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

LOG_CHARACTERS = 262_144
MEMORY_BESIDE_THE_FUNCTION = 512 * 1024 * 1024

Payload = dict[str, Any]
Handler = Callable[[Any, Any], Any]


class Log(io.TextIOBase):
    """What the function prints, cut to its last part."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[str] = []
        self._size = 0

    def writable(self) -> bool:
        """Whether one can write: yes."""
        return True

    def write(self, text: str) -> int:
        """Add to the log."""
        self._parts.append(text)
        self._size += len(text)
        if self._size > 2 * LOG_CHARACTERS:
            self._parts = [self.take()[-LOG_CHARACTERS:]]
            self._size = len(self._parts[0])
        return len(text)

    def take(self) -> str:
        """What was printed since the last time."""
        text, self._parts, self._size = "".join(self._parts), [], 0
        return text


def main() -> None:
    """Serve invocations until stdin ends; a handler that cannot be loaded fails the first one."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    log = Log()
    sys.stdout = sys.stderr = log
    _end_with_parent()
    _limit_memory()
    handler, problem = _load(os.environ["_HANDLER"])
    for line in sys.stdin:
        invocation = json.loads(line)
        answer: Payload = {"error": problem} if handler is None else _invoke(handler, invocation)
        if "error" in answer:
            answer["error"]["requestId"] = invocation["request_id"]
            log.write(_log_text(answer["error"]))
        answers.write(json.dumps({**answer, "log": log.take()}) + "\n")
        answers.flush()
        if handler is None:
            return


def _end_with_parent() -> None:
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _limit_memory() -> None:
    """Linux counts a process's data; elsewhere the limit has no effect."""
    limit = int(os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]) * 1024 * 1024 + MEMORY_BESIDE_THE_FUNCTION
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def _load(name: str) -> tuple[Handler | None, Payload | None]:
    """The handler, or what Lambda answers when it cannot be loaded."""
    sys.path[:0] = json.loads(os.environ.pop("_LOCAL_AWS_IMPORT_PATH"))
    module_name, _, function_name = name.replace("/", ".").rpartition(".")
    try:
        handler: Handler = getattr(importlib.import_module(module_name), function_name)
    except ImportError as error:
        return None, _payload("Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}")
    except SyntaxError as error:
        return None, _payload("Runtime.UserCodeSyntaxError", f"Syntax error in module '{module_name}': {error}")
    except AttributeError as error:
        if getattr(error, "name", None) != function_name:
            return None, _raised(error)
        told = f"Handler '{function_name}' missing on module '{module_name}'"
        return None, _payload("Runtime.HandlerNotFound", told)
    except BaseException as error:  # noqa: BLE001  (Lambda reports whatever a module raises)
        return None, _raised(error)
    return handler, None


def _payload(error_type: str, message: str, stack: list[str] | None = None) -> Payload:
    return {"errorMessage": message, "errorType": error_type, "requestId": "", "stackTrace": stack or []}


def _raised(error: BaseException) -> Payload:
    """An exception by its class's name, with the frames of the function's own code."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename != __file__ and "importlib" not in frame.filename]
    return _payload(type(error).__name__, str(error), traceback.format_list(own))


def _log_text(error: Payload) -> str:
    """What the runtime logs of an error."""
    lines = [f"[ERROR] {error['errorType']}: {error['errorMessage']}"]
    if error["stackTrace"]:
        lines += ["Traceback (most recent call last):", *(each.rstrip("\n") for each in error["stackTrace"])]
    return "\n".join(lines) + "\n"


def _invoke(handler: Handler, invocation: Payload) -> Payload:
    if invocation["trace_id"]:
        os.environ["_X_AMZN_TRACE_ID"] = invocation["trace_id"]
    try:
        result = handler(invocation["event"], _context(invocation))
    except Exception as error:  # noqa: BLE001  (Lambda reports whatever a handler raises)
        return {"error": _raised(error)}
    try:
        json.dumps(result)
    except (TypeError, ValueError) as error:
        return {"error": _payload("Runtime.MarshalError", f"Unable to marshal response: {error}")}
    return {"result": result}


def _context(invocation: Payload) -> Any:
    deadline = time.time() + invocation["timeout_seconds"]
    environment = os.environ
    return SimpleNamespace(
        aws_request_id=invocation["request_id"],
        function_name=environment["AWS_LAMBDA_FUNCTION_NAME"],
        function_version=environment["AWS_LAMBDA_FUNCTION_VERSION"],
        invoked_function_arn=invocation["function_arn"],
        memory_limit_in_mb=environment["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"],
        log_group_name=environment["AWS_LAMBDA_LOG_GROUP_NAME"],
        log_stream_name=environment["AWS_LAMBDA_LOG_STREAM_NAME"],
        identity=None,
        client_context=None,
        get_remaining_time_in_millis=lambda: max(0, int((deadline - time.time()) * 1000)),
    )


if __name__ == "__main__":
    main()

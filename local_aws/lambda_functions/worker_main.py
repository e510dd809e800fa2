"""What runs in a Lambda worker's process: one invocation per line on stdin, one answer per line on stdout.

Started as a script, with nothing of local AWS in its environment; it imports the standard library only.
"""

import contextlib
import importlib
import io
import json
import os
import re
import resource
import sys
import threading
import time
import traceback
from collections.abc import Callable
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

LOG_CHARACTERS = 262_144
MEMORY_BESIDE_THE_FUNCTION = 512 * 1024 * 1024
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html: 6 MB, and 100 bytes that Lambda adds to it.
MAXIMUM_RESULT_BYTES = 6 * 1024 * 1024 + 100
# Marks a Decimal, which Lambda's runtime writes as a number with all its digits.
NUMBER_MARK = "\0number\0"
NUMBER_MARK_IN_JSON = json.dumps(NUMBER_MARK)[1:-1]
NUMBER = re.compile(r'"\\u0000number\\u0000([^"]*)"')

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
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="surrogatepass")
    os.dup2(2, 1)
    log = Log()
    sys.stdout = sys.stderr = log
    _end_with_parent()
    _limit_memory()
    handler, problem = _load(os.environ["_HANDLER"])
    for line in sys.stdin:
        invocation = json.loads(line)
        request_id = invocation["request_id"]
        if handler is not None:
            text = _invoke(handler, invocation, request_id)
        else:
            assert problem is not None
            text = _error_text(problem, request_id)
        answers.write(f'{{{text}, "log": {json.dumps(log.take())}}}\n')
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
        message = f"Handler '{function_name}' missing on module '{module_name}'"
        return None, _payload("Runtime.HandlerNotFound", message)
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


def _invoke(handler: Handler, invocation: Payload, request_id: str) -> str:
    """The members of the answer, as JSON: the result, or the error that Lambda answers."""
    if invocation["trace_id"]:
        os.environ["_X_AMZN_TRACE_ID"] = invocation["trace_id"]
    try:
        result = handler(invocation["event"], _context(invocation))
    except Exception as error:  # noqa: BLE001  (Lambda reports whatever a handler raises)
        return _error_text(_raised(error), request_id)
    try:
        name, text = marshalled(result)
    except (TypeError, ValueError) as error:
        return _error_text(_payload("Runtime.MarshalError", f"Unable to marshal response: {error}"), request_id)
    if len(text) * 4 > MAXIMUM_RESULT_BYTES and len(text.encode("utf-8", "surrogatepass")) > MAXIMUM_RESULT_BYTES:
        message = f"Response payload size exceeded maximum allowed payload size ({MAXIMUM_RESULT_BYTES} bytes)."
        too_large = {"errorMessage": message, "errorType": "Function.ResponseSizeTooLarge"}
        return f'"error": {json.dumps(too_large)}'
    return f'"{name}": {text}'


def marshalled(result: Any) -> tuple[str, str]:
    """A result as Lambda's runtime for Python marshals it. Raises TypeError, ValueError.

    Bytes are the response itself; inside other values they are texts. Decimals are numbers. Source: awslambdaric.
    """
    if isinstance(result, bytes):
        text = result.decode()
        with contextlib.suppress(ValueError):
            return "result", json.dumps(json.loads(text), ensure_ascii=False)
        return "raw", json.dumps(text, ensure_ascii=False)
    text = json.dumps(result, ensure_ascii=False, default=_plain)
    return "result", NUMBER.sub(r"\1", text) if NUMBER_MARK_IN_JSON in text else text


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float("nan") if value.is_nan() else f"{NUMBER_MARK}{value}"
    if isinstance(value, bytes):
        return value.decode()
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def _error_text(error: Payload, request_id: str) -> str:
    """An error as a member of the answer; it is in the function's log as well, as Lambda's runtime writes it."""
    lines = [f"[ERROR] {error['errorType']}: {error['errorMessage']}"]
    if error["stackTrace"]:
        lines += ["Traceback (most recent call last):", *(each.rstrip("\n") for each in error["stackTrace"])]
    sys.stderr.write("\n".join(lines) + "\n")
    return f'"error": {json.dumps({**error, "requestId": request_id})}'


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
    # The script's own directory is no place for a function's modules.
    del sys.path[0]
    main()

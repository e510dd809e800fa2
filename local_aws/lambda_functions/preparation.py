"""Gets ready for a function's first invocation when its code is uploaded: the zygote of its workers starts then."""

import contextvars
import threading
from typing import Any

from ministack.services import lambda_svc as service

from local_aws.lambda_functions.worker import PythonWorker


def is_python(function: dict[str, Any]) -> bool:
    """Whether the function runs in this project's workers."""
    config = function.get("config") or function
    return bool(function.get("code_zip")) and str(config.get("Runtime", "")).startswith("python")


def prepare(name: str) -> None:
    """Start what the function's workers are forked from, beside the server's requests."""
    function = service._functions.get(name)
    if function is None or not is_python(function):
        return
    worker = PythonWorker(name, function["config"], function["code_zip"])
    threading.Thread(target=contextvars.copy_context().run, args=(worker.prepare,), daemon=True).start()

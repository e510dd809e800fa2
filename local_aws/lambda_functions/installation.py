"""Installs these workers instead of ministack's."""

import time
from typing import Any

from ministack.core import lambda_runtime
from ministack.services import lambda_svc

from local_aws.lambda_functions import concurrency, invocation_requests
from local_aws.lambda_functions.invocation_log import invocation_log
from local_aws.lambda_functions.preparation import is_python, prepare
from local_aws.lambda_functions.worker import PythonWorker
from local_aws.replacements import check, replace, require

_original: dict[str, Any] = {}


def install() -> None:
    """Replace the Python worker, how it ends, what an invocation returns, and the account's concurrency."""
    concurrency.install()
    invocation_requests.install()
    require(lambda_runtime, "_RESERVED_RUNTIME_ENV_VARS", "_account_region_from_function_config")
    require(lambda_svc, "_ensure_reaper_thread", "_resolve_layer_zip", "_xray_trace_id_for_invocation")
    check(
        lambda_runtime.Worker,
        "invoke",
        ("self", "event", "request_id", "trace_id", "depth", "durable", "invoked_function_arn"),
    )
    _original["worker_class"] = replace(lambda_runtime, "_worker_class_for", ("config",), worker_class)
    parameters = ("func", "event", "request_id")
    _original["kill_workers"] = replace(lambda_runtime, "kill_workers", ("workers",), retire_workers)
    _original["execute"] = replace(lambda_svc, "_execute_function_warm", parameters, execute)
    _original["create"] = replace(lambda_svc, "_create_function", ("data",), create_function)
    _original["update"] = replace(lambda_svc, "_update_code", ("name", "data"), update_code)


def worker_class(config: dict[str, Any]) -> Any:
    """Python functions have a worker of this project's."""
    if str(config.get("Runtime", "")).startswith("python"):
        return PythonWorker
    return _original["worker_class"](config)


def retire_workers(workers: Any) -> None:
    """End workers, but let a busy one finish its invocation: an update or a deletion of a function does not stop it."""
    idle = []
    with lambda_runtime._lock:
        for worker in workers:
            if isinstance(worker, PythonWorker) and worker.in_use:
                worker.is_retired = True
            else:
                idle.append(worker)
    _original["kill_workers"](idle)


def execute(func: dict[str, Any], event: Any, request_id: str) -> Any:
    """One invocation, with the payload of an error as Lambda answers it."""
    config = func.get("config") or func
    if not is_python(func):
        return _original["execute"](func, event, request_id)
    lambda_svc._ensure_reaper_thread()
    name, version = config["FunctionName"], config.get("Version", "$LATEST")
    started = time.monotonic()
    worker, _ = lambda_runtime.acquire_worker(name, config, func["code_zip"], qualifier=version)
    try:
        answer = worker.invoke(
            event,
            request_id,
            trace_id=lambda_svc._xray_trace_id_for_invocation(config),
            invoked_function_arn=config.get("FunctionArn", ""),
        )
    finally:
        lambda_runtime.release_worker(worker)
        if worker.is_retired:
            lambda_runtime.kill_workers([worker])
    return _response(answer, invocation_log(answer["log"], config, request_id, time.monotonic() - started))


def _response(answer: dict[str, Any], log: str) -> dict[str, Any]:
    """The answer as ministack passes it on; it takes a log of the source `rie` as it is."""
    result = {"log": log, "log_source": "rie"}
    if "error" in answer:
        return {**result, "body": answer["error"], "error": True}
    if "raw" in answer:
        return {**result, "body": answer["raw"], "raw_payload": True}
    return {**result, "body": answer["result"]}


def create_function(data: dict[str, Any]) -> Any:
    """CreateFunction."""
    answer = _original["create"](data)
    prepare(str(data.get("FunctionName")))
    return answer


def update_code(name: str, data: dict[str, Any]) -> Any:
    """UpdateFunctionCode, also of a stack."""
    answer = _original["update"](name, data)
    prepare(name)
    return answer

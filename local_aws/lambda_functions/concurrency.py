"""The account's Lambda concurrency: what functions share and reserve, and what throttles."""

import json
import os
from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import lambda_svc as service

from local_aws.launch import LAMBDA_CONCURRENCY
from local_aws.replacements import check, replace, require

Response = tuple[int, dict[str, str], bytes]

DEFAULT_QUOTA = 1000
# Reservations must leave this many executions to all other functions, or the whole quota where it is lower.
MINIMUM_UNRESERVED = 100

_original: dict[str, Any] = {}


def is_limited() -> bool:
    """Whether local AWS was started with a limit, beyond which an invocation throttles at once."""
    return LAMBDA_CONCURRENCY in os.environ


def quota() -> int:
    """How many executions of the account may run at a time."""
    return int(os.environ.get(LAMBDA_CONCURRENCY, DEFAULT_QUOTA))


def install() -> None:
    """Replace how an execution is admitted, and what tells and sets the account's concurrency."""
    require(service, "_functions", "_inflight", "_inflight_lock", "_reserved_concurrency", "_inflight_key")
    check(service, "_function_config_scope_mismatch", ("config",))
    if is_limited():
        replace(service, "_acquire_execution_slot", ("func", "config"), acquire_slot)
        replace(service, "_release_execution_slot", ("key",), release_slot)
    replace(service, "_throttle_response", ("reason_code", "msg", "retry_after"), throttled)
    _original["settings"] = replace(service, "_get_account_settings", (), account_settings)
    parameters = ("func_name", "data")
    _original["reserve"] = replace(service, "_put_function_concurrency", parameters, reserve)


def acquire_slot(func: dict[str, Any], config: dict[str, Any]) -> tuple[str | None, str | None]:
    """Admit an execution: its key, or None with the limit that it would exceed.

    A function with a reservation uses that and nothing else; the others share what is not reserved.
    """
    reserved = service._reserved_concurrency(func, config)
    key = service._inflight_key(config)
    inflight = service._inflight
    with service._inflight_lock:
        if reserved is not None:
            if inflight.get(key, 0) >= reserved:
                return None, "function"
        elif _unreserved_in_flight(key) >= unreserved():
            return None, "account"
        inflight[key] = inflight.get(key, 0) + 1
    return key, None


def release_slot(key: str | None) -> None:
    """An admitted execution has ended."""
    if key is None:
        return
    with service._inflight_lock:
        service._inflight[key] -= 1
        if not service._inflight[key]:
            del service._inflight[key]


def throttled(reason_code: str, msg: str, retry_after: int = 1) -> dict[str, Any]:
    """Lambda's answer to an invocation beyond a limit."""
    body = {
        "__type": "TooManyRequestsException",
        "Reason": reason_code,
        "Type": "User",
        "message": "Rate Exceeded.",
        "retryAfterSeconds": str(retry_after),
    }
    return {"throttle": True, "body": body, "error": True, "log": ""}


def unreserved() -> int:
    """How many executions functions without a reservation share."""
    return max(quota() - sum(_reservations().values()), 0)


def account_settings() -> Response:
    """GetAccountSettings."""
    status, headers, body = _original["settings"]()
    settings = json.loads(body)
    settings["AccountLimit"] |= {"ConcurrentExecutions": quota(), "UnreservedConcurrentExecutions": unreserved()}
    return status, headers, json.dumps(settings).encode()


def reserve(func_name: str, data: dict[str, Any]) -> Response:
    """PutFunctionConcurrency: refused when it leaves too little to the other functions."""
    others = sum(number for name, number in _reservations().items() if name != func_name)
    minimum = min(MINIMUM_UNRESERVED, quota())
    if func_name in service._functions and quota() - others - int(data["ReservedConcurrentExecutions"]) < minimum:
        message = (
            "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution "
            f"below its minimum value of [{minimum}]."
        )
        return error_response_json("InvalidParameterValueException", message, 400)  # type: ignore[no-any-return]
    return _original["reserve"](func_name, data)  # type: ignore[no-any-return]


def _reservations() -> dict[str, int]:
    """What each function of the account and region reserves."""
    found = {name: service._functions[name].get("concurrency") for name in list(service._functions)}
    return {name: int(number) for name, number in found.items() if number is not None}


def _unreserved_in_flight(key: str) -> int:
    """How many executions of functions without a reservation run in this function's account and region."""
    scope = key.rpartition(":")[0]
    reserving = {f"{scope}:{name}" for name in _reservations()}
    return sum(
        number
        for each, number in service._inflight.items()
        if each.rpartition(":")[0] == scope and each not in reserving
    )

"""Lambda functions as Task states call them."""

import contextlib
import json
import os
import secrets
import threading
import time
from collections.abc import Iterator
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import lambda_svc as service

from local_aws.faults import planned
from local_aws.lambda_functions.concurrency import is_limited
from local_aws.lambda_functions.invocation_log import log_result
from local_aws.lambda_functions.invocation_requests import payload_fault
from local_aws.stepfunctions.errors import state_error
from local_aws.stepfunctions.scope import Scope, compact_json
from local_aws.stepfunctions.sdk_metadata import optimised_cause, with_metadata

# Every invocation holds a Python process. State machines queue for them here, where AWS would start more: a
# laptop is slower, not faster, with fifty of them. Invoke is not limited, so functions may call functions.
# A local AWS that was started with a limit throttles instead, as AWS does.
CONCURRENT_INVOCATIONS = max(4, 2 * (os.cpu_count() or 1))
CHECK_SECONDS = 0.25

_slots = threading.BoundedSemaphore(CONCURRENT_INVOCATIONS)


@contextlib.contextmanager
def turn(resource: str, scope: Scope) -> Iterator[None]:
    """Hold one of the slots for an invocation; the wait for it is not part of the Task's time."""
    is_invocation = ":function:" in resource or resource.endswith(":lambda:invoke")
    if not is_invocation or is_limited():
        yield
        return
    while not _slots.acquire(timeout=CHECK_SECONDS):
        scope.run.check()
    try:
        yield
    finally:
        _slots.release()


def call_function(arn: str, given: Any) -> Any:
    """The result of the function whose ARN is the Task's resource. Raises StateError."""
    return _run(arn, given)[0].get("body")


def invoke_function(given: dict[str, Any]) -> dict[str, Any]:
    """`lambda:invoke`: the result as Payload, with what Invoke says beside it. Raises StateError."""
    reference = given.get("FunctionName", "")
    if given.get("Qualifier"):
        reference = f"{reference}:{given['Qualifier']}"
    result, version = _run(reference, _event(given.get("Payload")))
    payload = result.get("body")
    headers = {
        "Connection": "keep-alive",
        "X-Amz-Executed-Version": version,
        "x-amzn-Remapped-Content-Length": "0",
        "Content-Type": "application/json",
        "X-Amzn-Trace-Id": f"root=1-{int(time.time()):08x}-{secrets.token_hex(12)};sampled=0",
        "Content-Length": str(len(compact_json(payload).encode())),
    }
    answer = {"ExecutedVersion": version, "Payload": payload, "StatusCode": 200}
    if given.get("LogType") == "Tail":
        answer["LogResult"] = headers["X-Amz-Log-Result"] = log_result(result.get("log", ""))
    return with_metadata(dict(sorted(answer.items())), headers=headers)


def _event(payload: Any) -> Any:
    """A text is the payload itself, in JSON; without a payload the function gets an empty object. Raises StateError."""
    if payload is None:
        return {}
    if not isinstance(payload, str):
        return payload
    fault = payload_fault(payload)
    if fault is not None:
        code = "InvalidRequestContentException"
        raise state_error(f"Lambda.{code}", optimised_cause(fault, "AWSLambda", 400, code))
    return json.loads(payload)


def _run(reference: str, event: Any) -> tuple[dict[str, Any], str]:
    function, config, _ = service._get_func_record_for_ref(reference)
    if not function or not config:
        raise _not_found(reference)
    if planned.take("throttle", config["FunctionName"]):
        raise _throttled("Rate Exceeded.")
    record = service._execution_record_for_config(function, config)
    result: dict[str, Any] = service._execute_function_with_config_scope(record, event)
    if result.get("error"):
        raise _failure(result)
    return result, config.get("Version", "$LATEST")


def _failure(result: dict[str, Any]) -> Exception:
    """A function's exception has its class's name, with the payload as JSON for the cause."""
    body = result.get("body")
    if not isinstance(body, dict):
        return state_error("Lambda.Unknown", str(body))
    if result.get("throttle"):
        return _throttled(body.get("message", "Rate Exceeded."))
    error_type = body.get("errorType", "Lambda.Unknown")
    if error_type == "Runtime.ExitError":
        returned = compact_json({name: body[name] for name in ("errorType", "errorMessage") if name in body})
        return state_error(
            "Lambda.Unknown",
            "The cause could not be determined because Lambda did not return an error type. "
            f"Returned payload: {returned}",
        )
    return state_error(error_type, compact_json(body))


def _throttled(message: str) -> Exception:
    cause = optimised_cause(message, "AWSLambda", 429, "TooManyRequestsException")
    return state_error("Lambda.TooManyRequestsException", cause)


def _not_found(reference: str) -> Exception:
    arn = reference
    if not arn.startswith("arn:"):
        arn = f"arn:aws:lambda:{get_region()}:{get_account_id()}:function:{reference}"
    if arn.count(":") == 6:
        arn += ":$LATEST"
    cause = optimised_cause(f"Function not found: {arn}", "AWSLambda", 404, "ResourceNotFoundException")
    return state_error("Lambda.ResourceNotFoundException", cause)

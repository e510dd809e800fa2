"""JSONata as Step Functions evaluates it.

A compiled expression serves one thread at a time, and the next one after it. Plain paths through objects
(`$states.input.key`), which are most of what an ItemSelector holds, are followed without the engine.
"""

import contextlib
import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jsonata
from jsonata.utils import Utils
from ministack.services import stepfunctions as service

EVALUATION_SECONDS = 1.0
MAXIMUM_COMPILED = 512
PLAIN_PATH = re.compile(r"\$[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
UNSUPPORTED = "unsupported"

# Compiled expressions that no thread evaluates now.
_idle: dict[str, list[Any]] = {}


class EvaluationError(Exception):
    """An expression failed; the text is the cause's last sentence."""


class UndefinedError(EvaluationError):
    """An expression gave nothing."""


class UnsupportedTypeError(EvaluationError):
    """An expression returned something other than JSON, such as a function."""


def is_expression(value: Any) -> bool:
    """Whether a field's value is `{% ... %}`."""
    return isinstance(value, str) and value.startswith("{%") and value.endswith("%}")


def source_of(value: str) -> str:
    """The text between `{%` and `%}`."""
    return value[2:-2].strip()


def evaluate(expression: str, bindings: Mapping[str, Any]) -> Any:
    """The expression's value as plain JSON. Raises EvaluationError."""
    if PLAIN_PATH.fullmatch(expression):
        found = _follow(expression, bindings)
        if found is not None:
            return found
    return _run(expression, bindings)


def _follow(path: str, bindings: Mapping[str, Any]) -> Any:
    """The value at the end of a path that leads through objects only; None leaves it to the engine."""
    steps = path[1:].split(".")
    value: Any = bindings
    for step in steps:
        if not isinstance(value, dict):
            return None
        value = value.get(step)
    return value


def _run(expression: str, bindings: Mapping[str, Any]) -> Any:
    with _compiled(expression) as compiled:
        value = _value(compiled, bindings)
        if value is None:
            raise UndefinedError
        return _plain(value)


def _value(compiled: Any, bindings: Mapping[str, Any]) -> Any:
    _limit_time(compiled)
    jsonata.Jsonata.CURRENT.jsonata = compiled
    try:
        return compiled.evaluate(None, {name: _null_kept(value) for name, value in bindings.items()})
    except RecursionError as error:
        raise EvaluationError("Expression evaluation stack overflow") from error
    except EvaluationError:
        raise
    except Exception as error:
        raise EvaluationError(_message(error)) from error


def _null_kept(value: Any) -> Any:
    """The engine takes None for undefined at the top of a binding."""
    return Utils.NULL_VALUE if value is None else value


@contextlib.contextmanager
def _compiled(expression: str) -> Iterator[Any]:
    """A compiled expression that no other thread has. To compile takes longer than to evaluate."""
    idle = _idle.setdefault(expression, [])
    try:
        compiled = idle.pop()
    except IndexError:
        compiled = _compile(expression)
    try:
        yield compiled
    finally:
        idle.append(compiled)
        if len(_idle) > MAXIMUM_COMPILED:
            _idle.clear()


def _compile(expression: str) -> Any:
    compiled = jsonata.Jsonata.jsonata(expression)
    compiled.set_output_convert_nulls(False)
    for name, function in FUNCTIONS.items():
        compiled.register_lambda(name, function)
    return compiled


def _limit_time(compiled: Any) -> None:
    """Check the time at every hundredth step: the engine's own limit does at each.

    It is processor time, so that a busy machine fails no expression.
    """
    deadline = time.thread_time() + EVALUATION_SECONDS
    steps = 0

    def check(_expression: Any, _input: Any, _environment: Any) -> None:
        nonlocal steps
        steps += 1
        if steps % 100 == 0 and time.thread_time() > deadline:
            raise EvaluationError("Expression evaluation timeout")

    compiled.environment.set_evaluate_entry_callback(check)


def lookup(self: Any, name: str) -> Any:
    """The engine's search for a name through its frames, without recursion: it took a third of the time."""
    if name == "__evaluate_exit":
        return None
    frame = self
    while frame is not None:
        value = frame.bindings.get(name, Utils.NONE)
        if value is not Utils.NONE:
            return value
        frame = frame.parent
    return None


def _message(error: Exception) -> str:
    """jsonata-js leads with the error code and names neither line nor token."""
    code = getattr(error, "error", None)
    text = str(error)
    if not isinstance(code, str) or not code:
        return text
    return f"{code}: {text.removeprefix(code).lstrip(': ')}"


def _plain(value: Any) -> Any:
    if value is Utils.NULL_VALUE or value is None:
        return None
    if isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | range):
        return [_plain(item) for item in value]
    raise UnsupportedTypeError


def _range(start: float, end: float, step: float) -> Any:
    """A sequence, so that one value collapses to itself as on AWS."""
    return Utils.create_sequence_from_iter(service._sfn_jsonata_range(start, end, step))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "toMillis": service._sfn_jsonata_to_millis,
    "replace": service._sfn_jsonata_replace,
    "partition": service._sfn_jsonata_partition,
    "range": _range,
    "hash": service._sfn_jsonata_hash,
    "random": service._sfn_jsonata_random,
    "uuid": service._sfn_jsonata_uuid,
    "parse": service._sfn_jsonata_parse,
}

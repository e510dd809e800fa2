"""A Lambda worker as the server sees it: a process per concurrent invocation, kept for the next one."""

import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ministack.core import lambda_runtime as service
from ministack.core.responses import new_uuid

from local_aws.faults import kill_after_seconds
from local_aws.lambda_functions import zygotes
from local_aws.lambda_functions.forked_process import ForkedProcess
from local_aws.lambda_functions.packages import unpacked
from local_aws.lambda_functions.start_variables import TIME_ZONE, start_environment
from local_aws.lambda_functions.zygotes import ForkError
from local_aws.role_permissions import execution_credentials

SCRIPT = Path(__file__).with_name("worker_main.py")
READ_BYTES = 1 << 20
Process = subprocess.Popen[bytes] | ForkedProcess


class PythonWorker(service.Worker):  # type: ignore[misc]
    """Runs a Python function. An exception leaves it alive; a timeout or an init error does not."""

    _proc: Process | None
    _scratch: Path | None = None
    # Its function was updated or deleted during an invocation, which it finishes.
    is_retired = False

    def invoke(
        self,
        event: Any,
        request_id: str,
        *,
        trace_id: str | None = None,
        depth: Any = None,
        durable: Any = None,
        invoked_function_arn: str | None = None,
    ) -> dict[str, Any]:
        """Run one invocation: its result, or the payload that Lambda answers for its error."""
        with self._lock:
            process = self._proc
            is_cold = process is None or process.poll() is not None
            if process is None or is_cold:
                process = self._start()
            timeout = float(self.config.get("Timeout", 3))
            invocation = {
                "event": event,
                "request_id": request_id,
                "function_arn": invoked_function_arn or self.config.get("FunctionArn", ""),
                "timeout_seconds": timeout,
                "trace_id": trace_id,
            }
            answer = self._ask(process, json.dumps(invocation).encode() + b"\n", timeout)
            if answer is None:
                answer = {"error": self._timed_out(request_id, timeout), "log": ""}
            elif not answer:
                answer = {"error": self._exited(process, request_id), "log": ""}
            return {**answer, "cold_start": is_cold}

    def _ask(self, process: Process, line: bytes, timeout: float) -> dict[str, Any] | None:
        """The worker's answer; nothing when it took too long, an empty one when it ended."""
        assert process.stdin is not None
        assert process.stdout is not None
        deadline = time.monotonic() + timeout
        kill_at = kill_after_seconds(self.func_name)
        try:
            process.stdin.write(line)
            process.stdin.flush()
        except BrokenPipeError:
            return {}
        if kill_at is not None:
            time.sleep(kill_at)
            process.kill()
            if not kill_at:
                # The worker may have been faster: its answer is lost in any case.
                return {}
        received = bytearray()
        while not received.endswith(b"\n"):
            remaining = deadline - time.monotonic()
            if remaining <= 0 or not select.select([process.stdout], [], [], remaining)[0]:
                return None
            part = os.read(process.stdout.fileno(), READ_BYTES)
            if not part:
                return {}
            received += part
        return dict(json.loads(received))

    def _timed_out(self, request_id: str, timeout: float) -> dict[str, str]:
        self._discard()
        message = f"RequestId: {request_id} Error: Task timed out after {timeout:.2f} seconds"
        return {"errorMessage": message, "errorType": "Sandbox.Timedout"}

    def _exited(self, process: Process, request_id: str) -> dict[str, str]:
        code = process.wait()
        self._discard()
        how = "signal: killed" if code < 0 else f"exit status {code}"
        message = f"RequestId: {request_id} Error: Runtime exited with error: {how}"
        return {"errorMessage": message, "errorType": "Runtime.ExitError"}

    def _discard(self) -> None:
        process, self._proc = self._proc, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
        self._discard_tmpdir()

    def _discard_tmpdir(self) -> None:
        """Also called by ministack when it ends a worker."""
        if self._scratch is not None:
            _process_file(self._scratch).unlink(missing_ok=True)
            shutil.rmtree(self._scratch, ignore_errors=True)
            self._scratch = None

    def _spawn(self) -> None:
        """What ministack calls when it wants a worker to be warm."""
        self._start()

    def _start(self) -> Process:
        self._discard()
        self._scratch = Path(tempfile.mkdtemp(prefix=f"lambda-{self.func_name}-"))
        code, import_path = self._directories()
        environment = self._environment(code, import_path, self._scratch)
        process = self._proc = _started(code, import_path, environment)
        _process_file(self._scratch).write_text(str(process.pid))
        self._cold = False
        self._start_time = time.time()
        return process

    def prepare(self) -> None:
        """Start the zygote that the function's workers will be forked from."""
        code, import_path = self._directories()
        with contextlib.suppress(ForkError):
            zygotes.prepare(import_path, self._environment(code, import_path, Path(tempfile.gettempdir())))

    def _directories(self) -> tuple[Path, list[str]]:
        """The package's, and all that modules are imported from."""
        code = unpacked(self.code_zip)
        layers = [unpacked(data) for data in self._layers()]
        return code, [str(code), *(str(layer / "python") for layer in layers), *map(str, layers)]

    def _layers(self) -> list[bytes]:
        from ministack.services.lambda_svc import _resolve_layer_zip

        return [data for data in map(_resolve_layer_zip, self.config.get("Layers", [])) if data]

    def _environment(self, code: Path, import_path: list[str], scratch: Path) -> dict[str, str]:
        """What Lambda's runtime has, with AWS_ENDPOINT_URL as all that differs."""
        config = self.config
        _, region = service._account_region_from_function_config(config)
        name, version = config["FunctionName"], config.get("Version", "$LATEST")
        variables = config.get("Environment", {}).get("Variables", {})
        reserved = service._RESERVED_RUNTIME_ENV_VARS
        return {
            **start_environment(),
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{os.environ['GATEWAY_PORT']}",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
            **{key: value for key, value in variables.items() if key not in reserved},
            **execution_credentials(config),
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{config.get('Runtime', 'python')}",
            "AWS_LAMBDA_FUNCTION_NAME": name,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(config.get("MemorySize", 128)),
            "AWS_LAMBDA_FUNCTION_VERSION": version,
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": f"{time.strftime('%Y/%m/%d')}/[{version}]{new_uuid()}",
            "LAMBDA_TASK_ROOT": str(code),
            "_HANDLER": config.get("Handler", "index.handler"),
            "HOME": str(scratch),
            "TMPDIR": str(scratch),
            "TZ": TIME_ZONE,
            "_LOCAL_AWS_IMPORT_PATH": json.dumps(import_path),
        }


def _process_file(scratch: Path) -> Path:
    """Holds the process id of the worker with this directory: which process is which function's."""
    return scratch.with_name(f"{scratch.name}.pid")


def _started(code: Path, import_path: list[str], environment: dict[str, str]) -> Process:
    """A worker that is forked from a warm parent, or has an interpreter of its own where that would differ."""
    try:
        return zygotes.fork_worker(code, import_path, environment)
    except ForkError:
        return subprocess.Popen(
            [sys.executable, str(SCRIPT)],
            cwd=code,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

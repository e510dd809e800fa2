"""Local AWS for a project: started, found again and stopped by the file `.sluice/local.json`."""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local_aws.access.credentials import write_privately
from local_aws.access.origins import LOOPBACK
from local_aws.lifecycle import LocalAws, LocalAwsError, client_environment, is_running, start, stop
from sluice_cli.exit_code import CommandError, NotDeployedError
from sluice_cli.surroundings import Clock

STATE_DIRECTORY = ".sluice"
STATE_FILE = "local.json"
SAM_LOCAL_FILE = "sam-local.json"
NOTHING_RUNS = "local AWS is not running; start it with `sluice local up`"
LOOK_EVERY_SECONDS = 0.5


def find(root: Path) -> LocalAws | None:
    """The project's local AWS, when it runs."""
    try:
        state = json.loads((root / STATE_DIRECTORY / STATE_FILE).read_text())
        local = LocalAws(state["endpointUrl"], state["port"], state["pid"], Path(state["directory"]), state["region"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    return local if is_running(local) else None


def require(root: Path) -> LocalAws:
    """The project's local AWS. Raises NotDeployedError when none runs."""
    local = find(root)
    if local is None:
        raise NotDeployedError(NOTHING_RUNS)
    return _usable(local)


def _usable(local: LocalAws) -> LocalAws:
    """The same local AWS. Raises NotDeployedError when an earlier version started it, without credentials."""
    try:
        _ = local.credentials
    except LocalAwsError as error:
        raise NotDeployedError(f"{error}; start it again with `sluice local down` and `sluice local up`") from error
    return local


def up(
    root: Path,
    *,
    port: int | None = None,
    bind_host: str = LOOPBACK,
    outlive_caller: bool,
    fault_injection: bool = False,
    enforce_iam: bool = True,
    lambda_concurrency: int | None = None,
) -> tuple[LocalAws, bool]:
    """The project's local AWS, and whether this call started it. Raises CommandError."""
    with _only_one(root):
        running = find(root)
        if running:
            return _usable(running), False
        try:
            local = start(
                port=port,
                bind_host=bind_host,
                outlive_caller=outlive_caller,
                fault_injection=fault_injection,
                enforce_iam=enforce_iam,
                lambda_concurrency=lambda_concurrency,
            )
        except LocalAwsError as error:
            raise CommandError(str(error)) from error
        write_json(
            root / STATE_DIRECTORY / STATE_FILE,
            {
                "endpointUrl": local.endpoint_url,
                "port": local.port,
                "pid": local.pid,
                "directory": str(local.directory),
                "region": local.region,
            },
        )
        return local, True


def wait(local: LocalAws, clock: Clock) -> None:
    """Return when the server has ended."""
    while is_running(local):
        clock.sleep(LOOK_EVERY_SECONDS)


def down(root: Path) -> bool:
    """Stop the project's local AWS and forget it; whether one ran."""
    with _only_one(root):
        local = find(root)
        if local:
            stop(local)
        _forget(root)
    return local is not None


def end(root: Path, local: LocalAws) -> None:
    """Stop this server; forget it unless another one has taken its place."""
    stop(local)
    with _only_one(root):
        if find(root) is None:
            _forget(root)


def exports(local: LocalAws) -> list[str]:
    """The lines with which a shell's other tools use this local AWS. Its credentials have no session token."""
    environment = client_environment(local)
    lines = [
        "export " + " ".join(f"{name}={environment[name]}" for name in names)
        for names in (
            ("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION"),
            ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
        )
    ]
    return [*lines, "unset AWS_SESSION_TOKEN AWS_SECURITY_TOKEN"]


def write_json(path: Path, content: object) -> None:
    """Write a file that is never seen half written, and only by this user: it may hold credentials."""
    path.parent.mkdir(exist_ok=True)
    half = path.with_suffix(".new")
    write_privately(half, json.dumps(content, indent=2) + "\n")
    half.replace(path)


def _forget(root: Path) -> None:
    for name in (STATE_FILE, SAM_LOCAL_FILE):
        (root / STATE_DIRECTORY / name).unlink(missing_ok=True)


@contextmanager
def _only_one(root: Path) -> Iterator[None]:
    """Two commands at once must not both start a server."""
    directory = root / STATE_DIRECTORY
    directory.mkdir(exist_ok=True)
    with (directory / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield

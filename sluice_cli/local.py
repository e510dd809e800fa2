"""Local AWS for a project: started, found again and stopped by the file `.sluice/local.json`."""

import fcntl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from local_aws.access.origins import LOOPBACK
from local_aws.lifecycle import DataDirectoryError, LocalAws, LocalAwsError, client_environment, is_running, start, stop
from local_aws.run_directory import remove_if_abandoned
from local_aws.saved_state.directory import DataDirectory
from sluice_cli.exit_code import CommandError, NotDeployedError
from sluice_cli.local_state import STATE_DIRECTORY, STATE_FILE, Started, read
from sluice_cli.surroundings import Clock

SAM_LOCAL_FILE = "sam-local.json"
NOTHING_RUNS = "local AWS is not running; start it with `sluice local up`"
LOOK_EVERY_SECONDS = 0.5
# No option of a command: callers such as the demo ask for it.
WITHOUT_FAULTS = "without fault injection"


class Ending(Enum):
    """What `down` has found."""

    STOPPED = "stopped local AWS"
    REMOVED_REMAINS = "local AWS had ended without cleaning up; removed what it left behind"
    NOT_RUNNING = "local AWS is not running"


def find(root: Path) -> LocalAws | None:
    """The project's local AWS, when it runs."""
    started = read(root)
    return started.aws if started is not None and is_running(started.aws) else None


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


def _check_installed() -> None:
    """The command alone needs less than local AWS does."""
    if find_spec("ministack") is None:
        raise CommandError("local AWS is not installed; in Sluice's directory: pip install '.[local]'")


def up(
    root: Path,
    *,
    port: int | None = None,
    bind_host: str | None = None,
    outlive_caller: bool,
    fault_injection: bool = False,
    enforce_iam: bool = True,
    lambda_concurrency: int | None = None,
    data: Path | None = None,
) -> tuple[LocalAws, bool]:
    """The project's local AWS, and whether this call started it.

    Two calls at once take turns: the second one finds the server of the first one. Raises CommandError, also if one
    runs with other options than those that are given here.
    """
    wanted = {
        "port": port,
        "bind": bind_host,
        "lambdaConcurrency": lambda_concurrency,
        "data": None if data is None else str(data.resolve()),
        "faultInjection": fault_injection or None,
    }
    with _taking_turns(root):
        started = read(root)
        if started is not None and is_running(started.aws):
            _refuse_conflicts(started, wanted)
            return _usable(started.aws), False
        _clean_up(root, started)
        _check_installed()
        try:
            local = start(
                port=port,
                bind_host=bind_host or LOOPBACK,
                outlive_caller=outlive_caller,
                fault_injection=fault_injection,
                enforce_iam=enforce_iam,
                lambda_concurrency=lambda_concurrency,
                data=None if data is None else data.resolve(),
            )
        except LocalAwsError as error:
            raise CommandError(str(error)) from error
        defaults = {"bind": LOOPBACK, "faultInjection": False}
        given = {key: value for key, value in wanted.items() if value is not None}
        Started(local, dict.fromkeys(wanted) | defaults | given | {"port": local.port}).write(root)
        return local, True


def _refuse_conflicts(started: Started, wanted: Mapping[str, Any]) -> None:
    conflicts = started.conflicts(wanted)
    if not conflicts:
        return
    running = f"local AWS is already running at {started.aws.endpoint_url} {' and '.join(conflicts)}"
    if conflicts == [WITHOUT_FAULTS]:
        raise CommandError(f"{running}; stop it first with `sluice local down`")
    raise CommandError(f"{running}; omit the option to use it, or stop it with `sluice local down` and start it again")


def remarks(root: Path, *, is_new: bool) -> list[str]:
    """What to know about the project's local AWS beside its address: who can reach it, and what it keeps."""
    started = read(root)
    if started is None:
        return []
    notes = []
    bind_host = started.options.get("bind", LOOPBACK)
    if is_new and bind_host != LOOPBACK:
        notes.append(f"it listens on {bind_host}, too: whoever reaches it needs the credentials to use it")
    if started.aws.data is not None:
        try:
            notes += _data_remarks(DataDirectory(started.aws.data), is_new=is_new)
        except DataDirectoryError as error:
            notes.append(str(error))
    return notes


def _data_remarks(directory: DataDirectory, *, is_new: bool) -> list[str]:
    last = directory.snapshot()
    if last is None:
        return [f"it keeps its state in {directory.path}"]
    if not is_new:
        failure = directory.failure()
        remarks = [f"it keeps its state in {directory.path}, last saved at {last.saved_at}"]
        return remarks if failure is None else [*remarks, f"the last attempt to save failed: {failure}"]
    if not directory.is_after_loss():
        return [f"it has loaded the state of {last.saved_at} from {directory.path}"]
    return [
        f"it has loaded the state of {last.saved_at} from {directory.path}; "
        "the last local AWS ended without saving, and what changed after that time is lost"
    ]


def wait(local: LocalAws, clock: Clock) -> None:
    """Return when the server has ended."""
    while is_running(local):
        clock.sleep(LOOK_EVERY_SECONDS)


def down(root: Path) -> Ending:
    """Stop the project's local AWS and forget it. Raises CommandError if its state could not be saved."""
    with _taking_turns(root):
        started = read(root)
        if started is not None and is_running(started.aws):
            try:
                stop(started.aws)
            except LocalAwsError as error:
                raise CommandError(str(error)) from error
            finally:
                _forget(root)
            return Ending.STOPPED
        return Ending.REMOVED_REMAINS if _clean_up(root, started) else Ending.NOT_RUNNING


def end(root: Path, local: LocalAws) -> None:
    """Stop this server; forget it unless another one has replaced it. Raises CommandError as `down` does."""
    try:
        stop(local)
    except LocalAwsError as error:
        raise CommandError(str(error)) from error
    finally:
        with _taking_turns(root):
            if find(root) is None:
                _forget(root)


def _clean_up(root: Path, started: Started | None) -> bool:
    """Remove what a killed server left behind: its directory and the project's files; whether there was a directory."""
    _forget(root)
    return started is not None and remove_if_abandoned(started.aws.directory)


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


def _forget(root: Path) -> None:
    for name in (STATE_FILE, SAM_LOCAL_FILE):
        (root / STATE_DIRECTORY / name).unlink(missing_ok=True)


@contextmanager
def _taking_turns(root: Path) -> Iterator[None]:
    """Two commands at once must not both start a server."""
    directory = root / STATE_DIRECTORY
    directory.mkdir(exist_ok=True)
    with (directory / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield

"""`sluice local deploy`: bring the stack on local AWS up to date with the project's files, once or as they change."""

import fcntl
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from local_aws.lifecycle import LocalAws, is_running
from sluice_cli import deploy, local, local_build
from sluice_cli.aws import Aws, Target
from sluice_cli.exit_code import CommandError, ExitCode, NotDeployedError
from sluice_cli.local_state import STATE_DIRECTORY
from sluice_cli.packages import package
from sluice_cli.progress import duration_text
from sluice_cli.stack_update import StackUpdate
from sluice_cli.surroundings import Surroundings
from sluice_cli.where import explaining

WATCHED_FILES = ("template.yaml", "samconfig.toml")
WATCHED_FOLDERS = ("functions", "statemachines")
LOOK_EVERY_SECONDS = 0.2
LOCK_FILE = "deploy.lock"
# Path, time of the last change in nanoseconds, and size in bytes of each file.
Snapshot = frozenset[tuple[Path, int, int]]


def local_deploy(options: Namespace, surroundings: Surroundings) -> ExitCode:
    """Build and deploy the stack to local AWS; with --watch again after each change of a file."""
    aws = local.require(surroundings.root)
    target = Target(aws)
    with explaining(target):
        deployment = Deployment(surroundings, aws, surroundings.connect(target), options)
    if not options.watch:
        deployment.run()
        return ExitCode.SUCCEEDED
    try:
        deployment.watch()
    except KeyboardInterrupt:
        surroundings.say("no longer watching")
    return ExitCode.SUCCEEDED


@dataclass(frozen=True)
class Deployment:
    """A stack of the project on local AWS. `options` are those of the command line."""

    surroundings: Surroundings
    local: LocalAws
    aws: Aws
    options: Namespace

    def run(self) -> None:
        """Build and deploy what has changed. Raises CommandError."""
        with _taking_turns(self.surroundings), explaining(self.aws.target):
            self._build()
            self._deploy()
            file = deploy.write_sam_local(self.surroundings.root, self.aws, self.options.stack_name, self.local)
            self._show(f"wrote {file.relative_to(self.surroundings.root)}")

    def watch(self) -> None:
        """Deploy now, and again whenever files change; a failure is shown.

        Raises NotDeployedError when local AWS has ended.
        """
        say, sleep = self.surroundings.say, self.surroundings.clock.sleep
        seen: Snapshot | None = None
        while is_running(self.local):
            found = snapshot(self.surroundings.root)
            if found != seen:
                # An editor may still be writing.
                sleep(LOOK_EVERY_SECONDS / 4)
                seen = found if found == snapshot(self.surroundings.root) else None
                if seen is None:
                    continue
                self._run_or_say_why_not()
                say("watching for changes; Ctrl-C ends it")
            sleep(LOOK_EVERY_SECONDS)
        raise NotDeployedError("local AWS has ended")

    def _run_or_say_why_not(self) -> None:
        try:
            self.run()
        except CommandError as error:
            self.surroundings.say(f"sluice: {error}")

    def _build(self) -> None:
        environment = deploy.local_environment(self.surroundings.environment, self.local)
        since = self.surroundings.clock.now()
        outcome = local_build.build(self.surroundings.sam, self.surroundings.root, environment, self._show)
        self._say_after(since, outcome.value)

    def _deploy(self) -> None:
        since = self.surroundings.clock.now()
        name, region = self.options.stack_name, self.local.region
        parameters = deploy.stack_parameters(name, region, self.options.parameter)
        bucket = f"local-deployments-{deploy.ACCOUNT}-{region}"
        built = package(self.surroundings.root / local_build.BUILT_TEMPLATE, bucket)
        update = StackUpdate(self.aws, name, built, parameters, self.surroundings.clock, self._show)
        self._say_after(since, f"deployed {name}" if update.apply() else f"{name} is up to date")

    def _say_after(self, since: float, text: str) -> None:
        self.surroundings.say(f"{text} ({duration_text(self.surroundings.clock.now() - since)})")

    def _show(self, line: str) -> None:
        if self.options.verbose:
            self.surroundings.say(line)


def snapshot(root: Path) -> Snapshot:
    """The state of all files that a deployment is made of."""
    files = [root / name for name in WATCHED_FILES]
    files += [path for folder in WATCHED_FOLDERS for path in (root / folder).rglob("*")]
    return frozenset(_states([path for path in files if "__pycache__" not in path.parts]))


def _states(files: Sequence[Path]) -> Iterator[tuple[Path, int, int]]:
    for path in files:
        try:
            status = path.stat()
        except FileNotFoundError:
            continue
        if not path.is_dir():
            yield path, status.st_mtime_ns, status.st_size


@contextmanager
def _taking_turns(surroundings: Surroundings) -> Iterator[None]:
    """One deployment at a time. The lock ends with its process."""
    with (surroundings.root / STATE_DIRECTORY / LOCK_FILE).open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            surroundings.say("another `sluice local deploy` is running; waiting for it to end")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield

"""Which tests stay together when several workers run them."""

from __future__ import annotations

from pathlib import PurePosixPath

from xdist.scheduler import LoadScopeScheduling

WORKFLOW_TESTS = PurePosixPath("tests/local")


class ByModule(LoadScopeScheduling):  # type: ignore[misc]
    """A module's tests run on one worker, and all modules of a workflow: its Lambda functions start there alone."""

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)


def scope_of(nodeid: str) -> str:
    """What the test shares with others."""
    module = PurePosixPath(nodeid.partition("::")[0])
    if module.parent != WORKFLOW_TESTS:
        return str(module)
    return "_".join(module.stem.removeprefix("test_").split("_")[:2])

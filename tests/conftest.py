"""All tests: Hypothesis without time limits, one boto3 session, and how workers share the tests."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from moto.core.config import default_user_config

WORKFLOWS = Path(__file__).with_name("local")

# How long an example takes depends on what else the machine does.
settings.register_profile("sluice", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("sluice")
# A new session per test would read botocore's service models again each time.
default_user_config["core"]["reset_boto3_session"] = False


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """A worker per core, and at least two: while one waits, the other continues."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(2, cores or 1)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keeps together what is expensive to set up twice."""
    from tests.scheduling import ByModule

    return ByModule(config, log) if config.getoption("dist") == "loadscope" else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole workflows first, else in random order: they take longest, and no worker is to wait for one at the end."""
    items.sort(key=lambda item: item.path.parent != WORKFLOWS)

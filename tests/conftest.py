"""All tests: Hypothesis without time limits, one boto3 session, and one worker per core."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings
from moto.core.config import default_user_config

# How long an example takes depends on what else the machine does.
settings.register_profile("sluice", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("sluice")
# A new session per test would read botocore's service models again each time.
default_user_config["core"]["reset_boto3_session"] = False


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """A worker per core, and at least two: while one waits, the other goes on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(2, cores or 1)

"""`make e2e` on local AWS, so that it works on the day somebody runs it in an account."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e.__main__ import check
from e2e.report import has_passed, markdown
from e2e.site import Site
from sluice_cli.sandbox import empty_sandbox


@pytest.mark.long
def test_every_workflow_passes_and_nothing_is_left_behind(tmp_path: Path) -> None:
    with empty_sandbox(tmp_path, fault_injection=True) as empty:
        site = Site("sluice-e2e", empty.aws.region, empty.surroundings, empty.aws)
        left = check(site, keep=False)
        assert has_passed(site, left), markdown(site, left)

"""The check in an AWS account runs every workflow of the stack."""

from e2e.__main__ import CHECKS
from tests.statemachine.definitions import NAMES


def test_every_workflow_is_checked_in_an_account() -> None:
    words = {word for name, _ in CHECKS for word in name.replace(",", " ").split()}
    assert set(NAMES) <= words

"""Installs this package instead of ministack's queries."""

from local_aws.athena import operations


def install() -> None:
    """Replace the operations on queries."""
    operations.install()

"""Puts this package in the place of ministack's queries."""

from local_aws.athena import operations


def install() -> None:
    """Replace the operations on queries."""
    operations.install()

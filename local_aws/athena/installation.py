"""Puts this package in the place of ministack's queries."""

from local_aws.athena import operations, permissions


def install() -> None:
    """Replace the operations on queries, and what IAM takes them to be about."""
    operations.install()
    permissions.install()

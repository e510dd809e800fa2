"""Installs this package instead of ministack's continuous backups and exports."""

from local_aws.exports import continuous_backups, journal, operations, permissions


def install() -> None:
    """Replace what there is of point-in-time recovery and exports."""
    for replacement in (journal, continuous_backups, operations, permissions):
        replacement.install()

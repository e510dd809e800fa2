"""AWS on a laptop: ministack in a subprocess of its own, with what it lacks replaced."""

from local_aws.lifecycle import (
    DataDirectoryError,
    LocalAws,
    LocalAwsError,
    PortTakenError,
    StartFailedError,
    TemporaryDirectoryError,
    client_environment,
    is_running,
    running,
    start,
    stop,
)

__all__ = [
    "DataDirectoryError",
    "LocalAws",
    "LocalAwsError",
    "PortTakenError",
    "StartFailedError",
    "TemporaryDirectoryError",
    "client_environment",
    "is_running",
    "running",
    "start",
    "stop",
]

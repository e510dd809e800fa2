"""AWS on a laptop: ministack in a subprocess of its own, with what it lacks replaced."""

from local_aws.lifecycle import (
    LocalAws,
    LocalAwsError,
    PortTakenError,
    StartFailedError,
    client_environment,
    is_running,
    running,
    start,
    stop,
)

__all__ = [
    "LocalAws",
    "LocalAwsError",
    "PortTakenError",
    "StartFailedError",
    "client_environment",
    "is_running",
    "running",
    "start",
    "stop",
]

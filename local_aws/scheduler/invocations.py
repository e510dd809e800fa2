"""One occurrence of a schedule for its target: attempts, retries, and the end of them."""

import math
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any

MAXIMUM_RETRY_ATTEMPTS = 185
MAXIMUM_EVENT_AGE_SECONDS = 86_400
LONGEST_BACKOFF_SECONDS = 600.0

ScheduleKey = tuple[str, str, str]


class Exhausted(Enum):
    """Which limit of the retry policy ended the attempts."""

    ATTEMPTS = "MaximumRetryAttempts"
    AGE = "MaximumEventAgeInSeconds"


class TargetError(Exception):
    """The target was not reached, or refused the call."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def _new_id() -> str:
    return uuid.uuid4().hex[:16]


@dataclass
class Invocation:
    """What is delivered: a schedule as it was when it was due, found at an account, a region and a key."""

    key: ScheduleKey
    schedule: dict[str, Any]
    scheduled_at: float
    due_at: float
    attempts: int = 0
    execution_id: str = field(default_factory=_new_id)
    error: TargetError | None = None

    @property
    def target(self) -> dict[str, Any]:
        """The schedule's target."""
        target: dict[str, Any] = self.schedule["Target"]
        return target

    @property
    def scheduled_time(self) -> str:
        """When the schedule was due, as the keyword and the dead letter spell it."""
        return datetime.fromtimestamp(math.floor(self.scheduled_at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def begin_attempt(self) -> None:
        """Count one more attempt, which has an id of its own."""
        self.attempts += 1
        self.execution_id = _new_id()

    def input_text(self) -> str:
        """The target's input with its keywords replaced."""
        text = str(self.target.get("Input") or "{}")
        for keyword, value in (
            ("schedule-arn", self.schedule["Arn"]),
            ("scheduled-time", self.scheduled_time),
            ("execution-id", self.execution_id),
            ("attempt-number", str(self.attempts)),
        ):
            text = text.replace(f"<aws.scheduler.{keyword}>", value)
        return text

    def exhausted(self, now: float) -> Exhausted | None:
        """Which limit forbids a further attempt; the first one is always made."""
        if not self.attempts:
            return None
        if self.attempts > self._limit("MaximumRetryAttempts", MAXIMUM_RETRY_ATTEMPTS):
            return Exhausted.ATTEMPTS
        is_old = now - self.scheduled_at > self._limit("MaximumEventAgeInSeconds", MAXIMUM_EVENT_AGE_SECONDS)
        return Exhausted.AGE if is_old else None

    def fail(self, error: TargetError, now: float) -> None:
        """Keep why the attempt failed, and when there is to be another one: each waits twice as long."""
        self.error = error
        self.due_at = now + min(2.0 ** (self.attempts - 1), LONGEST_BACKOFF_SECONDS)

    def _limit(self, name: str, default: int) -> int:
        return int((self.target.get("RetryPolicy") or {}).get(name, default))

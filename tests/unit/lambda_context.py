"""A Lambda context with the time that a test gives it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Context:
    """What handlers use of Lambda's context object."""

    remaining_milliseconds: int = 900_000
    function_name: str = "function"
    memory_limit_in_mb: int = 1769
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:function"
    aws_request_id: str = "request"

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the invocation times out."""
        return self.remaining_milliseconds

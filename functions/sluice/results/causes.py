"""What a failed child's cause tells."""

from __future__ import annotations

import json


def message_of(cause: str | None) -> str | None:
    """Lambda's errorMessage where the cause is Lambda's JSON, else the cause as it is."""
    try:
        return str(json.loads(cause or "")["errorMessage"])
    except (ValueError, KeyError, TypeError):
        return cause

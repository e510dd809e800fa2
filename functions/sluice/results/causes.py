"""What a failed child's cause tells."""

from __future__ import annotations

import json


def message_of(cause: str | None) -> str | None:
    """Lambda's errorMessage where the cause is Lambda's JSON, else the cause as it is."""
    try:
        return str(json.loads(cause or "")["errorMessage"])
    except (ValueError, KeyError, TypeError):
        return cause


def told_by(cause: str | None) -> str:
    """The innermost message: a child of slices carries its progress beside it, others have Lambda's own JSON."""
    try:
        inner = json.loads(cause or "")["cause"]
    except (ValueError, KeyError, TypeError):
        inner = cause
    return message_of(inner) or ""

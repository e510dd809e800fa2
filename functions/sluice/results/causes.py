"""What a failed child's cause tells."""

from __future__ import annotations

import json
import re

# Step Functions cuts long causes, which are no JSON then. Whole characters and escapes only.
_ERROR_MESSAGE = re.compile(r'\{\s*"errorMessage":\s*"((?:[^"\\]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*)')


def message_of(cause: str | None) -> str | None:
    """Lambda's errorMessage where the cause is Lambda's JSON, whole or cut off, else the cause as it is."""
    try:
        return str(json.loads(cause or "")["errorMessage"])
    except (ValueError, KeyError, TypeError):
        found = _ERROR_MESSAGE.match(cause or "")
        return json.loads(f'"{found[1]}"', strict=False) if found else cause


def told_by(cause: str | None) -> str:
    """The innermost message: a child of slices carries its progress beside it, others have Lambda's own JSON."""
    try:
        inner = json.loads(cause or "")["cause"]
    except (ValueError, KeyError, TypeError):
        inner = cause
    return message_of(inner) or ""

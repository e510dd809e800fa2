"""DynamoDB's binary values, which are base64 in every text they come in."""

from __future__ import annotations

import base64
import re

from sluice.errors import RejectError
from sluice.rejects import Reason, quoted

_is_base64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?").fullmatch


def binary_text(text: str) -> str:
    """Base64 in its canonical spelling: the bits that padding leaves over are zero. Raises RejectError."""
    if not text or not _is_base64(text):
        raise RejectError(Reason.BINARY_INVALID, f"{quoted(text)} is not base64")
    return base64.b64encode(base64.b64decode(text)).decode()

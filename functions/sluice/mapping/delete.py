"""The marker that a transform returns to have an item deleted. User transforms import it from `transforms`."""

from __future__ import annotations

from enum import Enum
from typing import Final


class Delete(Enum):
    """The marker's type; there is one marker."""

    DELETE = "delete"


DELETE: Final = Delete.DELETE

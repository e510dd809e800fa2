"""What the functions take from their environment: read once, at import, and by name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from sluice.errors import SettingError


@dataclass(frozen=True, slots=True)
class Settings:
    """`data_bucket`: name of the bucket that holds what runs leave behind."""

    data_bucket: str

    @classmethod
    def from_env(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Read the settings; raises SettingError naming the variable that is missing."""
        return cls(data_bucket=_required(environment, "DATA_BUCKET"))


def _required(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name, "")
    if not value:
        raise SettingError(f"the environment variable {name} is not set")
    return value

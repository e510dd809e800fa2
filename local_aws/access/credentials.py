"""The credentials of a server's account: random, made for each start, in a file that only its user can read."""

import json
import os
import secrets
import string
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

CREDENTIALS_FILE = "credentials.json"
ACCESS_KEY_CHARACTERS = string.ascii_uppercase + "234567"
ACCESS_KEY = "AWS_ACCESS_KEY_ID"
SECRET_KEY = "AWS_SECRET_ACCESS_KEY"  # noqa: S105  (a variable's name)


@dataclass(frozen=True)
class RootCredentials:
    """What signs the calls of the account's owner, who may do anything."""

    access_key_id: str
    secret_access_key: str = field(repr=False)

    @classmethod
    def new(cls) -> Self:
        """Random credentials, of the form and length that AWS gives them."""
        access_key_id = "AKIA" + "".join(secrets.choice(ACCESS_KEY_CHARACTERS) for _ in range(16))
        return cls(access_key_id, secrets.token_urlsafe(30))

    @classmethod
    def read(cls, directory: Path) -> Self:
        """Those of the server with this directory. Raises FileNotFoundError."""
        return cls(**json.loads((directory / CREDENTIALS_FILE).read_text()))

    @classmethod
    def of_server(cls) -> Self:
        """Inside the server: its own."""
        return cls(os.environ[ACCESS_KEY], os.environ[SECRET_KEY])

    def write(self, directory: Path) -> None:
        """Store them for callers that look for the server later."""
        write_privately(directory / CREDENTIALS_FILE, json.dumps(asdict(self)))

    def environment(self) -> dict[str, str]:
        """The variables in which every AWS SDK looks for them."""
        return {ACCESS_KEY: self.access_key_id, SECRET_KEY: self.secret_access_key}


def write_privately(path: Path, text: str) -> None:
    """Write a file that only this user can read, also while it is written."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)

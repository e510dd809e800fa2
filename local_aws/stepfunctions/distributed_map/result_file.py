"""One result file while it grows: records on disk, as a JSON array or as JSON Lines."""

import tempfile
from pathlib import Path


class ResultFile:
    """Records appended one by one; not safe to use from several threads at a time."""

    def __init__(self, *, is_json_lines: bool) -> None:
        self._is_json_lines = is_json_lines
        self._file = tempfile.NamedTemporaryFile("wb", prefix="map-run-", delete=False)  # noqa: SIM115
        self._is_empty = True

    def append(self, text: str) -> None:
        """Add a record that is JSON already."""
        if self._is_json_lines:
            self._file.write(text.encode() + b"\n")
        else:
            self._file.write((b"[" if self._is_empty else b",") + text.encode())
        self._is_empty = False

    def close(self) -> Path:
        """The finished file."""
        if not self._is_json_lines:
            self._file.write(b"]")
        self._file.close()
        return Path(self._file.name)

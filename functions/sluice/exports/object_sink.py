"""Records into an object for analytics."""

from __future__ import annotations

from typing import Self

from sluice.errors import RejectError
from sluice.exports.gzip_upload import GzipUpload
from sluice.exports.object_lines import Render
from sluice.exports.tally import Portion, Tally


class ObjectSink:
    """One object of the lines that records become by `render`; without lines there is none."""

    def __init__(self, render: Render, upload: GzipUpload, tally: Tally) -> None:
        self._render = render
        self._upload = upload
        self._tally = tally
        self._has_lines = False

    def take(self, portion: Portion) -> None:
        """Write the records' lines. Raises AccessDeniedError, ServiceUnavailableError, SourceNotFoundError."""
        lines = []
        for row, line in zip(portion.rows, portion.lines, strict=True):
            try:
                text = self._render(line)
            except RejectError as error:
                self._tally.refuse(row, line, error)
                continue
            lines.append(text)
            self._tally.written += bool(text)
            self._tally.skipped += not text
        if text := b"".join(lines):
            self._has_lines = True
            self._upload.write(text)

    def flush(self) -> None:
        """Nothing is on its way."""

    def commit(self) -> None:
        """Let the object be seen."""
        if self._has_lines:
            self._upload.complete()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._upload.abort()

"""Lines of an object as they stand in it, found at the speed of C."""

from __future__ import annotations

from collections.abc import Iterator

from sluice.errors import SourceMalformedError
from sluice.reading.object_stream import SourceStream

CHUNK_BYTES = 512 << 10
# Two images of 400 KB in DynamoDB JSON have at most half of this.
LINE_MAX_BYTES = 16 << 20


def line_blocks(stream: SourceStream, multiple: int = 1) -> Iterator[list[bytes]]:
    """The lines to the stream's end without their newlines, in blocks of about a chunk.

    Blocks hold a multiple of `multiple` lines where a chunk has that many; the last one what is left.
    Raises SourceMalformedError for a line that no record can be.
    """
    lines: list[bytes] = []
    rest = b""
    while chunk := stream.read(CHUNK_BYTES):
        lines += (rest + chunk).split(b"\n")
        rest = lines.pop()
        if len(rest) > LINE_MAX_BYTES:
            raise SourceMalformedError(f"a line has more than {LINE_MAX_BYTES:,} bytes")
        kept = len(lines) % multiple if len(lines) >= multiple else 0
        if len(lines) > kept:
            yield lines[: len(lines) - kept]
            lines = lines[len(lines) - kept :]
    if rest:
        lines.append(rest)
    if lines:
        yield lines

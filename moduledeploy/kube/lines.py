"""Cut a byte stream into lines, whatever the sizes of its chunks."""

from __future__ import annotations

from typing import Final

import attrs

# An object is at most 1.5 MiB in etcd and some times that as JSON; more than this is no watch any more.
MAX_LINE_BYTES: Final = 16 * 2**20


class LineTooLong(Exception):
    """Raised when a line exceeds the limit; the stream is of no further use."""


@attrs.define
class LineSplitter:
    """Collects chunks and hands out complete lines, without their ends; a last line without an end is never handed out.

    A cut connection leaves half a line behind: half an object is not data. Lines that came whole are views into their chunk,
    not copies: at 6 KB an object, copying costs half of what reading does.
    """

    limit: int = MAX_LINE_BYTES
    _parts: list[bytes] = attrs.field(factory=list, init=False)
    _size: int = attrs.field(default=0, init=False)

    def feed(self, chunk: bytes) -> list[bytes | memoryview]:
        """Take a chunk, give the lines that are complete now; raises LineTooLong."""
        end = chunk.find(b"\n")
        if end < 0:
            self._keep(chunk)
            return []
        lines: list[bytes | memoryview] = []
        begin = 0
        if self._parts:
            lines.append(b"".join((*self._parts, chunk[:end])))
            self._parts.clear()
            self._size = 0
            begin, end = end + 1, chunk.find(b"\n", end + 1)
        view = memoryview(chunk)
        while end >= 0:
            if end > begin:
                lines.append(view[begin:end])
            begin, end = end + 1, chunk.find(b"\n", end + 1)
        self._keep(chunk[begin:])
        return lines

    def _keep(self, part: bytes) -> None:
        if not part:
            return
        self._parts.append(part)
        self._size += len(part)
        if self._size > self.limit:
            raise LineTooLong(f"a line of more than {self.limit} bytes")

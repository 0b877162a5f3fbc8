"""HTTP requests as Arklet's Netty pipeline reads them, without I/O: bytes in, events out."""

from __future__ import annotations

import re
from typing import Final

import attrs

LARGEST_BODY: Final = 1024 * 1024  # Netty's aggregator in Arklet; a larger body is refused
_LARGEST_HEAD: Final = 16 * 1024
_REQUEST_LINE: Final = re.compile(rb"([A-Z]+) (\S+) HTTP/1\.[01]\r?")


@attrs.frozen
class Request:
    """A complete request; a request line that can't be read has no method."""

    method: str
    path: str = ""
    body: bytes = b""


@attrs.frozen
class Continue:
    """The client waits for `100 Continue` before it sends the body."""


@attrs.frozen
class Oversized:
    """The body is larger than allowed; its bytes are skipped."""


Event = Request | Continue | Oversized


@attrs.define
class RequestParser:
    """Turns the bytes of one connection into events; several requests may follow each other."""

    _buffer: bytearray = attrs.field(factory=bytearray)
    _head: Request | None = None
    _body: bytearray = attrs.field(factory=bytearray)
    _left: int | None = (
        None  # bytes of the body, or of the current chunk, still to come; None before a chunk's size line
    )
    _is_chunked: bool = False
    _is_oversized: bool = False

    def feed(self, data: bytes) -> None:
        """Take in what was received."""
        self._buffer += data

    def next_event(self) -> Event | None:
        """The next event, None while more bytes are needed."""
        if self._head is None:
            return self._read_head()
        return self._read_chunks() if self._is_chunked else self._read_plain()

    def _read_head(self) -> Event | None:
        line, newline, _ = self._buffer.partition(b"\n")
        found = _REQUEST_LINE.fullmatch(line)
        if (newline and not found) or len(line) > _LARGEST_HEAD:
            self._buffer.clear()
            return Request("")
        end = re.search(rb"\r?\n\r?\n", self._buffer)
        if found is None or end is None:
            return None
        head, self._buffer = bytes(self._buffer[: end.start()]), self._buffer[end.end() :]
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (row.partition(b":") for row in head.split(b"\n")[1:])
        }
        length = headers.get(b"content-length", b"0")
        self._head = Request(found[1].decode(), found[2].decode(errors="replace").split("?")[0])
        self._is_chunked = headers.get(b"transfer-encoding", b"").lower() == b"chunked"
        self._left = None if self._is_chunked else int(length) if length.isdigit() else 0
        self._body, self._is_oversized = bytearray(), False
        if self._left is not None and self._left > LARGEST_BODY:
            return self._refuse()
        return Continue() if headers.get(b"expect", b"").lower() == b"100-continue" else self.next_event()

    def _read_plain(self) -> Event | None:
        self._take()
        return None if self._left else self._finish()

    def _read_chunks(self) -> Event | None:
        while True:
            if self._left is None:
                size, newline, rest = self._buffer.partition(b"\n")
                if not newline:
                    return None
                if not re.fullmatch(rb"[0-9a-fA-F]+\s*(;.*)?", size):
                    self._buffer.clear()
                    self._head = None
                    return Request("")
                self._buffer, self._left = rest, int(size.split(b";")[0], 16)
                if self._left == 0:
                    return self._end_chunks()
            self._take()
            if not self._is_oversized and len(self._body) > LARGEST_BODY:
                return self._refuse()
            if self._left or b"\n" not in self._buffer:
                return None
            self._buffer = self._buffer.partition(b"\n")[2]
            self._left = None

    def _end_chunks(self) -> Event | None:
        line, newline, rest = self._buffer.partition(b"\n")
        if not newline:
            self._buffer, self._left = bytearray(b"0\r\n" + self._buffer), None
            return None
        self._buffer = rest
        if line.strip():  # a trailer
            self._left = 0
            return self._end_chunks()
        return self._finish()

    def _take(self) -> None:
        taken = self._buffer[: self._left]
        self._left = (self._left or 0) - len(taken)
        self._buffer = self._buffer[len(taken) :]
        if not self._is_oversized:
            self._body += taken

    def _refuse(self) -> Oversized:
        self._is_oversized = True
        self._body = bytearray()
        return Oversized()

    def _finish(self) -> Event | None:
        head, self._head = self._head, None
        if head is None or self._is_oversized:
            return self.next_event()
        return attrs.evolve(head, body=bytes(self._body))

"""HTTP requests as Arklet's Netty pipeline reads them, without I/O: bytes in, events out.

Netty is laxer than HTTP: line ends, blanks and versions hardly matter, and a head or a chunk that it can't read makes a request
of what it had until then, without the rest of the body.  Only of a request line that it can't read no request is made.
"""

from __future__ import annotations

import re
from typing import Final

import attrs

LARGEST_BODY: Final = 1024 * 1024  # Netty's aggregator in Arklet; a larger body is refused
_LONGEST_LINE: Final = 4096  # HttpObjectDecoder's defaults
_LARGEST_HEAD: Final = 8192
_LARGEST_LENGTH: Final = 2**63 - 1
_BEFORE_A_REQUEST: Final = bytes([*range(0x21), 0x7F])
_REQUEST_LINE: Final = re.compile(rb"([^ \t\v\f]+)[ \t\v\f]+([^ \t\v\f]+)[ \t\v\f]+\S+/\d{1,9}\.(\d{1,9})[ \t\v\f]*\r?")
_VERSION_1_0: Final = re.compile(rb"[hH][tT][tT][pP]/1\.0\s*$")
_HEADER: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*?)[ \t]*")
_CHUNK_SIZE: Final = re.compile(rb"[ \t]*0*([0-7]?[0-9a-fA-F]{1,7})(?:[;\x00-\x20\x7f].*)?", re.DOTALL)


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
class ExpectationFailed:
    """The client waits for something else, which it won't get; what it sends next is a new request."""


@attrs.frozen
class Oversized:
    """The body is larger than allowed; its bytes are skipped, or the connection ends."""

    is_last: bool = False


Event = Request | Continue | ExpectationFailed | Oversized


@attrs.frozen(kw_only=True)
class _Head:
    """A request without its body."""

    method: str
    path: str
    is_1_0: bool
    headers: dict[bytes, list[bytes]] = attrs.field(factory=dict)
    is_readable: bool = True  # whether all header lines were

    def values(self, name: bytes) -> list[bytes]:
        """The comma-separated values of a header, in lower case."""
        return [part.strip().lower() for value in self.headers.get(name, []) for part in value.split(b",")]

    @property
    def is_chunked(self) -> bool:
        return b"chunked" in self.values(b"transfer-encoding")

    @property
    def is_kept_alive(self) -> bool:
        wanted = self.values(b"connection")
        return b"keep-alive" in wanted if self.is_1_0 else b"close" not in wanted

    def length(self) -> int | None:
        """The length of the body, None where it isn't told in a way that Netty accepts."""
        found = self.headers.get(b"content-length", [])
        if not found:
            return 0
        if len(found) > 1 or not (digits := re.fullmatch(rb"0*(\d{1,19})", found[0])):
            return None
        return number if (number := int(digits[1])) <= _LARGEST_LENGTH else None


@attrs.define
class RequestParser:
    """Turns the bytes of one connection into events; several requests may follow each other."""

    _buffer: bytearray = attrs.field(factory=bytearray)
    _head: _Head | None = None
    _body: bytearray = attrs.field(factory=bytearray)
    _left: int | None = None  # bytes of the body, or of a chunk, still to come; None before a chunk's size line
    _is_after_chunk: bool = False  # the end of its line is still to come
    _is_in_trailer: bool = False
    _is_oversized: bool = False

    def feed(self, data: bytes) -> None:
        """Take in what was received."""
        self._buffer += data

    def next_event(self) -> Event | None:
        """The next event, None while more bytes are needed."""
        if self._head is None:
            return self._read_head()
        return self._read_chunks() if self._head.is_chunked else self._read_plain()

    def _read_head(self) -> Event | None:
        self._buffer = self._buffer.lstrip(_BEFORE_A_REQUEST)
        line, newline, rest = self._buffer.partition(b"\n")
        if len(line.rstrip(b"\r")) > _LONGEST_LINE:
            return self._give_up(Request(""))
        if not newline:
            return None
        found = _REQUEST_LINE.fullmatch(line)
        if found is None:
            return self._give_up(Request(""))
        end = re.search(rb"(^|\n)\r?\n", rest)
        block = bytes(rest[: end.start()] if end else rest)
        if end is None and len(block) <= _LARGEST_HEAD:
            return None
        head = _head(found, block)
        if not head.is_readable or (not head.is_chunked and head.length() is None):
            return self._give_up(Request(head.method, head.path))
        self._buffer = rest[end.end() if end else len(rest) :]
        return self._begin(head)

    def _begin(self, head: _Head) -> Event | None:
        length = head.length() or 0
        self._body, self._is_oversized, self._is_after_chunk, self._is_in_trailer = bytearray(), False, False, False
        is_too_large = not head.is_chunked and length > LARGEST_BODY
        expected = None if head.is_1_0 else head.headers.get(b"expect", [None])[0]
        if expected is not None and expected.lower() != b"100-continue":
            return ExpectationFailed()
        if expected is not None and is_too_large:
            return Oversized()  # who waits sends no body
        self._head, self._left = head, None if head.is_chunked else length
        if is_too_large:
            self._is_oversized = True
            return Oversized(is_last=not head.is_kept_alive)
        return self.next_event() if expected is None else Continue()

    def _read_plain(self) -> Event | None:
        self._take()
        return None if self._left else self._finish()

    def _read_chunks(self) -> Event | None:
        while True:
            if self._left:
                self._take()
                if len(self._body) > LARGEST_BODY:
                    return self._give_up(Oversized(is_last=True))
                if self._left:
                    return None
            line, newline, rest = self._buffer.partition(b"\n")
            if not newline:
                return None
            self._buffer = rest
            if self._is_after_chunk:  # whatever stands there
                self._is_after_chunk = False
            elif self._is_in_trailer:
                if not line.strip():
                    return self._finish()
            elif len(line) <= _LONGEST_LINE and (size := _CHUNK_SIZE.fullmatch(line)):
                self._left = int(size[1], 16)
                self._is_after_chunk, self._is_in_trailer = self._left > 0, self._left == 0
            else:
                return self._finish()

    def _take(self) -> None:
        taken = self._buffer[: self._left]
        self._left = (self._left or 0) - len(taken)
        self._buffer = self._buffer[len(taken) :]
        if not self._is_oversized:
            self._body += taken

    def _finish(self) -> Event | None:
        head, self._head = self._head, None
        if head is None or self._is_oversized:
            return self.next_event()
        return Request(head.method, head.path, bytes(self._body))

    def _give_up(self, event: Event) -> Event:
        """What follows can't be told apart any more, and isn't looked at."""
        self._buffer.clear()
        self._head = None
        return event


def _head(line: re.Match[bytes], block: bytes) -> _Head:
    method, uri = line[1].decode(errors="replace"), line[2].decode(errors="replace")
    path = re.split(r"[?#]", uri, maxsplit=1)[0]
    is_1_0 = _VERSION_1_0.search(line[0]) is not None
    headers: dict[bytes, list[bytes]] = {}
    values: list[bytes] = []
    rows = [row.rstrip(b"\r") for row in block.split(b"\n")] if block else []
    is_readable = sum(map(len, rows)) <= _LARGEST_HEAD
    for row in rows:
        if row[:1] in (b" ", b"\t") and values:
            values[-1] += b" " + row.strip()
            continue
        if (found := _HEADER.fullmatch(row)) is None:
            is_readable = False
            break
        values = headers.setdefault(found[1].lower(), [])
        values.append(found[2])
    return _Head(method=method, path=path, is_1_0=is_1_0, headers=headers, is_readable=is_readable)

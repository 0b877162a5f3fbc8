"""Who we are to an API server and how to reach it, kept fresh while files and tokens change underneath."""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING, Final, Protocol

import anyio
import attrs

if TYPE_CHECKING:
    from moduledeploy.runtime.clock import Clock

# client-go re-reads projected tokens once a minute; the kubelet renews them at 80 % of an hour.
_TOKEN_FILE_AGE_S: Final = 60.0


class TokenSource(Protocol):
    """Where the Authorization header comes from."""

    async def authorization(self) -> str | None:
        """Header value that is valid now, or None for a server that asks for none."""

    async def refresh(self) -> None:
        """Try to get a new one: the server has refused the old."""


class NoToken:
    """For servers that ask for none, or know us by our certificate."""

    async def authorization(self) -> str | None:
        """Send no header."""
        return None

    async def refresh(self) -> None:
        """There is nothing to renew."""


@attrs.frozen
class FixedToken:
    """A header that stays as it is, such as a token written into a kubeconfig."""

    value: str

    async def authorization(self) -> str | None:
        """Send it."""
        return self.value

    async def refresh(self) -> None:
        """It can't be renewed."""


@attrs.define
class FileToken:
    """A bearer token in a file that somebody else renews: read again every minute and when the server refused it."""

    path: str
    clock: Clock
    _token: str = attrs.field(default="", init=False)
    _read_at: float = attrs.field(default=float("-inf"), init=False)

    async def authorization(self) -> str | None:
        """Send the file's content, at most a minute old."""
        if self.clock.monotonic() - self._read_at > _TOKEN_FILE_AGE_S:
            await self._read()
        return f"Bearer {self._token}"

    async def refresh(self) -> None:
        """Read the file now."""
        await self._read()

    async def _read(self) -> None:
        try:
            text = (await anyio.Path(self.path).read_text(encoding="utf-8")).strip()
        except OSError:
            # In the middle of the kubelet's symlink swap, or a full node: the old token is most likely still good.
            if not self._token:
                raise
            return
        self._token = text or self._token
        self._read_at = self.clock.monotonic()


@attrs.frozen(kw_only=True)
class TlsFiles:
    """Certificates by file name, so that a replaced file can be noticed and loaded."""

    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    is_verified: bool = True

    def context(self) -> ssl.SSLContext:
        """Read the files; raises OSError or ssl.SSLError when they don't fit."""
        context = ssl.create_default_context(cafile=self.ca_file)
        if not self.is_verified:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        # Python 3.13 refuses authorities without key identifiers. Many clusters have such, and Go takes them.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if self.cert_file:
            context.load_cert_chain(self.cert_file, self.key_file)
        return context

    def fingerprint(self) -> tuple[tuple[int, int], ...]:
        """What changes when a file is replaced: (mtime in ns, inode) of each."""
        return tuple(_stamp(path) for path in (self.ca_file, self.cert_file, self.key_file) if path)


def _stamp(path: str) -> tuple[int, int]:
    try:
        stat = os.stat(path)
    except OSError:
        return (0, 0)
    return (stat.st_mtime_ns, stat.st_ino)


@attrs.frozen(kw_only=True)
class Credentials:
    """One API server as this process may talk to it; `namespace` is the one to use when nobody names one."""

    host: str
    token: TokenSource = attrs.field(factory=NoToken)
    tls: TlsFiles | None = None
    server_hostname: str | None = None
    proxy: str | None = None
    namespace: str = "default"

"""The certificate that this process serves with, read anew when its files change."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs
import structlog

if TYPE_CHECKING:
    from moduledeploy.runtime.clock import Clock
    from moduledeploy.runtime.metrics import CertificateMetrics

_log: Final = structlog.get_logger()
_LOOK_EVERY_S: Final = 10.0


@attrs.define
class ServingCertificate:
    """tls.crt and tls.key of a folder, as a Secret is mounted; new connections get what `watch` read last.

    Raises OSError or ssl.SSLError when they can't be read at first. Later a pair that can't be read is logged, and the old one
    stays: between the writes of two files they don't match.
    """

    folder: Path
    clock: Clock
    metrics: CertificateMetrics
    context: ssl.SSLContext = attrs.field(init=False)
    _seen: tuple[int, ...] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._seen = self._stamp()
        self._load()

    async def watch(self) -> None:
        """Look every ten seconds, until cancelled."""
        while True:
            await self.clock.sleep(_LOOK_EVERY_S)
            self.look()

    def look(self) -> None:
        """Read the files if they are not those that were read."""
        try:
            stamp = self._stamp()
            if stamp != self._seen:
                self._load()
                self._seen = stamp
                _log.info("serving certificate read anew", folder=str(self.folder))
        except (OSError, ssl.SSLError) as error:
            self.metrics.errors.inc()
            _log.warning("serving certificate can't be read, the old one stays", error=str(error))

    def _load(self) -> None:
        pair = self.folder / "tls.crt", self.folder / "tls.key"
        # Tried out first: a pair that doesn't match would leave the context in use with half of it.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*pair)
        self.context.load_cert_chain(*pair)
        self.metrics.read.inc()

    def _stamp(self) -> tuple[int, ...]:
        """What changes with the files; a mounted Secret swaps a symlink, so the inodes do."""
        found = [(self.folder / name).stat() for name in ("tls.crt", "tls.key")]
        return tuple(value for one in found for value in (one.st_ino, one.st_mtime_ns, one.st_size))

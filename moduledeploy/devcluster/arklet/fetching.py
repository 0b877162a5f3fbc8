"""Download of a module from this machine: the only URLs a simulated base really opens."""

from __future__ import annotations

import io
import ipaddress
import zipfile
from typing import Final
from urllib.parse import urljoin, urlsplit

import aiohttp

from moduledeploy.devcluster.arklet.faults import JarFault

# The JVM itself has no limit; a test server may be forgotten.
_LONGEST_DOWNLOAD: Final = aiohttp.ClientTimeout(total=3600)
_LARGEST_JAR: Final = 64 * 1024 * 1024
_MOST_REDIRECTS: Final = 20  # as the JVM's HttpURLConnection


def is_loopback(url: str) -> bool:
    """Whether a URL's host is this machine's loopback, by name or address."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def read_manifest(url: str) -> dict[str, str]:
    """The attributes of the jar's manifest; raises `JarFault` with the JVM's own text."""
    data = await _download(url)
    if not data:
        raise JarFault("java.util.zip.ZipException: zip file is empty")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            text = archive.read("META-INF/MANIFEST.MF").decode()
    except KeyError:
        return {}
    except (zipfile.BadZipFile, UnicodeDecodeError) as error:
        raise JarFault("java.util.zip.ZipException: zip END header not found") from error
    # A line that begins with a blank continues the last.
    lines = text.replace("\r\n", "\n").replace("\n ", "").split("\n")
    return {key.strip(): value.strip() for key, colon, value in (line.partition(":") for line in lines) if colon}


async def _download(url: str) -> bytes:
    try:
        async with aiohttp.ClientSession(timeout=_LONGEST_DOWNLOAD) as session:
            for _ in range(_MOST_REDIRECTS):
                async with session.get(url, allow_redirects=False) as response:
                    if not 300 <= response.status < 400:
                        return await _body(url, response)
                    target = urljoin(url, response.headers.get("Location", ""))
                if urlsplit(target).scheme != "http" or not is_loopback(target):
                    raise JarFault(f"java.net.ConnectException: {target} is not on this machine's loopback")
                url = target
    except aiohttp.ClientConnectorError as error:
        raise JarFault("java.net.ConnectException: Connection refused") from error
    except aiohttp.ClientPayloadError as error:  # the JVM takes what came for the whole
        raise JarFault("java.util.zip.ZipException: zip END header not found") from error
    except (aiohttp.ClientError, TimeoutError) as error:
        raise JarFault(f"java.io.IOException: {error or 'Premature EOF'}") from error
    raise JarFault(f"java.net.ProtocolException: Server redirected too many  times ({_MOST_REDIRECTS})")


async def _body(url: str, response: aiohttp.ClientResponse) -> bytes:
    if response.status in {404, 410}:
        raise JarFault(f"java.io.FileNotFoundException: {url}")
    if response.status >= 400:
        raise JarFault(f"java.io.IOException: Server returned HTTP response code: {response.status} for URL: {url}")
    data = bytearray()
    async for chunk in response.content.iter_any():
        data += chunk
        if len(data) > _LARGEST_JAR:
            raise JarFault("java.io.IOException: No space left on device")
    return bytes(data)

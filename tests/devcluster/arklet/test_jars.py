"""What a module URL holds."""

from __future__ import annotations

import io
import zipfile
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from moduledeploy.devcluster.arklet import ModuleFolder
from moduledeploy.devcluster.arklet.faults import JarFault
from moduledeploy.devcluster.arklet.jars import open_jar

ASKED = ("asked", "1")


def archive(*lines: str) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as jar:
        jar.writestr("META-INF/MANIFEST.MF", "\r\n".join(["Manifest-Version: 1.0", *lines, ""]))
    return data.getvalue()


GOOD = archive(
    "Ark-Biz-Name: orders",
    "Ark-Biz-Version: 1.2.0",
    "web-context-path: /ord",
    "Main-Class: com.acme.AVeryLongNameThatIsContinued",
    " OnTheNextLine",
    "priority: 7",
)
FILES = {
    "/orders.jar": GOOD,
    "/empty.jar": b"",
    "/text.jar": b"no archive",
    "/plain.jar": archive(),
    "/short.jar": GOOD[:-30],
}


@pytest.fixture
async def jar_server() -> AsyncIterator[str]:
    async def serve(request: web.Request) -> web.StreamResponse:
        if request.path == "/cut.jar":
            answer = web.StreamResponse(headers={"Content-Length": str(len(GOOD))})
            await answer.prepare(request)
            await answer.write(GOOD[:-30])
            answer.force_close()
            return answer
        if request.path == "/moved.jar":
            raise web.HTTPFound("/orders.jar")
        if request.path == "/away.jar":
            raise web.HTTPFound("http://192.0.2.1/orders.jar")
        if request.path == "/broken.jar":
            raise web.HTTPInternalServerError
        if request.path not in FILES:
            raise web.HTTPNotFound
        return web.Response(body=FILES[request.path])

    app = web.Application()
    app.router.add_get("/{path:.*}", serve)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0]
    yield f"http://{host}:{port}"
    await runner.cleanup()


@pytest.mark.parametrize("path", ["/orders.jar", "/moved.jar"])
async def test_a_loopback_url_is_fetched_and_its_manifest_decides(jar_server: str, path: str) -> None:
    jar = await open_jar(jar_server + path, asked=ASKED, folder=ModuleFolder())

    assert (jar.identity, jar.context_path, jar.priority) == ("orders:1.2.0", "ord", 7)
    assert jar.main_class == "com.acme.AVeryLongNameThatIsContinuedOnTheNextLine"


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("/gone.jar", "java.io.FileNotFoundException: http://127.0.0.1"),
        ("/broken.jar", "Server returned HTTP response code: 500 for URL: http://127.0.0.1"),
        ("/empty.jar", "java.util.zip.ZipException: zip file is empty"),
        ("/text.jar", "java.util.zip.ZipException: zip END header not found"),
        ("/short.jar", "java.util.zip.ZipException: zip END header not found"),
        ("/cut.jar", "java.util.zip.ZipException: zip END header not found"),
        ("/plain.jar", "java.lang.IllegalArgumentException: Biz Name must not be empty!"),
        ("/away.jar", "is not on this machine's loopback"),
    ],
)
async def test_a_bad_download_is_told_in_the_words_of_the_jvm(jar_server: str, path: str, fault: str) -> None:
    with pytest.raises(JarFault, match=fault):
        await open_jar(jar_server + path, asked=ASKED, folder=ModuleFolder())


@pytest.mark.parametrize(
    ("url", "identity"),
    [
        ("file:///modules/my-app-1.2.0-SNAPSHOT-ark-biz.jar", "my-app:1.2.0-SNAPSHOT"),
        ("file:/modules/a-1-ark-biz.jar", "a:1"),
        ("https://jars.example.com/a-1-ark-biz.jar", "asked:1"),
        ("http://jars.example.com/whatever", "asked:1"),
        ("ftp://jars.example.com/whatever", "asked:1"),
        ("file:///elsewhere/x.jar", "asked:1"),
    ],
)
async def test_other_urls_follow_the_naming_rule_or_count_as_good(url: str, identity: str) -> None:
    assert (await open_jar(url, asked=ASKED, folder=ModuleFolder())).identity == identity


async def test_without_an_identity_asked_for_the_name_of_the_file_tells_it() -> None:
    jar = await open_jar("https://h/app-2.1-bad-ark-biz.jar", asked=("", ""), folder=ModuleFolder())

    assert (jar.identity, jar.throws) == ("app:2.1-bad", True)


@pytest.mark.parametrize("name", ["ghost-1.0.0-ark-biz", "missing-2-ark-biz", "a-1", "nonsense", "a-2-ark-biz"])
async def test_a_jar_that_is_not_in_the_folder_is_not_found(name: str) -> None:
    folder = ModuleFolder(only={"a": frozenset({"1"})})

    with pytest.raises(JarFault, match=r"FileNotFoundException: /modules/.* \(No such file or directory\)"):
        await open_jar(f"file:///modules/{name}.jar", asked=ASKED, folder=folder)

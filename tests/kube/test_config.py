"""Where credentials come from, and what a person reads when there are none."""

from __future__ import annotations

import base64
import filecmp
import json
import os
import sys
from pathlib import Path

import anyio
import pytest
import yaml

from moduledeploy.kube.config import ConfigError, is_in_cluster, load_credentials
from moduledeploy.kube.credentials import FileToken, NoToken
from tests.clock import ManualClock, eventually

CERTS = Path(__file__).parent / "certs"
IN_CLUSTER = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}


@pytest.fixture
def service_account(tmp_path: Path) -> Path:
    folder = tmp_path / "serviceaccount"
    folder.mkdir()
    (folder / "token").write_text("secret\n")
    (folder / "ca.crt").write_text((CERTS / "first-ca.crt").read_text())
    (folder / "namespace").write_text("koupleless")
    return folder


def kubeconfig(tmp_path: Path, *, user: dict[str, object] | None, cluster: dict[str, object] | None = None) -> str:
    config: dict[str, object] = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "contexts": [
            {
                "name": "here",
                "context": {"cluster": "c", "namespace": "team"} | ({"user": "me"} if user is not None else {}),
            },
            {"name": "there", "context": {"cluster": "other"}},
        ],
        "clusters": [
            {"name": "c", "cluster": cluster or {"server": "http://127.0.0.1:8080/"}},
            {"name": "other", "cluster": {"server": "http://127.0.0.1:9090"}},
        ],
        "users": [] if user is None else [{"name": "me", "user": user}],
    }
    file = tmp_path / "config"
    file.write_text(yaml.safe_dump(config))
    return str(file)


async def test_a_pod_uses_its_service_account(service_account: Path) -> None:
    credentials = await load_credentials(kubeconfig=None, environ=IN_CLUSTER, service_account=service_account)

    assert credentials.host == "https://10.96.0.1:443"
    assert credentials.namespace == "koupleless"
    assert await credentials.token.authorization() == "Bearer secret"
    assert credentials.tls is not None
    assert credentials.tls.ca_file == str(service_account / "ca.crt")


async def test_a_kubeconfig_that_is_asked_for_wins_over_the_pod(service_account: Path, tmp_path: Path) -> None:
    file = kubeconfig(tmp_path, user=None)

    credentials = await load_credentials(kubeconfig=file, environ=IN_CLUSTER, service_account=service_account)

    assert credentials.host == "http://127.0.0.1:8080"


async def test_outside_a_pod_the_environment_names_the_kubeconfig(tmp_path: Path) -> None:
    file = kubeconfig(tmp_path, user=None)

    credentials = await load_credentials(
        kubeconfig=None, environ={"KUBECONFIG": f"/nowhere:{file}"}, service_account=tmp_path / "none"
    )

    assert credentials.host == "http://127.0.0.1:8080"
    assert credentials.namespace == "team"
    assert credentials.tls is None
    assert isinstance(credentials.token, NoToken)


async def test_a_context_can_be_named(tmp_path: Path) -> None:
    credentials = await load_credentials(kubeconfig=kubeconfig(tmp_path, user=None), context="there")

    assert credentials.host == "http://127.0.0.1:9090"
    assert credentials.namespace == "default"


async def test_a_token_in_the_kubeconfig_is_sent(tmp_path: Path) -> None:
    credentials = await load_credentials(kubeconfig=kubeconfig(tmp_path, user={"token": "abc"}))

    assert await credentials.token.authorization() == "Bearer abc"


async def test_a_token_file_in_the_kubeconfig_is_found_beside_it_and_followed(tmp_path: Path) -> None:
    (tmp_path / "tok").write_text("abc")
    clock = ManualClock()

    credentials = await load_credentials(kubeconfig=kubeconfig(tmp_path, user={"tokenFile": "tok"}), clock=clock)

    assert isinstance(credentials.token, FileToken)
    assert await credentials.token.authorization() == "Bearer abc"
    (tmp_path / "tok").write_text("def")
    await credentials.token.refresh()
    assert await credentials.token.authorization() == "Bearer def"


async def test_a_user_and_a_password_are_sent(tmp_path: Path) -> None:
    credentials = await load_credentials(kubeconfig=kubeconfig(tmp_path, user={"username": "u", "password": "p"}))

    assert await credentials.token.authorization() == "Basic " + base64.b64encode(b"u:p").decode()


async def test_certificates_inside_the_kubeconfig_are_usable(tmp_path: Path) -> None:
    def data(name: str) -> str:
        return base64.b64encode((CERTS / name).read_bytes()).decode()

    file = kubeconfig(
        tmp_path,
        user={"client-certificate-data": data("first-client.crt"), "client-key-data": data("first-client.key")},
        cluster={"server": "https://127.0.0.1:6443", "certificate-authority-data": data("first-ca.crt")},
    )

    credentials = await load_credentials(kubeconfig=file)

    assert credentials.tls is not None
    credentials.tls.context()


@pytest.mark.parametrize(
    ("user", "cluster"),
    [
        ({}, {"certificate-authority-data": base64.b64encode(b"no certificate").decode()}),
        (
            {
                "client-certificate-data": base64.b64encode((CERTS / "first-client.crt").read_bytes()).decode(),
                "client-key-data": base64.b64encode((CERTS / "second-client.key").read_bytes()).decode(),
            },
            {},
        ),
    ],
    ids=["authority", "pair"],
)
async def test_certificates_that_are_none_are_one_clear_line(
    tmp_path: Path, user: dict[str, object], cluster: dict[str, object]
) -> None:
    file = kubeconfig(tmp_path, user=user, cluster={"server": "https://127.0.0.1:6443", **cluster})

    with pytest.raises(ConfigError, match="certificates") as caught:
        await load_credentials(kubeconfig=file)

    assert "\n" not in str(caught.value)
    assert file in str(caught.value)


async def test_an_authority_of_the_pod_that_is_none_is_one_clear_line(service_account: Path) -> None:
    (service_account / "ca.crt").write_text("no certificate")

    with pytest.raises(ConfigError, match="certificates"):
        await load_credentials(kubeconfig=None, environ=IN_CLUSTER, service_account=service_account)


def plugin(tmp_path: Path, *, code: str) -> dict[str, object]:
    script = tmp_path / "plugin.py"
    script.write_text(code)
    return {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": sys.executable, "args": [str(script)]}}


GIVE_TOKEN = """
import json, pathlib
count = pathlib.Path(__file__).with_name("count")
number = int(count.read_text()) + 1 if count.exists() else 1
count.write_text(str(number))
status = {"token": f"token-{number}", "expirationTimestamp": "2023-11-14T23:13:20Z"}
print(json.dumps({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}))
"""


async def test_a_plugin_gives_the_token_and_is_asked_again_before_it_expires(tmp_path: Path) -> None:
    clock = ManualClock()
    credentials = await load_credentials(
        kubeconfig=kubeconfig(tmp_path, user=plugin(tmp_path, code=GIVE_TOKEN)), clock=clock
    )
    assert await credentials.token.authorization() == "Bearer token-1"

    clock.advance(3500)
    assert await credentials.token.authorization() == "Bearer token-1"
    clock.advance(50)

    assert await credentials.token.authorization() == "Bearer token-2"


async def test_a_token_of_a_plugin_that_was_refused_is_made_anew(tmp_path: Path) -> None:
    credentials = await load_credentials(
        kubeconfig=kubeconfig(tmp_path, user=plugin(tmp_path, code=GIVE_TOKEN)), clock=ManualClock()
    )

    await credentials.token.refresh()

    assert await credentials.token.authorization() == "Bearer token-2"


async def test_a_plugin_is_asked_once_however_many_wait_for_its_token(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    code = f"import time; open({str(runs)!r}, 'a').write('.'); time.sleep(0.2)\n" + GIVE_TOKEN
    credentials = await load_credentials(kubeconfig=kubeconfig(tmp_path, user=plugin(tmp_path, code=code)))
    assert runs.read_text() == "."

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(credentials.token.refresh)

    assert runs.read_text() == ".."


async def test_a_plugin_that_fails_later_leaves_the_token_there_is(tmp_path: Path) -> None:
    credentials = await load_credentials(
        kubeconfig=kubeconfig(tmp_path, user=plugin(tmp_path, code=GIVE_TOKEN)), clock=ManualClock()
    )
    (tmp_path / "plugin.py").write_text("import sys; sys.exit(3)")

    await credentials.token.refresh()

    assert await credentials.token.authorization() == "Bearer token-1"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("][", "expected"),
        ("apiVersion: v1\nkind: Config\n", "current-context"),
        (json.dumps({"current-context": "x", "contexts": [], "clusters": [], "users": []}), "x"),
        ("just text", "shape of a kubeconfig"),
        ("- 1", "shape of a kubeconfig"),
        ("", "shape of a kubeconfig"),
    ],
)
async def test_a_broken_kubeconfig_is_one_clear_line(tmp_path: Path, content: str, says: str) -> None:
    file = tmp_path / "config"
    file.write_text(content)

    with pytest.raises(ConfigError) as caught:
        await load_credentials(kubeconfig=str(file))

    assert "\n" not in str(caught.value)
    assert str(file) in str(caught.value)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "server", ["127.0.0.1:6443", "ftp://127.0.0.1", "http://127.0.0.1:99999", "https://:6443", "http://[::1"]
)
async def test_a_server_that_is_no_address_is_one_clear_line(tmp_path: Path, server: str) -> None:
    file = kubeconfig(tmp_path, user={"token": "abc"}, cluster={"server": server})

    with pytest.raises(ConfigError) as caught:
        await load_credentials(kubeconfig=file)

    assert str(caught.value) == f"kubeconfig {file}: server {server!r} is no http:// or https:// address"


@pytest.mark.parametrize("proxy", ["junk", "socks5://127.0.0.1:1080"])
async def test_a_proxy_that_can_t_be_used_is_one_clear_line(tmp_path: Path, proxy: str) -> None:
    file = kubeconfig(tmp_path, user=None, cluster={"server": "http://127.0.0.1:8080", "proxy-url": proxy})

    with pytest.raises(ConfigError, match=f"proxy-url '{proxy}' is no http:// or https:// address"):
        await load_credentials(kubeconfig=file)


async def test_a_context_whose_user_isnt_there_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "without"
    path.write_text(
        (tmp_path / kubeconfig(tmp_path, user={"token": "abc"})).read_text().replace("user: me", "user: you")
    )

    with pytest.raises(ConfigError, match="the context names user 'you', who isn't there"):
        await load_credentials(kubeconfig=str(path))


@pytest.mark.parametrize("status", [{}, {"clientCertificateData": "a certificate without its key"}])
async def test_a_plugin_that_gives_no_credentials_is_one_clear_line(tmp_path: Path, status: dict[str, str]) -> None:
    given = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
    user = plugin(tmp_path, code=f"print({json.dumps(given)!r})")

    with pytest.raises(ConfigError, match="neither a token nor a certificate with its key"):
        await load_credentials(kubeconfig=kubeconfig(tmp_path, user=user))


async def test_a_plugin_that_gives_no_answer_is_one_clear_line_and_ended(tmp_path: Path) -> None:
    clock, began = ManualClock(), tmp_path / "began"
    user = plugin(tmp_path, code=f"import os, time; open({str(began)!r}, 'w').write(str(os.getpid())); time.sleep(60)")
    said: list[str] = []

    async def load() -> None:
        with pytest.raises(ConfigError) as caught:
            await load_credentials(kubeconfig=kubeconfig(tmp_path, user=user), clock=clock)
        said.append(str(caught.value))

    async with anyio.create_task_group() as group:
        group.start_soon(load)
        await eventually(lambda: began.exists() and began.read_text())
        await clock.run_until(lambda: said, at_most_s=30)

    assert said[0].endswith(f"its exec plugin {sys.executable} gave no answer in 30 s")
    with pytest.raises(ProcessLookupError):
        os.kill(int(began.read_text()), 0)


async def test_a_plugin_that_says_much_on_both_outputs_is_heard_out(tmp_path: Path) -> None:
    code = "import sys; sys.stderr.write('x' * 1_000_000)\n" + GIVE_TOKEN

    credentials = await load_credentials(kubeconfig=kubeconfig(tmp_path, user=plugin(tmp_path, code=code)))

    assert await credentials.token.authorization() is not None


@pytest.mark.parametrize(
    ("output", "says"),
    [("junk", "no ExecCredential"), ("[]", "no ExecCredential"), ('{"kind": "Pod"}', "no ExecCredential")],
)
async def test_a_plugin_that_prints_something_else_is_one_clear_line(tmp_path: Path, output: str, says: str) -> None:
    user = plugin(tmp_path, code=f"print({output!r})")

    with pytest.raises(ConfigError, match=says) as caught:
        await load_credentials(kubeconfig=kubeconfig(tmp_path, user=user))

    assert "\n" not in str(caught.value)


async def test_a_plugin_that_fails_is_one_clear_line(tmp_path: Path) -> None:
    code = "import sys; sys.stderr.write('log in first\\n'); sys.exit(1)"

    with pytest.raises(ConfigError, match="log in first"):
        await load_credentials(kubeconfig=kubeconfig(tmp_path, user=plugin(tmp_path, code=code)))


async def test_a_plugin_that_isnt_there_is_one_clear_line(tmp_path: Path) -> None:
    user: dict[str, object] = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "/no/such/thing"}}

    with pytest.raises(ConfigError, match="/no/such/thing"):
        await load_credentials(kubeconfig=kubeconfig(tmp_path, user=user))


async def test_no_kubeconfig_at_all_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no kubeconfig at .*: pass --kubeconfig, set KUBECONFIG, or run in a pod"):
        await load_credentials(kubeconfig=str(tmp_path / "none"))


async def test_a_pod_without_a_usable_service_account_says_so(service_account: Path) -> None:
    (service_account / "ca.crt").write_text("")

    with pytest.raises(ConfigError, match="service account"):
        await load_credentials(kubeconfig=None, environ=IN_CLUSTER, service_account=service_account)


async def test_a_pod_whose_server_is_no_address_says_so(service_account: Path) -> None:
    environ = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "tcp://10.96.0.1:443"}

    with pytest.raises(ConfigError, match="is no http:// or https:// address"):
        await load_credentials(kubeconfig=None, environ=environ, service_account=service_account)


def test_a_pod_is_known_by_its_environment_and_its_token(service_account: Path, tmp_path: Path) -> None:
    assert is_in_cluster(environ=IN_CLUSTER, service_account=service_account)
    assert not is_in_cluster(environ={}, service_account=service_account)
    assert not is_in_cluster(environ=IN_CLUSTER, service_account=tmp_path)


async def test_14_a_certificate_of_a_plugin_is_replaced_in_the_files_that_sessions_watch(tmp_path: Path) -> None:
    code = f"""
import json, pathlib
certs = pathlib.Path({str(CERTS)!r})
marker = pathlib.Path(__file__).with_name("again")
name = "second" if marker.exists() else "first"
marker.touch()
status = {{
    "clientCertificateData": (certs / f"{{name}}-client.crt").read_text(),
    "clientKeyData": (certs / f"{{name}}-client.key").read_text(),
}}
print(json.dumps({{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}}))
"""
    file = kubeconfig(
        tmp_path,
        user=plugin(tmp_path, code=code),
        cluster={"server": "https://127.0.0.1:6443", "certificate-authority": str(CERTS / "first-ca.crt")},
    )
    credentials = await load_credentials(kubeconfig=file, clock=ManualClock())
    assert credentials.tls is not None
    assert credentials.tls.cert_file is not None
    before = credentials.tls.fingerprint()

    await credentials.token.refresh()

    assert filecmp.cmp(credentials.tls.cert_file, CERTS / "second-client.crt", shallow=False)
    assert credentials.tls.fingerprint() != before
    credentials.tls.context()

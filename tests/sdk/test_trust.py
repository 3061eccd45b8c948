"""Whose certificate is believed: that of an authority which the environment names, on this machine too."""

import asyncio
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.certificates import certificate
from tests.sdk.conftest import QUICK

from groundplane.sdk import AsyncClient, Client, ClientError, ConnectionFailedError

NO_FILE = "no authorities can be read"


class Answering(BaseHTTPRequestHandler):
    """An empty list of kinds for whoever asks."""

    def do_GET(self) -> None:
        """Answer."""
        body = b'{"kinds": []}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is named yet."""
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    """The certificate of a private authority."""
    return certificate(tmp_path)[0]


@pytest.fixture
def url(chain: Path) -> Iterator[str]:
    """A server on loopback that shows it."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain, chain.with_name("key.pem"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield f"https://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def kinds(url: str) -> object:
    """What a client reads there."""
    with Client(url, "token", retries=QUICK) as client:
        return client.common.kinds.list()


def test_nobody_knows_a_private_authority(url: str) -> None:
    with pytest.raises(ConnectionFailedError, match="CERTIFICATE_VERIFY_FAILED"):
        kinds(url)


def test_a_named_file_of_authorities_is_believed(url: str, chain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(chain))
    assert kinds(url)

    async def awaited() -> object:
        async with AsyncClient(url, "token", retries=QUICK) as client:
            return await client.common.kinds.list()

    assert asyncio.run(awaited())


def test_a_named_folder_of_authorities_is_believed(
    url: str, chain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "authorities"
    folder.mkdir()
    (folder / "own.pem").write_bytes(chain.read_bytes())
    subprocess.run(["openssl", "rehash", folder], check=True)
    monkeypatch.setenv("SSL_CERT_DIR", str(folder))
    assert kinds(url)


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_without_authorities_is_told(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    named = tmp_path / "authorities.pem"
    if content is not None:
        named.write_text(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(named))
    with pytest.raises(ClientError, match=NO_FILE):
        kinds(url)

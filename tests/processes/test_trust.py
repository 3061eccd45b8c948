"""The platform's own processes believe the api's certificate and no other, by whatever name it was made out."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.certificates import certificate

from groundplane.kernel.settings import Settings
from groundplane.processes.layout import Installation, Layout
from groundplane.processes.parts import compose, http_status
from groundplane.processes.trust import api_trust


@asynccontextmanager
async def answering(chain: Path, key: Path) -> AsyncIterator[int]:
    """A server that answers every request with 200; yields its port."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain, key)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


def _two(tmp_path: Path, *, address: str) -> tuple[tuple[Path, Path], tuple[Path, Path]]:
    for name in ("own", "other"):
        (tmp_path / name).mkdir()
    return certificate(tmp_path / "own", address=address), certificate(tmp_path / "other", address=address)


async def test_an_installation_believes_its_own_certificate_and_no_other(tmp_path: Path) -> None:
    own, other = _two(tmp_path, address="192.0.2.7")  # not where it is called
    for chain, key in (own, other):
        async with answering(chain, key) as port:
            settings = Settings(tls_certificate=own[0], tls_key=own[1], api_port=port)
            asked = http_status(f"{settings.api_url}/readyz", api_trust(settings, settings.api_url))
            if chain == own[0]:
                assert await asked == 200
            else:
                with pytest.raises(ssl.SSLCertVerificationError):
                    await asked


async def test_an_agent_elsewhere_believes_the_named_authority_for_the_right_name(tmp_path: Path) -> None:
    own, other = _two(tmp_path, address="127.0.0.1")
    async with answering(*own) as port:
        url = f"https://127.0.0.1:{port}"
        assert await http_status(url, api_trust(Settings(api_ca=own[0]), url)) == 200
        for settings in (Settings(api_ca=other[0]), Settings()):
            with pytest.raises(ssl.SSLCertVerificationError):
                await http_status(url, api_trust(settings, url))
        with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
            await http_status(f"https://localhost:{port}", api_trust(Settings(api_ca=own[0]), url))


def test_up_calls_the_api_as_its_settings_say(layout: Layout, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    chain, key = certificate(tmp_path)
    monkeypatch.setenv("GROUNDPLANE_DATABASE_URL", "postgresql://elsewhere/it")
    monkeypatch.setenv("GROUNDPLANE_NATS_URL", "nats://elsewhere")
    (layout.root / "groundplane.toml").write_text(f'tls_certificate = "{chain}"\ntls_key = "{key}"\napi_host = "0.0.0.0"\n')
    composed = compose(layout, Installation(data_plane="simulated", simulated_hosts=1, port=8701))
    assert composed.endpoints.api == "https://127.0.0.1:8701"

"""The agent's own way to the control plane for bytes and secrets, which do not ride the queue. It only ever dials out."""

import ssl
from collections.abc import AsyncIterator, Callable
from typing import Literal
from urllib.parse import urljoin
from uuid import UUID

import httpx

from groundplane.contracts.faults import ProviderError, permanent, transient
from groundplane.contracts.specs import ImageSource

PIECE = 1 << 18
TIMEOUT = httpx.Timeout(30.0, connect=5.0)
STATUS_HEADER = "X-Groundplane-Status"

AnswerStatus = Literal["ok", "not_found", "unavailable"]


class ApiChannel:
    """A Channel over the agents' API at `url`. `token` gives the bearer token of the moment; it is sent nowhere else.

    `trust` is what the api must show if it speaks TLS.
    """

    def __init__(
        self,
        url: str,
        token: Callable[[], str],
        *,
        trust: ssl.SSLContext | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._url = url.rstrip("/") + "/"
        self._token = token
        # No proxies of the environment: the token goes to the api and to nobody between.
        self._client = httpx.AsyncClient(timeout=TIMEOUT, verify=trust or True, transport=transport, trust_env=False)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def image(self, source: ImageSource) -> AsyncIterator[bytes]:
        """See Channel. Raises ProviderError."""
        request = self._request("GET", f"api/agent/v1/images/{source.image_id}")
        try:
            response = await self._client.send(request, stream=True)
            try:
                _refuse(response, f"image {source.image_id}")
                async for piece in response.aiter_bytes(PIECE):
                    yield piece
            finally:
                await response.aclose()
        except httpx.TransportError as error:
            raise _unreachable(error) from error

    async def secret(self, secret_id: UUID) -> bytes:
        """See Channel. Raises ProviderError."""
        request = self._request("GET", f"api/agent/v1/secrets/{secret_id}")
        try:
            response = await self._client.send(request)
        except httpx.TransportError as error:
            raise _unreachable(error) from error
        _refuse(response, f"secret {secret_id}")
        return response.content

    async def answer(self, answer_url: str, status: AnswerStatus, content: bytes = b"") -> None:
        """Post the bytes that somebody waits for. Raises ProviderError, also for a URL that is not the api's own."""
        url = urljoin(self._url, answer_url)
        if not url.startswith(self._url):
            raise permanent("answer_url_foreign", "The answer is wanted at an address that is not the api's.")
        headers = {STATUS_HEADER: status, "Content-Type": "application/octet-stream"}
        request = self._request("POST", url, content=content, headers=headers)
        try:
            response = await self._client.send(request)
        except httpx.TransportError as error:
            raise _unreachable(error) from error
        _refuse(response, "answer")

    def _request(
        self, method: str, path: str, *, content: bytes | None = None, headers: dict[str, str] | None = None
    ) -> httpx.Request:
        authorization = {"Authorization": f"Bearer {self._token().strip()}"}
        return self._client.build_request(
            method, urljoin(self._url, path), content=content, headers={**authorization, **(headers or {})}
        )


def _refuse(response: httpx.Response, what: str) -> None:
    if response.status_code in {404, 410}:
        raise permanent("bytes_unknown", f"The control plane does not have the {what}.")
    if not response.is_success:
        raise transient("channel_refused", f"The control plane answered {response.status_code} for the {what}.")


def _unreachable(error: httpx.TransportError) -> ProviderError:
    return transient("channel_unreachable", f"The control plane cannot be reached: {type(error).__name__}.")

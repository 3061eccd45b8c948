"""How bytes come and go, by httpx; without and with asyncio. Imported when the first request is sent, since httpx is heavy."""

import asyncio
import json
import os
import ssl
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from importlib.metadata import version
from ipaddress import ip_address
from typing import Any

import httpx

from groundplane.sdk.calls import Answer, Call
from groundplane.sdk.errors import ClientError, ConnectionFailedError

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 30.0

_KEEP_ALIVE_SECONDS = 3.0  # less than servers do, so that a request does not meet a connection that is being closed


class Transport:
    """Connections that are used by the threads of one process."""

    def __init__(self, base_url: str, program: str) -> None:
        self._http = httpx.Client(**_settings(base_url, program))

    def close(self) -> None:
        """Close every connection."""
        self._http.close()

    def send(self, call: Call, token: str | None) -> Answer:
        """Send once. Raises ConnectionFailedError."""
        request = self._http.build_request(**_request(call, token), content=_content(call))
        try:
            response = self._http.send(request, stream=call.streamed)
            if call.streamed and response.is_success:
                return _answer(response, b"", (response, response.iter_bytes()))
            return _answer(response, response.read())
        except httpx.TransportError as error:
            raise _failure(request, error) from error

    def read(self, answer: Answer) -> bytes | None:
        """The next piece. Raises ConnectionFailedError."""
        response, pieces = answer.stream
        try:
            return next(pieces, None)
        except httpx.TransportError as error:
            raise _failure(response.request, error) from error

    def drop(self, answer: Answer) -> None:
        """Read no more of it."""
        answer.stream[0].close()


class AsyncTransport:
    """Connections that are used by the tasks of one event loop."""

    def __init__(self, base_url: str, program: str) -> None:
        self._http = httpx.AsyncClient(**_settings(base_url, program))

    async def close(self) -> None:
        """Close every connection."""
        await self._http.aclose()

    async def send(self, call: Call, token: str | None) -> Answer:
        """Send once. Raises ConnectionFailedError."""
        content = _content(call)
        body = _pieces(content) if call.body is not None and not isinstance(content, bytes | None) else content
        request = self._http.build_request(**_request(call, token), content=body)
        try:
            response = await self._http.send(request, stream=call.streamed)
            if call.streamed and response.is_success:
                return _answer(response, b"", (response, response.aiter_bytes()))
            return _answer(response, await response.aread())
        except httpx.TransportError as error:
            raise _failure(request, error) from error

    async def read(self, answer: Answer) -> bytes | None:
        """The next piece. Raises ConnectionFailedError."""
        response, pieces = answer.stream
        try:
            return await anext(pieces, None)
        except httpx.TransportError as error:
            raise _failure(response.request, error) from error

    async def drop(self, answer: Answer) -> None:
        """Read no more of it."""
        await answer.stream[0].aclose()


async def _pieces(blocking: Iterator[bytes]) -> AsyncIterator[bytes]:
    """A body whose pieces take time to read: from a disk."""
    while (piece := await asyncio.to_thread(next, blocking, None)) is not None:
        yield piece


def _settings(base_url: str, program: str) -> dict[str, Any]:
    url = httpx.URL(base_url)
    return {
        "base_url": url,
        "limits": httpx.Limits(keepalive_expiry=_KEEP_ALIVE_SECONDS),
        "headers": {"User-Agent": f"{program}/{version('groundplane')}"},
        "verify": _trust(),
        # A proxy of the environment leads out of this machine, never back into it.
        "trust_env": not _is_loopback(url.host),
    }


def _trust() -> ssl.SSLContext | bool:
    """The authorities that the environment names, as OpenSSL's own programs read it; else those that come with httpx.

    httpx looks at the environment only where it looks for proxies too.
    """
    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    if not file and not folder:
        return True
    try:
        return ssl.create_default_context(cafile=file or None, capath=folder or None)
    except OSError as error:
        raise ClientError(
            f"SSL_CERT_FILE={file or ''}: no authorities can be read from it: {error.strerror or error}"
        ) from error


def _request(call: Call, token: str | None) -> dict[str, Any]:
    headers = dict(call.headers)
    if call.json is not None:
        headers["Content-Type"] = "application/json"
    if token:
        headers["Authorization"] = f"Bearer {token}"
    return {
        "method": call.method,
        "url": call.path,
        "params": call.parameters or None,
        "headers": headers,
        "timeout": httpx.Timeout(ANSWER_SECONDS + call.wait, connect=CONNECT_SECONDS),
    }


def _content(call: Call) -> bytes | Iterator[bytes] | None:
    if call.body is not None:
        return call.body()
    return None if call.json is None else json.dumps(call.json, default=_moment).encode()


def _moment(value: object) -> str:
    """A time as JSON has it; nothing else may stand in a body that JSON does not know."""
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} cannot be sent as JSON.")


def _answer(response: httpx.Response, content: bytes, stream: Any = None) -> Answer:
    return Answer(response.status_code, response.headers, content, str(response.request.url), response.reason_phrase, stream)


def _failure(request: httpx.Request, error: httpx.TransportError) -> ConnectionFailedError:
    return ConnectionFailedError(f"{request.method} {request.url}: {str(error) or type(error).__name__}")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False

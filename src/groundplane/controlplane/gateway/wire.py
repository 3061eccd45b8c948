"""HTTP/1.1 as uvicorn speaks it, with an end to how much a request's head may be, and problems for what is no HTTP.

What the frame refuses has arrived whole; a head that never ends would fill the memory before the frame hears of it.
"""

from collections.abc import Mapping

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from groundplane.controlplane.gateway.middleware import MAX_HEADER_BYTES, MAX_URI_BYTES
from groundplane.controlplane.gateway.problems import MEDIA_TYPE, HeadersTooLargeError
from groundplane.kernel.errors import GroundplaneError
from groundplane.kernel.ids import new_id

MAX_HEAD_BYTES = 2 * (MAX_HEADER_BYTES + MAX_URI_BYTES)
"""Of a request line with its headers: far enough above the frame's own limits that these are what users meet."""


class MalformedHttpError(GroundplaneError):
    """That is not HTTP. Speak HTTP/1.1 here."""

    code = "malformed_http"
    status = 400
    title = "Malformed HTTP"


class BoundedHttp(HttpToolsProtocol):
    """One connection."""

    _head_bytes: int | None = 0
    """How much of a head has come; None while a body comes."""

    def data_received(self, data: bytes) -> None:
        """Take in what came, unless the head does not end."""
        if self._head_bytes is not None:
            self._head_bytes += len(data)
        super().data_received(data)
        if (self._head_bytes or 0) > MAX_HEAD_BYTES and not self.transport.is_closing():
            self._refuse(HeadersTooLargeError())

    def on_headers_complete(self) -> None:
        """The head is there."""
        self._head_bytes = None
        super().on_headers_complete()
        self.scope["state"]["hang_up"] = self.transport.abort

    def on_message_complete(self) -> None:
        """The next head begins."""
        super().on_message_complete()
        self._head_bytes = 0

    def shutdown(self) -> None:
        """The server ends: who only waits for something is answered now."""
        if self.cycle is not None:
            self.scope["state"]["ending"] = True
        super().shutdown()

    def send_400_response(self, msg: str) -> None:
        """Instead of uvicorn's own plain text."""
        del msg
        self._refuse(MalformedHttpError())

    def _refuse(self, error: GroundplaneError) -> None:
        request_id = new_id().hex
        body = error.problem(request_id=request_id).model_dump_json(exclude_none=True).encode()
        headers: Mapping[str, str] = {
            "Content-Type": MEDIA_TYPE,
            "Content-Length": str(len(body)),
            "X-Request-Id": request_id,
            "Connection": "close",
        }
        lines = b"".join(f"{name}: {value}\r\n".encode() for name, value in headers.items())
        self.transport.write(STATUS_LINE[error.status] + lines + b"\r\n" + body)
        self.transport.close()

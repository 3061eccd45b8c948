"""The web console's files: read once at start, served as they were built, compressed as the browser takes it.

Decides nothing about who may do what: the console is a client of the public API like any other.
"""

import hashlib
import mimetypes
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog
from fastapi import APIRouter, Request
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, RedirectResponse, Response

log = structlog.get_logger()

CONSOLE_PATH = "/console"
BUILT = Path(__file__).parents[2] / "console"
"""Where `npm run build` leaves it."""

_ENCODINGS = {"br": ".br", "gzip": ".gz"}
"""What is compressed beforehand, the smallest first."""

_IMMUTABLE = "assets/"
"""Files whose names change with their contents."""

_PAGE = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}
_NOT_BUILT = (
    "The web console was not built. Type `make setup` in the checkout: it builds the console with Node.js 20.19 or newer, "
    "which it gets itself, and says what went wrong. Then start Groundplane again. The API is here all the same: see /docs.\n"
)


@dataclass(frozen=True)
class _File:
    media_type: str
    cache: str
    bodies: Mapping[str, tuple[str, bytes]]
    """Encoding ("" for none) → entity tag and bytes."""


def web_console(directory: Path = BUILT) -> APIRouter:
    """`/console/…` from `directory`'s files, and `/`, which leads there. Without files, a sentence tells how to get them."""
    router = APIRouter(include_in_schema=False)
    files = dict(_read(directory))
    if not files:
        log.warning("console.not_built", directory=str(directory))

    @router.get("/")
    @router.get(CONSOLE_PATH)
    async def beginning() -> Response:
        return RedirectResponse(f"{CONSOLE_PATH}/", 307)

    @router.get(CONSOLE_PATH + "/{name:path}")
    async def file(request: Request, name: str) -> Response:
        if not files:
            return PlainTextResponse(_NOT_BUILT, 503)
        # An address without a file is one of the console's own: its page finds out what to show.
        found = files.get(name) or (None if name.startswith(_IMMUTABLE) else files["index.html"])
        if found is None:
            return PlainTextResponse("There is no such file. Load the page again: there may be a newer version.\n", 404)
        return _serve(found, request.headers)

    return router


def _read(directory: Path) -> Iterator[tuple[str, _File]]:
    """All files by name, held in memory, so that a build beside a running process changes nothing of what it serves."""
    for path in sorted(directory.rglob("*")):
        if not path.is_file() or path.suffix in _ENCODINGS.values():
            continue
        name = path.relative_to(directory).as_posix()
        copies = {"": path, **{encoding: path.with_name(path.name + suffix) for encoding, suffix in _ENCODINGS.items()}}
        bodies = {encoding: copy.read_bytes() for encoding, copy in copies.items() if copy.is_file()}
        yield (
            name,
            _File(
                media_type=mimetypes.guess_type(name)[0] or "application/octet-stream",
                cache="public, max-age=31536000, immutable" if name.startswith(_IMMUTABLE) else "no-cache",
                bodies={encoding: (_entity_tag(body), body) for encoding, body in bodies.items()},
            ),
        )


def _entity_tag(body: bytes) -> str:
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def _serve(file: _File, asked: Headers) -> Response:
    encoding = _encoding(asked.get("accept-encoding", ""), file)
    tag, body = file.bodies[encoding]
    headers = {**_PAGE, "ETag": tag, "Cache-Control": file.cache, "Vary": "Accept-Encoding"}
    if encoding:
        headers["Content-Encoding"] = encoding
    if tag in {part.strip().removeprefix("W/") for part in asked.get("if-none-match", "").split(",")}:
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=file.media_type)


def _encoding(accepted: str, file: _File) -> str:
    """The smallest copy that the browser takes (RFC 9110, 12.5.3); "" for the file as it is."""
    weights = {}
    for part in accepted.lower().split(","):
        name, _, parameters = part.partition(";")
        weights[name.strip()] = parameters.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return next((name for name in _ENCODINGS if name in file.bodies and weights.get(name, weights.get("*", False))), "")

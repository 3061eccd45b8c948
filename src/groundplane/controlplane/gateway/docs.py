"""The reference pages: small HTML that renders an OpenAPI document in the browser. Loads nothing from any other host."""

import base64
import hashlib
from importlib.resources import files

from fastapi import APIRouter, FastAPI
from starlette.responses import HTMLResponse

_PAGE = files(__package__).joinpath("docs.html").read_text()
_SCRIPT = _PAGE.partition("<script>")[2].partition("</script>")[0]
_STYLE = _PAGE.partition("<style>")[2].partition("</style>")[0]


def _hash(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


_POLICY = {
    "Content-Security-Policy": "default-src 'none'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
    f"script-src {_hash(_SCRIPT)}; style-src {_hash(_STYLE)}"
}


def add_docs(app: FastAPI) -> None:
    """Give an application its reference at /docs, beside its /openapi.json."""
    page = HTMLResponse(_PAGE, headers=_POLICY)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return page


def docs_index(paths: dict[str, str]) -> APIRouter:
    """`/docs` at the root: where the references are. `paths`: title → path of the application."""
    router = APIRouter()
    links = "".join(f'<li><a href="{path}/docs">{title}</a></li>' for title, path in paths.items())
    page = HTMLResponse(
        f'<!doctype html><html lang="en"><title>Groundplane API</title><h1>Groundplane API</h1><ul>{links}</ul></html>'
    )

    @router.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return page

    return router

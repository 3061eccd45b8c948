"""Errors on the wire: RFC 9457 problems for everything that can go wrong, and never a detail of what went wrong inside."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match
from starlette.types import Scope

from groundplane.controlplane.gateway.sentences import sentence_of
from groundplane.kernel.database import RetryableDatabaseError
from groundplane.kernel.errors import (
    FieldProblem,
    GroundplaneError,
    InvalidRequestError,
    NotFoundError,
    UnauthenticatedError,
    UnavailableError,
)

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"


class RouteNotFoundError(NotFoundError):
    """There is no such address. See the API's reference at /docs."""

    code = "route_not_found"


class MethodNotAllowedError(GroundplaneError):
    """This address does not take this method. The `Allow` header says which it takes."""

    code = "method_not_allowed"
    status = 405
    title = "Method not allowed"


class MalformedJsonError(GroundplaneError):
    """The body is not JSON. Mend it and send it again."""

    code = "malformed_json"
    status = 400
    title = "Malformed JSON"


class UnsupportedMediaTypeError(GroundplaneError):
    """The body is not sent as JSON. Send it with the header `Content-Type: application/json`."""

    code = "unsupported_media_type"
    status = 415
    title = "Unsupported media type"


class BodyTooLargeError(GroundplaneError):
    """The body is larger than what is taken here. Send less."""

    code = "body_too_large"
    status = 413
    title = "Body too large"

    @classmethod
    def of(cls, limit: int) -> "BodyTooLargeError":
        """The error that names the limit, in bytes."""
        return cls(f"The body is larger than {limit} bytes, which is the most that is taken here. Send less.")


class UriTooLongError(GroundplaneError):
    """The address with its query is longer than what is taken here. Send less."""

    code = "uri_too_long"
    status = 414
    title = "URI too long"


class HeadersTooLargeError(GroundplaneError):
    """The request's headers are more than what is taken here. Send fewer or shorter ones."""

    code = "headers_too_large"
    status = 431
    title = "Headers too large"


class RequestAbortedError(GroundplaneError):
    """The request ended before all of it was sent. Send it again."""

    code = "request_aborted"
    status = 400
    title = "Request aborted"


class BodyLimitExceeded(HTTPException):  # a signal; FastAPI hands on only its own exceptions while it reads a body
    """More was sent than the body's limit; goes out as BodyTooLargeError."""

    def __init__(self, limit: int) -> None:
        super().__init__(413)
        self.limit = limit


_OF_STATUS: Mapping[int, type[GroundplaneError]] = {
    400: MalformedJsonError,
    404: RouteNotFoundError,
    405: MethodNotAllowedError,
    413: BodyTooLargeError,
}


def problem_response(error: GroundplaneError, scope: Scope) -> Response:
    """The answer to a request that ended in this error."""
    problem = error.problem(instance=scope["path"], request_id=scope["state"]["request_id"])
    headers = {}
    if isinstance(error, UnauthenticatedError):
        headers["WWW-Authenticate"] = "Bearer"
    if error.status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = "2"
    scope["state"]["problem"] = error.code
    return Response(problem.model_dump_json(exclude_none=True), error.status, headers, MEDIA_TYPE)


def invalid_request(error: ValidationError | RequestValidationError) -> InvalidRequestError:
    """What Pydantic found wrong, as an error that names each bad field."""
    return InvalidRequestError(errors=[_field_problem(each) for each in _errors(error)])


def add_problem_handlers(app: FastAPI) -> None:
    """Make an application answer every error as a problem."""
    app.add_exception_handler(GroundplaneError, _on_groundplane_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(ClientDisconnect, _on_disconnect)
    for kind in (*RetryableDatabaseError, TimeoutError):
        app.add_exception_handler(kind, _on_unavailable)
    app.add_exception_handler(Exception, _on_unexpected)


async def _on_groundplane_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, GroundplaneError)  # noqa: S101  # registered for it
    return problem_response(error, request.scope)


async def _on_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  # registered for it
    found = _errors(error)
    if any(each["type"] == "json_invalid" for each in found):
        detail = (
            f"The body is not JSON: {found[0]['ctx']['error']}, at character {found[0]['loc'][-1]}. Mend it and send it again."
        )
        return problem_response(MalformedJsonError(detail), request.scope)
    if any(tuple(each["loc"]) == ("body",) for each in found) and not _is_json(request):
        return problem_response(UnsupportedMediaTypeError(), request.scope)
    return problem_response(invalid_request(error), request.scope)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  # registered for it
    if isinstance(error, BodyLimitExceeded):
        return problem_response(BodyTooLargeError.of(error.limit), request.scope)
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return _on_other_method(request)
    response = problem_response(_OF_STATUS.get(error.status_code, GroundplaneError)(), request.scope)
    response.headers.update(error.headers or {})
    return response


def _on_other_method(request: Request) -> Response:
    """405 with all that the address takes; and for OPTIONS just that, since it asks for nothing else."""
    allow = ", ".join(sorted(_methods_at(request)))
    if request.method == "OPTIONS":
        return Response(status_code=204, headers={"Allow": allow})
    response = problem_response(MethodNotAllowedError(), request.scope)
    response.headers["Allow"] = allow
    return response


_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def _methods_at(request: Request) -> set[str]:
    """Starlette itself names only those of the first route that has the path."""
    found = {"OPTIONS"}
    for method in _METHODS:
        scope = {**request.scope, "method": method}
        if any(route.matches(scope)[0] == Match.FULL for route in request.app.routes):
            found.add(method)
    return found | ({"HEAD"} if "GET" in found else set())


async def _on_disconnect(request: Request, _error: Exception) -> Response:
    return problem_response(RequestAbortedError(), request.scope)


async def _on_unavailable(request: Request, error: Exception) -> Response:
    log.warning("request.unavailable", error=repr(error), exc_info=error)
    return problem_response(UnavailableError(), request.scope)


async def _on_unexpected(request: Request, _error: Exception) -> Response:
    """The traceback is logged where the error surfaces, in the middleware; the client learns the request id."""
    return problem_response(GroundplaneError(), request.scope)


def _errors(error: ValidationError | RequestValidationError) -> list[Mapping[str, Any]]:
    if isinstance(error, ValidationError):
        return [dict(each) for each in error.errors(include_url=False, include_input=False)]
    return list(error.errors())


def _field_problem(error: Mapping[str, Any]) -> FieldProblem:
    location = list(error["loc"])
    if location and location[0] == "body":
        del location[0]
    return FieldProblem(pointer=pointer_to(location), detail=sentence_of(error))


def pointer_to(location: Iterable[object]) -> str:
    """The JSON pointer (RFC 6901) of a place."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in location)


def _is_json(request: Request) -> bool:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return media_type == "application/json" or media_type.endswith("+json")

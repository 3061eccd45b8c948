"""Errors that a user meets: a class with a stable code and an HTTP status, whose docstring tells what to do next.

On the wire they are problems (RFC 9457). Nothing here knows a noun of the domain: services subclass.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import BaseModel, Field


class FieldProblem(BaseModel):
    """One bad field: a JSON pointer (RFC 6901) to it, and what is wrong with it."""

    pointer: str
    detail: str


class Problem(BaseModel):
    """RFC 9457 problem details. `code` is stable; `detail` is a sentence that says what to do next."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    instance: str | None = None
    request_id: str | None = None
    errors: list[FieldProblem] = Field(default_factory=list)
    context: dict[str, Any] = Field(default_factory=dict)


class GroundplaneError(Exception):
    """Something went wrong that we did not foresee. Try again; if it stays, tell the operators the request id."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"

    def __init__(
        self,
        detail: str | None = None,
        *,
        errors: Sequence[FieldProblem] = (),
        context: Mapping[str, Any] | None = None,
    ) -> None:
        self.detail = detail or (type(self).__doc__ or "").strip()
        self.errors = list(errors)
        self.context = dict(context or {})
        super().__init__(self.detail)

    def problem(self, *, instance: str | None = None, request_id: str | None = None) -> Problem:
        """The error as it goes over the wire."""
        return Problem(
            type=f"https://groundplane.dev/problems/{self.code}",
            title=self.title,
            status=self.status,
            code=self.code,
            detail=self.detail,
            instance=instance,
            request_id=request_id,
            errors=self.errors,
            context=self.context,
        )


class InvalidRequestError(GroundplaneError):
    """The request is not valid: see `errors` for each bad field, mend it and send it again."""

    code = "invalid_request"
    status = 422
    title = "Invalid request"


class NotFoundError(GroundplaneError):
    """There is nothing of this name or id that you may see. List what there is, and check the project."""

    code = "not_found"
    status = 404
    title = "Not found"


class ConflictError(GroundplaneError):
    """The request conflicts with what is there. Read the resource again and decide anew."""

    code = "conflict"
    status = 409
    title = "Conflict"


class UnauthenticatedError(GroundplaneError):
    """Log in first: send `Authorization: Bearer TOKEN` with a token from POST /api/common/v1/auth/login."""

    code = "unauthenticated"
    status = 401
    title = "Not authenticated"


class ForbiddenError(GroundplaneError):
    """Your roles do not allow this. Ask an owner of the organization for a role that does."""

    code = "forbidden"
    status = 403
    title = "Forbidden"


class UnavailableError(GroundplaneError):
    """A part of the platform does not answer right now. Try again in a few seconds."""

    code = "unavailable"
    status = 503
    title = "Unavailable"

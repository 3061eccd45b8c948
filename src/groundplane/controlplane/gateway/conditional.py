"""Conditional requests (RFC 9110): `ETag` says which state of a resource was answered; `If-Match` asks by it.

A tag is `"ID-REVISION"`, and while a job works on the resource, that job and its state: strong, so that it is another one
whenever the bytes are. `If-Match` asks about ID and REVISION only: what a job does meanwhile is no change of somebody else's
until the resource's own row says so.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from fastapi import Request, Response
from pydantic_core import from_json

from groundplane.controlplane.resources import store
from groundplane.controlplane.resources.resource import Resource
from groundplane.kernel.database import Tx
from groundplane.kernel.errors import ConflictError, GroundplaneError, InvalidRequestError

_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e]*)"')
_LIST = re.compile(rf"{_TAG.pattern}(\s*,\s*{_TAG.pattern})*")

Done = TypeVar("Done")


class PreconditionFailedError(GroundplaneError):
    """The resource changed since you read it. Read it again, decide anew, and send the new ETag as `If-Match`."""

    code = "precondition_failed"
    status = 412
    title = "Precondition failed"


class PreconditionRequiredError(GroundplaneError):
    """This platform takes changes only of what you have read. Send the resource's ETag as `If-Match`."""

    code = "precondition_required"
    status = 428
    title = "Precondition required"


def entity_tag(view: Mapping[str, Any]) -> str:
    """The tag of a resource as it is answered."""
    job = view["job"]
    at_work = f"-{job['id']}-{job['state']}" if job else ""
    return f'"{view["id"]}-{view["revision"]}{at_work}"'


def tag(response: Response) -> Response:
    """Give the answer of a mutation the tag of the resource in it; a dry run's and a list's stay as they are."""
    view = from_json(bytes(response.body))
    if "revision" in view:
        response.headers["ETag"] = entity_tag(view)
    return response


def not_modified(request: Request, etag: str) -> Response | None:
    """304 if the client has this state already."""
    asked = request.headers.get("if-none-match")
    if asked is None:
        return None
    tags = {f'"{found[2]}"' for found in _TAG.finditer(asked)}
    return Response(status_code=304, headers={"ETag": etag}) if asked.strip() == "*" or etag in tags else None


class IfMatch:
    """What a request's `If-Match` demands of the resource that it changes."""

    def __init__(self, text: str) -> None:
        """Raises InvalidRequestError for what is no list of tags."""
        text = text.strip()
        if text != "*" and not _LIST.fullmatch(text):
            raise InvalidRequestError('If-Match is * or a list of ETags, as in "vm_01k-3". Send the ETag that you read.')
        self._any = text == "*"
        self._states = {tuple(found[2].split("-")[:2]) for found in _TAG.finditer(text) if not found[1]}

    @classmethod
    def of(cls, request: Request) -> "IfMatch | None":
        """The request's; None if it demands nothing."""
        text = request.headers.get("if-match")
        return None if text is None else cls(text)

    def check(self, public_id: str, revision: int) -> None:
        """Raise PreconditionFailedError unless this is a state that was named."""
        if not self._any and (public_id, str(revision)) not in self._states:
            raise PreconditionFailedError(context={"revision": revision})

    async def guard(self, tx: Tx, public_id: str, resource: Resource, change: Callable[[], Awaitable[Done]]) -> Done:
        """Do the change of a resource that was as demanded when its row was taken. Raises PreconditionFailedError.

        Rows are locked by the change itself, after the jobs that hold them, as everywhere; so what it found is asked
        when it is done, under its lock: of two that demand the same state, the second sees the first's.
        """
        self.check(public_id, resource.revision)
        try:
            done = await change()
        except ConflictError:
            self.check(public_id, await store.revision_found(tx, resource.id))
            raise
        self.check(public_id, await store.revision_found(tx, resource.id))
        return done

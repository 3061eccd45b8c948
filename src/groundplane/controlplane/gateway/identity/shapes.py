"""What the routes of identity share: ids in paths and cursors, a route's name and permission, a page."""

from typing import Annotated, Any, TypedDict
from uuid import UUID

from fastapi import Path, Query
from pydantic import Field, StringConstraints

from groundplane.controlplane.identity import (
    INVITATION_PREFIX,
    SERVICE_ACCOUNT_PREFIX,
    USER_PREFIX,
    UserNotFoundError,
    find_user_by_email,
)
from groundplane.controlplane.resources.organization import ORGANIZATION
from groundplane.controlplane.resources.project import PROJECT
from groundplane.kernel.database import Tx
from groundplane.kernel.errors import NotFoundError
from groundplane.kernel.ids import parse_id

BINDING_PREFIX = "rb"
ROLE_PREFIX = "role"
GROUP_PREFIX = "grp"
PREFIXES = {
    "role_binding": BINDING_PREFIX,
    "role": ROLE_PREFIX,
    "group": GROUP_PREFIX,
    "service_account": SERVICE_ACCOUNT_PREFIX,
    "invitation": INVITATION_PREFIX,
}
"""The prefix of the public ids of what is no resource, by its kind in the audit log."""

ORGANIZATION_PATH = "/organizations/{organization_id}"

Email = Annotated[
    str, StringConstraints(max_length=254, pattern=r"^[^@\s\x00-\x1f]+@[^@\s\x00-\x1f]+$"), Field(description="E-mail address.")
]
Password = Annotated[str, StringConstraints(max_length=256), Field(description="12 to 256 characters.")]
PersonName = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]
PublicId = Annotated[str, StringConstraints(max_length=80, pattern=r"^[a-z0-9_]+$")]
UserReference = Annotated[str, StringConstraints(max_length=254), Field(description="The user's id or e-mail address.")]
RoleName = Annotated[str, StringConstraints(max_length=63), Field(description="The name of a built-in or custom role.")]
IdPath = Annotated[PublicId, Path()]
EmailFilter = Annotated[str | None, Query(max_length=254, pattern=r"^[^\x00]*$", description="Only with this e-mail address.")]
PersonFilter = Annotated[str | None, Query(max_length=100, pattern=r"^[^\x00]*$", description="Only with this name.")]
UserFilter = Annotated[str | None, Query(max_length=80, pattern=r"^[a-z0-9_]+$", description="Only of this user (its id).")]
RoleFilter = Annotated[str | None, Query(max_length=63, pattern=r"^[a-z_]+$", description="Only of this built-in role.")]


class Names(TypedDict):
    """What a route's declaration is given."""

    operation_id: str
    openapi_extra: dict[str, Any]


def named(noun: str, verb: str, operation: str | None = None) -> Names:
    """A route's name and permission in the OpenAPI document."""
    return {
        "operation_id": operation or f"{noun}_{verb}",
        "openapi_extra": {"x-permission": f"identity.{noun}.{verb}"},
    }


def uuid_of(prefix: str, text: str) -> UUID:
    """The id behind a public id. Raises NotFoundError, in the same words as for one that is hidden."""
    value = parse_id(prefix, text)
    if value is None:
        raise NotFoundError
    return value


def organization_uuid(text: str) -> UUID:
    """The organization that a path names. Raises NotFoundError."""
    return uuid_of(ORGANIZATION.prefix, text)


def project_uuid(text: str | None) -> UUID | None:
    """The project that a body names, if it does. Raises NotFoundError."""
    value = parse_id(PROJECT.prefix, text) if text else None
    if text and value is None:
        raise NotFoundError("There is no such project in this organization. List its projects.")
    return value


def user_uuid(text: str) -> UUID:
    """The user that a path names. Raises UserNotFoundError."""
    user_id = parse_id(USER_PREFIX, text)
    if user_id is None:
        raise UserNotFoundError
    return user_id


async def find_user(tx: Tx, reference: str) -> UUID:
    """The user that a body names by id or e-mail address. Raises UserNotFoundError."""
    user_id = parse_id(USER_PREFIX, reference)
    if user_id is not None:
        return user_id
    user = await find_user_by_email(tx, reference) if "@" in reference and "\0" not in reference else None
    if user is None:
        raise UserNotFoundError
    return user.id

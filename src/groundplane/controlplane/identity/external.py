"""Users of single sign-on: which of ours somebody is, and the roles that their groups give.

Linked by issuer and subject, never by an e-mail address that the provider does not vouch for. The tables sso_attempt,
external_identity and external_binding.
"""

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

import structlog

from groundplane.controlplane.identity.bindings import bind, unbind
from groundplane.controlplane.identity.openid import Attempt, ExternalUser
from groundplane.controlplane.identity.passwords import generate_password
from groundplane.controlplane.identity.problems import (
    BindingExistsError,
    LastAdministratorError,
    LastOwnerError,
    SsoRefusedError,
)
from groundplane.controlplane.identity.secret_text import digest
from groundplane.controlplane.identity.users import User, create_user, find_user_by_email, get_user
from groundplane.controlplane.resources.organization import ORGANIZATION
from groundplane.controlplane.resources.project import PROJECT
from groundplane.kernel.database import Tx
from groundplane.kernel.errors import InvalidRequestError, NotFoundError
from groundplane.kernel.ids import parse_id
from groundplane.kernel.secrets import SecretBox

log = structlog.get_logger()

ATTEMPT_SECONDS = 600


@dataclass(frozen=True)
class RoleOfGroup:
    """A role somewhere; both None is the whole platform."""

    role: str
    organization_id: UUID | None = None
    project_id: UUID | None = None

    @classmethod
    def parse(cls, text: str) -> "RoleOfGroup":
        """`admin`, `owner@org_…` or `viewer@org_…/prj_…`. Raises ValueError."""
        role, _, place = text.partition("@")
        organization, _, project = place.partition("/")
        organization_id, project_id = parse_id(ORGANIZATION.prefix, organization), parse_id(PROJECT.prefix, project)
        if not role or (place and organization_id is None) or (project and project_id is None):
            raise ValueError(f"{text!r} is no role: say `admin`, `owner@org_…` or `viewer@org_…/prj_…`")
        return cls(role, organization_id, project_id)


async def keep_attempt(tx: Tx, box: SecretBox, attempt: Attempt) -> None:
    """Remember what was sent to the provider, for ten minutes."""
    await tx.execute(
        """INSERT INTO sso_attempt (state_hash, nonce, verifier, expires_at)
           VALUES ($1, $2, $3, clock_timestamp() + make_interval(secs => $4))""",
        digest(attempt.state),
        attempt.nonce,
        box.seal(attempt.verifier.encode(), digest(attempt.state)),
        float(ATTEMPT_SECONDS),
    )


async def take_attempt(tx: Tx, box: SecretBox, state: str) -> Attempt | None:
    """What was sent with this state; each is taken once."""
    row = await tx.row(
        "DELETE FROM sso_attempt WHERE state_hash = $1 RETURNING nonce, verifier, expires_at > clock_timestamp() AS good",
        digest(state),
    )
    if row is None or not row["good"]:
        return None
    return Attempt(state, row["nonce"], box.open(row["verifier"], digest(state)).decode())


async def user_of(tx: Tx, external: ExternalUser, allowed_domains: Collection[str]) -> User:
    """The user who logged in at the provider, made or linked at the first time. Raises SsoRefusedError."""
    _check_email(external, allowed_domains)
    user_id = await tx.value(
        """UPDATE external_identity SET last_login_at = clock_timestamp() WHERE issuer = $1 AND subject = $2
           RETURNING user_id""",
        external.issuer,
        external.subject,
    )
    if user_id is not None:
        user = await get_user(tx, user_id)
    else:
        user = await _new_user(tx, external, allowed_domains)
        await tx.execute(
            "INSERT INTO external_identity (issuer, subject, user_id) VALUES ($1, $2, $3)",
            external.issuer,
            external.subject,
            user.id,
        )
    if user.disabled_at is not None:
        raise SsoRefusedError("This user is disabled. Ask an administrator.")
    return user


def _check_email(external: ExternalUser, allowed_domains: Collection[str]) -> None:
    if external.email is None or not external.email_verified:
        raise SsoRefusedError("Your provider does not vouch for your e-mail address. Confirm it there, then try again.")
    domain = external.email.rpartition("@")[2].lower()
    if allowed_domains and domain not in {each.lower() for each in allowed_domains}:
        raise SsoRefusedError("Nobody of your e-mail address's domain is let in. Ask an administrator.")


async def _new_user(tx: Tx, external: ExternalUser, allowed_domains: Collection[str]) -> User:
    """A user is taken over only by a vouched-for address of a domain that an operator has named."""
    email = external.email or ""
    known = await find_user_by_email(tx, email)
    if known is None:
        return await create_user(tx, email=email, name=external.name, password=generate_password())
    if not allowed_domains:
        raise SsoRefusedError("There is already a user with your e-mail address. Ask an administrator.")
    return known


async def apply_groups(tx: Tx, user: User, external: ExternalUser, roles: Mapping[str, str]) -> None:
    """Make the bindings that groups give what the groups say now. Bindings that people gave are left alone."""
    wanted = {RoleOfGroup.parse(text) for group, text in roles.items() if group in external.groups}
    rows = await tx.fetch(
        """SELECT binding_id, role, organization_id, project_id
           FROM external_binding JOIN role_binding ON role_binding.id = binding_id WHERE user_id = $1 AND issuer = $2""",
        user.id,
        external.issuer,
    )
    given = {RoleOfGroup(row["role"], row["organization_id"], row["project_id"]): row["binding_id"] for row in rows}
    for role in given.keys() - wanted:
        with suppress(LastAdministratorError, LastOwnerError):  # somebody must be able to mend the groups
            async with tx.savepoint():
                await unbind(tx, given[role], organization_id=role.organization_id)
    for role in wanted - given.keys():
        await _give(tx, user, external.issuer, role)


async def _give(tx: Tx, user: User, issuer: str, role: RoleOfGroup) -> None:
    try:
        async with tx.savepoint():
            binding = await bind(
                tx, user_id=user.id, role=role.role, organization_id=role.organization_id, project_id=role.project_id
            )
    except BindingExistsError:
        return  # a person gave it, and it stays theirs
    except (NotFoundError, InvalidRequestError) as error:  # a slip in the settings must not lock everybody out
        log.warning("sso.role_not_given", role=role.role, code=error.code)
        return
    await tx.execute("INSERT INTO external_binding (binding_id, issuer) VALUES ($1, $2)", binding.id, issuer)


async def forget_old_attempts(tx: Tx) -> int:
    """Delete attempts that nobody came back from; how many."""
    return await tx.execute("DELETE FROM sso_attempt WHERE expires_at < now()")

"""What can be wrong with credentials, users and bindings; each docstring is what the user reads."""

from groundplane.kernel.errors import (
    ConflictError,
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    UnauthenticatedError,
)


class InvalidCredentialsError(UnauthenticatedError):
    """The e-mail address or the password is not right. Check both and try again."""

    code = "invalid_credentials"


class InvalidTokenError(UnauthenticatedError):
    """The access token is not valid here. Log in again with POST /api/common/v1/auth/login."""


class TokenExpiredError(UnauthenticatedError):
    """The access token has expired. Log in again with POST /api/common/v1/auth/login."""

    code = "token_expired"


class WeakPasswordError(InvalidRequestError):
    """The password must have 12 to 256 characters. Choose a longer one; a few random words do well."""

    code = "weak_password"


class EmailTakenError(ConflictError):
    """There is already a user with this e-mail address. Use that one, or choose another address."""

    code = "email_taken"


class UserNotFoundError(NotFoundError):
    """There is no such user. List the users, or ask an administrator to create this one first."""

    code = "user_not_found"


class BindingExistsError(ConflictError):
    """Who is to get this role has it here already. There is nothing to do."""

    code = "binding_exists"


class LastAdministratorError(ConflictError):
    """This is the platform's last administrator. Make somebody else an administrator first."""

    code = "last_administrator"


class LastOwnerError(ConflictError):
    """This takes the organization's last owner away. Make somebody else an owner first, without an expiry."""

    code = "last_owner"


class EscalationError(ForbiddenError):
    """Nobody gives or takes more than they have themselves, or for longer. Ask somebody who has these permissions here."""

    code = "escalation"


class RoleNotFoundError(NotFoundError):
    """There is no such custom role in this organization. List its roles."""

    code = "role_not_found"


class RoleExistsError(ConflictError):
    """There is already a role of this name, built in or custom. Choose another name, or change that one."""

    code = "role_exists"


class RoleInUseError(ConflictError):
    """Somebody has this role, or is invited to it. Take those bindings away and revoke the invitations first."""

    code = "role_in_use"


class GroupNotFoundError(NotFoundError):
    """There is no such group in this organization. List its groups."""

    code = "group_not_found"


class GroupExistsError(ConflictError):
    """There is already a group of this name in the organization. Choose another name."""

    code = "group_exists"


class MemberExistsError(ConflictError):
    """The user is already a member of this group. There is nothing to do."""

    code = "member_exists"


class ServiceAccountNotFoundError(NotFoundError):
    """There is no such service account in this organization. List its service accounts."""

    code = "service_account_not_found"


class ServiceAccountExistsError(ConflictError):
    """There is already a service account of this name in the organization. Choose another name."""

    code = "service_account_exists"


class InvitationNotFoundError(NotFoundError):
    """There is no such invitation in this organization. List its invitations."""

    code = "invitation_not_found"


class InvitationClosedError(ConflictError):
    """The invitation was accepted or revoked before. List the invitations to see how each stands."""

    code = "invitation_closed"


class InvalidInvitationError(NotFoundError):
    """This invitation is not good: wrong, used, revoked or expired. Ask for a new one; who has accepted it can log in."""

    code = "invalid_invitation"


class InvitedSomebodyElseError(ForbiddenError):
    """The invitation is for another e-mail address than yours. Log in as whom it is for."""

    code = "invited_somebody_else"

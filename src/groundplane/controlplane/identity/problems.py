"""What can be wrong with credentials, users and bindings; each docstring is what the user reads."""

from uuid import UUID

from groundplane.kernel.errors import (
    ConflictError,
    ForbiddenError,
    GroundplaneError,
    InvalidRequestError,
    NotFoundError,
    UnauthenticatedError,
    UnavailableError,
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


class SessionEndedError(UnauthenticatedError):
    """This session, or this API key, has been ended. Log in again with POST /api/common/v1/auth/login."""

    code = "session_ended"


class InvalidRefreshTokenError(UnauthenticatedError):
    """The refresh token is not valid any more. Log in again with POST /api/common/v1/auth/login."""

    code = "invalid_refresh_token"


class RefreshTokenReusedError(InvalidRefreshTokenError):
    """This refresh token was used before, so somebody may have stolen it; the session has been ended. Log in again."""

    code = "refresh_token_reused"


class SessionRequiredError(ForbiddenError):
    """Credentials are managed by a person who is logged in, not with an API key. Log in and do it there."""

    code = "session_required"


class TooManyAttemptsError(GroundplaneError):
    """Too many failed attempts. Wait as long as the header Retry-After says, then try again."""

    code = "too_many_attempts"
    status = 429
    title = "Too many attempts"

    @classmethod
    def after(cls, seconds: int) -> "TooManyAttemptsError":
        """The error that says how long to wait."""
        return cls(context={"retry_after": seconds})


class TotpRequiredError(UnauthenticatedError):
    """The password is right; a code is needed too. Send `challenge` and a code to POST /api/common/v1/auth/totp."""

    code = "totp_required"

    def __init__(self, user_id: UUID) -> None:
        super().__init__()
        self.user_id = user_id


class InvalidCodeError(UnauthenticatedError):
    """The code is not right, or was used before. Wait for the next one, or use a recovery code."""

    code = "invalid_code"


class TotpExistsError(ConflictError):
    """You have a second factor already. Disable it before you enrol another."""

    code = "totp_exists"


class TotpNotFoundError(NotFoundError):
    """There is no second factor here. Enrol one first."""

    code = "totp_not_found"


class WrongProofError(ForbiddenError):
    """The password or the code is not right. Check it and try again."""

    code = "wrong_proof"


class DeviceFlowError(GroundplaneError):
    """The device gets nothing, or nothing yet (RFC 8628)."""

    code = "invalid_request"
    status = 400
    title = "Not granted"


class AuthorizationPendingError(DeviceFlowError):
    """Nobody has approved this device yet. Ask again after the interval."""

    code = "authorization_pending"


class SlowDownError(DeviceFlowError):
    """You ask too often. Ask five seconds more seldom from now on."""

    code = "slow_down"


class ExpiredTokenError(DeviceFlowError):
    """The codes have expired. Begin again with POST /api/common/v1/auth/device."""

    code = "expired_token"


class AccessDeniedError(DeviceFlowError):
    """The device was kept out. Begin again if that was a mistake."""

    code = "access_denied"


class InvalidGrantError(DeviceFlowError):
    """There is no such device code, or it was redeemed already. Begin again with POST /api/common/v1/auth/device."""

    code = "invalid_grant"


class ApiKeyNotFoundError(NotFoundError):
    """There is no such API key any more. List the keys."""

    code = "api_key_not_found"


class SessionNotFoundError(NotFoundError):
    """There is no such session any more. List your sessions."""

    code = "session_not_found"


class UserCodeNotFoundError(NotFoundError):
    """No device waits with this code. Check what the device shows; codes are good for ten minutes."""

    code = "user_code_not_found"


class ForgedRequestError(ForbiddenError):
    """A request that goes by its cookie must come from the platform's own pages, with the header X-Groundplane-Client."""

    code = "forged_request"


class SsoNotConfiguredError(NotFoundError):
    """Single sign-on is not set up here. Log in with e-mail address and password, or ask an operator."""

    code = "sso_not_configured"


class SsoFailedError(UnauthenticatedError):
    """The login at your provider did not succeed, or took too long. Begin again with GET /api/common/v1/auth/sso/start."""

    code = "sso_failed"


class SsoRefusedError(ForbiddenError):
    """Your provider knows you, but you are not let in here. Ask an administrator."""

    code = "sso_refused"


class SsoUnavailableError(UnavailableError):
    """The provider of single sign-on does not answer as it should. Try again in a few seconds."""

    code = "sso_unavailable"

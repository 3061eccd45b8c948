"""What can be wrong with credentials, users and bindings; each docstring is what the user reads."""

from groundplane.kernel.errors import ConflictError, InvalidRequestError, NotFoundError, UnauthenticatedError


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
    """The user already has this role here. There is nothing to do."""

    code = "binding_exists"


class LastAdministratorError(ConflictError):
    """This is the platform's last administrator. Make somebody else an administrator first."""

    code = "last_administrator"

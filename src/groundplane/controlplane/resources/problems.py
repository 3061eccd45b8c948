"""What can be wrong with a request about resources; each docstring is what the user reads."""

from groundplane.kernel.errors import ConflictError, InvalidRequestError, NotFoundError


class ResourceNotFoundError(NotFoundError):
    """There is no such resource in this project. List what there is."""

    code = "not_found"


class ReferenceNotFoundError(InvalidRequestError):
    """The request refers to something that is not in this project. Create it first, or correct the reference."""

    code = "reference_not_found"


class NameTakenError(ConflictError):
    """Another living resource of this kind has the name. Choose another name, or delete that one first."""

    code = "name_taken"


class InUseError(ConflictError):
    """Other resources use this one. Delete or detach them first."""

    code = "in_use"


class NotReadyError(ConflictError):
    """The resource is not ready for this. Wait until its job ended, or look at its error."""

    code = "not_ready"


class BeingDeletedError(ConflictError):
    """The resource is being deleted. Create a new one when it is gone."""

    code = "being_deleted"


class QuotaExceededError(ConflictError):
    """The quota of the project, or of its organization, does not allow this. Delete something, or ask the operators."""

    code = "quota_exceeded"
    status = 403
    title = "Over quota"


class NotDeletedError(ConflictError):
    """The project was not deleted, so there is nothing to restore."""

    code = "not_deleted"


class NotRetryableError(ConflictError):
    """This job cannot be tried again. Read it to see how it ended, and ask anew."""

    code = "not_retryable"


class UnchangeableError(InvalidRequestError):
    """This cannot be changed. Create a new resource instead."""

    code = "unchangeable"

"""What a command can end in: an exit code, what went wrong, and what to do about it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from groundplane.sdk.errors import ApiError

DONE, FAILED, USAGE, NOT_FOUND, DENIED, CONFLICT, QUOTA, SERVER, TIMEOUT, INTERRUPTED = 0, 1, 2, 3, 4, 5, 6, 7, 8, 130

EXIT_CODES: Mapping[int, str] = {
    DONE: "done",
    FAILED: "failed: what was waited for did not succeed",
    USAGE: "usage: the command or a value in it is wrong",
    NOT_FOUND: "not found",
    DENIED: "denied: not logged in, or not allowed",
    CONFLICT: "conflict with what is there",
    QUOTA: "over a quota or a rate limit",
    SERVER: "the platform cannot be reached, or failed",
    TIMEOUT: "it did not happen in time",
    INTERRUPTED: "interrupted by Ctrl-C",
}

_BY_STATUS = {400: USAGE, 401: DENIED, 403: DENIED, 404: NOT_FOUND, 409: CONFLICT, 412: CONFLICT, 413: USAGE, 422: USAGE,
              428: CONFLICT, 429: QUOTA}  # fmt: skip
_BY_CODE = {"quota_exceeded": QUOTA, "access_denied": DENIED}


class CommandError(Exception):
    """A sentence about what is wrong, and one about what to do."""

    def __init__(self, what: str, advice: str = "", code: int = USAGE) -> None:
        super().__init__(what)
        self.what = what
        self.advice = advice
        self.code = code


class LoggedOutError(CommandError):
    """Nobody is logged in, or the login is over."""

    def __init__(self, what: str = "You are not logged in.", url: str = "") -> None:
        super().__init__(what, f"Log in: gp login {url}".rstrip(), DENIED)


def exit_code(error: "ApiError") -> int:
    """What a refusal of the platform ends in."""
    return _BY_CODE.get(error.code) or _BY_STATUS.get(error.status, SERVER if error.status >= 500 else FAILED)


def of_refusal(error: "ApiError") -> CommandError:
    """A refusal, for people: the platform's own sentences say what is wrong and what to do; ours say it for a terminal."""
    code = exit_code(error)
    if error.status == 401:
        return LoggedOutError("The platform does not know who you are: " + error.detail.partition(". ")[0].rstrip(".") + ".")
    what, _, advice = error.detail.strip().partition(". ")
    what = what.rstrip(".") + "."
    fields = "".join(f"\n  {each.pointer}: {each.detail}" for each in error.errors)
    if code == SERVER and error.request_id:
        advice = f"{advice or 'Try again.'} Tell operators the request id {error.request_id}."
    return CommandError(what + fields, advice, code)

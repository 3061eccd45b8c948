"""What calls of the platform can end in. An `ApiError` is the problem (RFC 9457) that the platform answered with."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from groundplane.sdk.calls import Answer
    from groundplane.sdk.records import Job


@dataclass(frozen=True)
class FieldError:
    """One bad field of a request: a JSON pointer (RFC 6901) to it, and what is wrong with it."""

    pointer: str
    detail: str


class ClientError(Exception):
    """The ancestor of all errors of this package."""


class ConnectionFailedError(ClientError):
    """The platform was not reached, or went away in the middle of an answer.

    Whether a mutation was done is not known. Make such a call with an `idempotency_key` of your own, and you can make it again.
    """


class UnexpectedAnswerError(ClientError):
    """The platform's answer is not of the shape that its description promises: this SDK is of another version."""


class ApiError(ClientError):
    """The platform refused. `code` is stable; `detail` says what to do; `request_id` finds the request in its logs."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        request_id: str | None = None,
        context: Mapping[str, Any] | None = None,
    ) -> None:
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)
        self.request_id = request_id
        self.context = dict(context or {})
        super().__init__(self._sentence())

    @classmethod
    def from_answer(cls, answer: "Answer") -> "ApiError":
        """The problem of an answer; whatever stands between us and the platform may answer otherwise."""
        request_id = answer.headers.get("x-request-id")
        try:
            body = json.loads(answer.content)
            return cls(
                answer.status,
                str(body["code"]),
                str(body["detail"]),
                errors=[FieldError(str(each["pointer"]), str(each["detail"])) for each in body.get("errors") or ()],
                request_id=body.get("request_id") or request_id,
                context=body.get("context"),
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            detail = f"{answer.url} answered {answer.status} {answer.reason}".strip() + ", not as the platform does."
            return cls(answer.status, f"http_{answer.status}", detail, request_id=request_id)

    def _sentence(self) -> str:
        fields = "".join(f"\n  {each.pointer}: {each.detail}" for each in self.errors)
        request = f" [request {self.request_id}]" if self.request_id else ""
        return f"{self.status} {self.code}: {self.detail}{request}{fields}"


class JobFailedError(ClientError):
    """A job that was waited for failed. Its message is the job's own sentence; `job` has its history."""

    def __init__(self, job: "Job") -> None:
        self.job = job
        self.code = job.error.code if job.error else "unknown"
        super().__init__(job.error.message if job.error else f"{job.workflow} failed and does not say why.")


class WaitTimeoutError(ClientError, TimeoutError):
    """What was waited for did not happen in time. It may still: nothing was cancelled."""

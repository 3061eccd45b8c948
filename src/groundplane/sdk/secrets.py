"""Secrets: what they have beyond other resources, their values and versions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from groundplane.sdk.collection import Collection
from groundplane.sdk.records import Json
from groundplane.sdk.session import Call


@dataclass(frozen=True)
class SecretVersion:
    """A version of a secret that is kept; the current one is what `reveal` answers."""

    version: int
    created_at: datetime
    current: bool

    @classmethod
    def from_json(cls, body: Json) -> "SecretVersion":
        """A version as answered."""
        return cls(body["version"], datetime.fromisoformat(body["created_at"]), body["current"])


class Secrets(Collection):
    """A project's secrets. `create` and `update` take {"value": …}; only `reveal` answers a value."""

    def reveal(self, ref: str, version: int | None = None) -> str:
        """The value, of the current version if none is said. Each reading leaves a line in the audit log."""
        query = {} if version is None else {"version": version}
        value: str = self._session.json(Call("GET", f"{self._calls.item(ref)}/value", query=query))["value"]
        return value

    def versions(self, ref: str) -> Sequence[SecretVersion]:
        """The versions that are kept, oldest first."""
        answer = self._session.json(Call("GET", f"{self._calls.item(ref)}/versions"))
        return [SecretVersion.from_json(each) for each in answer]

    def destroy(self, ref: str, version: int, *, idempotency_key: str | None = None) -> Sequence[SecretVersion]:
        """Forget an old version for ever; what is left."""
        call = Call("DELETE", f"{self._calls.item(ref)}/versions/{version}")
        return [SecretVersion.from_json(each) for each in self._session.json(call, idempotency_key=idempotency_key)]

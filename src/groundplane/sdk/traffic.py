"""Traffic rules, for operators: what is held up, refused, slowed or capped."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from urllib.parse import quote

from groundplane.sdk.paging import pages
from groundplane.sdk.records import Json
from groundplane.sdk.session import Call, Session


@dataclass(frozen=True)
class TrafficRule:
    """A rule about the jobs that match all of what is not None, and how many of them it holds now.

    `action`: pause, reject, rate (`limit` jobs a minute) or concurrency (`limit` jobs at work at once).
    """

    id: str
    action: str
    limit: int | None
    organization_id: str | None
    project_id: str | None
    kind: str | None
    cluster_id: str | None
    verbs: Sequence[str]
    owner_id: str | None
    reason: str
    expires_at: datetime
    expired: bool
    held_jobs: int
    created_at: datetime
    updated_at: datetime

    @classmethod
    def from_json(cls, body: Json) -> "TrafficRule":
        """A rule as answered."""
        known = {item.name: body[item.name] for item in fields(cls)}
        times = {name: datetime.fromisoformat(body[name]) for name in ("expires_at", "created_at", "updated_at")}
        return cls(**{**known, **times})


class TrafficRules:
    """The platform's traffic rules. All calls raise ApiError and ConnectionFailedError."""

    def __init__(self, session: Session, path: str) -> None:
        self._session = session
        self._path = path

    def create(
        self,
        action: str,
        *,
        reason: str,
        expires_at: datetime,
        limit: int | None = None,
        organization: str | None = None,
        project: str | None = None,
        kind: str | None = None,
        cluster: str | None = None,
        verbs: Sequence[str] = ("create", "update"),
        idempotency_key: str | None = None,
    ) -> TrafficRule:
        """Make a rule; what is None is any. `reason` is told to whom it holds or refuses; `expires_at` has a time zone."""
        wishes = {"limit": limit, "organization": organization, "project": project, "kind": kind, "cluster": cluster}
        body: dict[str, object] = {"action": action, "reason": reason, "verbs": list(verbs)}
        body |= {"expires_at": expires_at.isoformat()}
        body |= {name: value for name, value in wishes.items() if value is not None}
        return TrafficRule.from_json(self._session.json(Call("POST", self._path, json=body), idempotency_key=idempotency_key))

    def get(self, rule_id: str) -> TrafficRule:
        """Read one."""
        return TrafficRule.from_json(self._session.json(Call("GET", self._item(rule_id))))

    def list(self) -> Iterator[TrafficRule]:
        """All, oldest first; also those that expired less than a day ago."""
        return map(TrafficRule.from_json, pages(self._session, self._path))

    def update(
        self,
        rule_id: str,
        *,
        limit: int | None = None,
        reason: str | None = None,
        expires_at: datetime | None = None,
        idempotency_key: str | None = None,
    ) -> TrafficRule:
        """Change what is given."""
        wishes = {"limit": limit, "reason": reason, "expires_at": expires_at.isoformat() if expires_at else None}
        body = {name: value for name, value in wishes.items() if value is not None}
        call = Call("PATCH", self._item(rule_id), json=body)
        return TrafficRule.from_json(self._session.json(call, idempotency_key=idempotency_key))

    def delete(self, rule_id: str, *, idempotency_key: str | None = None) -> TrafficRule:
        """End one. What it held begins."""
        call = Call("DELETE", self._item(rule_id))
        return TrafficRule.from_json(self._session.json(call, idempotency_key=idempotency_key))

    def _item(self, rule_id: str) -> str:
        return f"{self._path}/{quote(rule_id, safe='')}"

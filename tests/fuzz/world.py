"""What the fuzzer's requests meet: an organization with a project and one of each kind in it, and somebody in each role."""

import itertools
import random
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from tests.controlplane.cloud import KINDS_BY_NAME
from tests.controlplane.gateway.conftest import Api, Json
from tests.controlplane.gateway.mutations import MUTATIONS
from tests.controlplane.kinds.scenarios import RULES

from groundplane.controlplane.network.network import NETWORK, NetworkSpec
from groundplane.controlplane.network.security_group import SECURITY_GROUP

EXAMPLES = {mutation.route: mutation for mutation in MUTATIONS}
HOME = {"organizations", "projects"}
"""Collections of which the world's own is asked for most of the time: there is something in it."""
MOSTLY = 0.8
PASSWORD = "correct horse battery"


@dataclass
class World:
    """`people` are the api as each role sees it; `known` the ids and names that there are, by the collection's last part."""

    api: Api
    people: dict[str, Api]
    known: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    emails: list[str] = field(default_factory=list)

    @classmethod
    async def furnish(cls, api: Api) -> Self:
        """In the project of a new cloud."""
        cloud = api.cloud
        people = {
            "admin": api,
            "owner": await api.as_("owner", cloud.organization_id),
            "viewer": await api.as_("viewer", cloud.organization_id),
            "anonymous": Api(api.app, cloud, api.services, api.client),
        }
        world = cls(api, people)
        await world._fill()
        return world

    async def _fill(self) -> None:
        cloud = self.api.cloud
        self.known["organizations"].append(self.api.organization.rpartition("/")[2])
        self.known["projects"].append(self.api.project.rpartition("/")[2])
        self.known["clusters"], self.known["hosts"], self.known["pools"] = ["it"], ["host-0"], ["host-0-pool"]
        for name in ("image", "spare"):
            await cloud.image(name)
        await cloud.made(NETWORK, NetworkSpec(), name="lan")
        await cloud.made(SECURITY_GROUP, RULES, name="web")
        self.known["images"], self.known["networks"], self.known["security-groups"] = ["image", "spare"], ["lan"], ["web"]
        for number in range(2):
            self.emails.append(f"{cloud.project_id.hex}-{number}@example.org")
            await self._make("/api/common/v1/users", {"email": self.emails[-1], "name": "It", "password": PASSWORD})
        await self._make(f"{self.api.organization}/role-bindings", {"user": self.known["users"][0], "role": "viewer"})
        for kind in KINDS_BY_NAME.values():
            if kind.namespace == "tenant" and kind.create is not None and kind.name != "image":
                body = self.example("POST", f"/api/tenant/v1/projects/{{project_id}}/{kind.plural}", "it")
                await self._make(f"{self.api.project}/{kind.plural}", body)
                await cloud.run()

    async def _make(self, path: str, body: Json | None) -> None:
        answer = await self.api.call("POST", path, json=body)
        assert answer.status_code in {201, 202}, answer.text
        self.learn(path, answer)

    def example(self, method: str, path: str, name: str) -> Json | None:
        """The body of the example request to a route, for something of this name; None without one."""
        if path.endswith("/auth/login"):
            return {"email": self.emails[0], "password": PASSWORD}
        example = EXAMPLES.get((method, path))
        if example is None or example.body is None:
            return None
        user = random.Random(name).choice(self.known["users"] or ["nobody"])  # noqa: S311  # a seed's, so that a run can be repeated
        values = {"{user_id}": user, "{expires_at}": (datetime.now(UTC) + timedelta(days=1)).isoformat()}
        body = {key: values.get(value, value) if isinstance(value, str) else value for key, value in example.body.items()}
        told = {"name": name, "email": f"{name}@example.org"}
        return {key: told.get(key, value) for key, value in body.items()}

    def learn(self, path: str, answer: Any) -> None:
        """Remember what was made: it is asked about later."""
        if answer.status_code in {201, 202} and isinstance(body := answer.json(), dict):
            made = [body, *_dicts(body.get("items"))]
            collection = path.rpartition("/")[2]
            self.known[collection] += [each["id"] for each in made if "id" in each]
            self.known["jobs"] += [each["job"]["id"] for each in made if isinstance(each.get("job"), dict)]

    def parameters(self, path: str, chance: random.Random) -> dict[str, str]:
        """Something that is there, for each parameter of a route's path of which there is any."""
        parts = path.split("/")
        pairs = itertools.pairwise(parts)
        wanted = {part[1:-1]: self._any_of(collection, chance) for collection, part in pairs if part.startswith("{")}
        return {name: value for name, value in wanted.items() if value is not None}

    def _any_of(self, collection: str, chance: random.Random) -> str | None:
        known = self.known[collection]
        if known and collection in HOME and chance.random() < MOSTLY:
            return known[0]
        return chance.choice(known) if known else None


def _dicts(items: object) -> Iterable[dict[str, Any]]:
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []

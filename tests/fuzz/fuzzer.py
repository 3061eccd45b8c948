"""Schemathesis against the whole api in this process: its cases, sent in some role's name to things that are there.

Hypothesis is synchronous and runs in a thread; the api, its database and its bus run in the test's event loop.
"""

import asyncio
import random
import time
from collections import Counter, defaultdict
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar
from zlib import crc32

import httpx
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, reject, seed, settings
from hypothesis import strategies as st
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.controlplane.gateway.test_completeness import OPEN, public_apps
from tests.fuzz.world import EXAMPLES, World

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EXPECTED = {("GET", "/api/tenant/v1/projects/{project_id}/vms/{reference}/console-log", 503)}
"""Server errors that are in order here: there is no agent that would have a console."""
REAL, KEYLESS, EXAMPLE, MIXED = 0.9, 0.7, 0.2, 0.6
"""How often: a path names what is there, no idempotency key is sent, a body is an example or an example's with more in it."""
MOST_AT_ONCE = 3
A_WHILE = 8
ROLES = {"admin": 5, "owner": 3, "viewer": 1, "anonymous": 1}
"""Who asks, and how often; where only the platform's administrator may do anything, that is who mostly asks."""

T = TypeVar("T")
AnyCase = Case[Any]
AnyOperation = APIOperation[Any, Any, Any, Any]


@dataclass
class Report:
    """Answers by operation and status, and what was wrong: by operation and failure, the first of each."""

    seconds: float = 0.0
    answers: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    findings: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def cases(self) -> int:
        """How many were sent."""
        return sum(counted.total() for counted in self.answers.values())

    @property
    def reached(self) -> set[str]:
        """Operations that did what they are for at least once."""
        return {name for name, counted in self.answers.items() if _good(counted)}

    def add(self, other: "Report") -> None:
        """Count in what another round has found."""
        self.seconds += other.seconds
        for name, counted in other.answers.items():
            self.answers[name].update(counted)
        self.findings = {**other.findings, **self.findings}

    def summary(self) -> str:
        """One line an operation: cases, how many were 2xx, and all statuses."""
        lines = [
            f"{counted.total():6} {_good(counted):6}  {name:90} {_statuses(counted)}"
            for name, counted in sorted(self.answers.items())
        ]
        head = (
            f"{self.cases} cases in {self.seconds:.0f} s, {len(self.findings)} findings; "
            f"{len(self.reached)} of {len(self.answers)} operations answered some with 2xx"
        )
        return "\n".join([head, " cases    2xx  operation", *lines])


def _statuses(counted: Counter[int]) -> str:
    return " ".join(f"{status}:{number}" for status, number in sorted(counted.items()))


def _good(counted: Counter[int]) -> int:
    return sum(n for status, n in counted.items() if 200 <= status < 300)


@dataclass(frozen=True)
class Target:
    """One operation of one of the documents."""

    prefix: str
    operation: AnyOperation

    @property
    def method(self) -> str:
        """As sent."""
        return str(self.operation.method).upper()

    @property
    def path(self) -> str:
        """As mounted, with its parameters in braces."""
        return self.prefix + str(self.operation.path)

    @property
    def name(self) -> str:
        """As reported."""
        return f"{self.method} {self.path}"

    @property
    def of_platform(self) -> bool:
        """It belongs to no organization."""
        return self.prefix.startswith("/api/ops") or not self.path.startswith(
            (f"{self.prefix}/organizations/", f"{self.prefix}/projects/")
        )

    @property
    def content(self) -> bytes | None:
        """What an example of an upload sends."""
        example = EXAMPLES.get((self.method, self.path))
        return example.content if example else None

    @property
    def order(self) -> tuple[int, str]:
        """What makes things comes first; what takes them away, or keeps others from being made, last."""
        late = self.method in {"DELETE", "PUT"} or self.path.endswith("/disable") or "traffic-rules" in self.path
        return 2 if late else {"POST": 0 if "{reference}" not in self.path else 1}.get(self.method, 1), self.path


def targets(app: Any) -> list[Target]:
    """Every operation of the public applications, in the order in which they are best tried."""
    found = [Target(prefix, each) for prefix, each in _operations(app)]
    return sorted(found, key=lambda target: target.order)


def _operations(app: Any) -> Iterator[tuple[str, AnyOperation]]:
    for prefix, each in public_apps(app):
        document = each.openapi() | {"servers": [{"url": "/"}]}
        schema = schemathesis.openapi.from_dict(document)
        yield from ((prefix, result.ok()) for result in schema.get_all_operations() if isinstance(result, Ok))


@dataclass
class Fuzzer:
    """Sends cases of the targets into a world, for so many seconds at most."""

    world: World
    seconds: float
    report: Report = field(default_factory=Report)

    async def run(self, found: list[Target], *, cases: int, number: int) -> None:
        """So many cases of each target, chosen by the seed `number`."""
        loop, began = asyncio.get_running_loop(), time.monotonic()
        for place, target in enumerate(found):
            if self.report.seconds > self.seconds:
                return
            await asyncio.to_thread(self._fuzz, target, cases, number, loop)
            self.report.seconds = time.monotonic() - began
            if place % A_WHILE == 0:  # for a while jobs stay at work, so that they can be cancelled
                await self.world.api.cloud.run()

    def _fuzz(self, target: Target, cases: int, number: int, loop: asyncio.AbstractEventLoop) -> None:
        def send(coroutine: Coroutine[Any, Any, T]) -> T:
            return asyncio.run_coroutine_threadsafe(coroutine, loop).result(60)

        @seed(crc32(f"{number} {target.name}".encode()))  # or all would be asked by the same roles in the same order
        @settings(
            max_examples=cases, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
        )
        @given(case=_cases(target.operation), chosen=st.integers(0, 2**32))
        def sent(case: AnyCase, chosen: int) -> None:
            chance = random.Random(chosen)  # noqa: S311  # a seed's, so that a run can be repeated
            role = _role(target, chance)
            self._aim(target, case, chance)
            try:
                answer = send(self._send(target, case, role))
            except httpx.InvalidURL:  # longer than our own client sends
                reject()
            self._judge(target, case, role, answer)

        sent()

    def _aim(self, target: Target, case: AnyCase, chance: random.Random) -> None:
        """Make the case meet something: a path that is there, a body whose references are."""
        if chance.random() < REAL:
            case.path_parameters = {**case.path_parameters, **self.world.parameters(target.path, chance)}
        kind = chance.random()
        if chance.random() < KEYLESS:
            case.headers.pop("Idempotency-Key", None)
        if target.content is not None and kind < MIXED:
            case.body, case.media_type = target.content, "application/octet-stream"
        example = self.world.example(target.method, target.path, f"n{chance.getrandbits(40)}")
        if example is not None and kind < MIXED:
            case.body = example if kind < EXAMPLE or not isinstance(case.body, dict) else _merged(case.body, example)
            case.media_type = "application/json"
        if isinstance(case.body, dict) and isinstance(count := case.body.get("count"), int):
            case.body = {**case.body, "count": min(count, MOST_AT_ONCE)}

    async def _send(self, target: Target, case: AnyCase, role: str) -> httpx.Response:
        told = case.as_transport_kwargs(base_url=f"http://api{target.prefix}")
        told["headers"].pop("Authorization", None)
        told["headers"].update(self.world.people[role].headers)
        request: Any = requests.Request(**{name: told[name] for name in _WIRE if name in told}).prepare()
        headers = {name: value.encode() if isinstance(value, str) else value for name, value in request.headers.items()}
        answer = await self.world.api.client.request(request.method, request.url, headers=headers, content=request.body or b"")
        self.world.learn(answer.request.url.path, answer)
        return answer

    def _judge(self, target: Target, case: AnyCase, role: str, answer: httpx.Response) -> None:
        self.report.answers[target.name][answer.status_code] += 1
        anybodys = (target.method, target.path) in OPEN
        if role == "anonymous" and not anybodys and answer.status_code != 401 and not _is_before_all(answer):
            self._found(target, "it does not refuse whoever has no token", role, answer)
        if (target.method, target.path, answer.status_code) in EXPECTED:
            return
        try:
            case.validate_response(answer, checks=CHECKS)
        except FailureGroup as failures:
            for failure in failures.exceptions:
                self._found(target, f"{failure}", role, answer)

    def _found(self, target: Target, failure: str, role: str, answer: httpx.Response) -> None:
        request = answer.request
        body = f"\n    body {request.content[:1000]!r}" if request.content else ""
        asked = f"{request.method} {request.url}{body}"
        told = f"{target.name}, as {role}: {failure}\n    {asked}\n    {answer.status_code} {answer.text[:600]}"
        self.report.findings.setdefault((target.name, failure.partition("\n")[0]), told)


_WIRE = ("method", "url", "headers", "params", "json", "data", "files", "cookies")


def _role(target: Target, chance: random.Random) -> str:
    if target.of_platform and chance.random() < 0.5:
        return "admin"
    return chance.choices(list(ROLES), list(ROLES.values()))[0]


def _cases(operation: AnyOperation) -> st.SearchStrategy[AnyCase]:
    right = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
    wrong = operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)
    return st.one_of(right, right, wrong)


def _merged(generated: dict[str, Any], example: dict[str, Any]) -> dict[str, Any]:
    """The example, with what was made up besides."""
    merged = {**generated, **example}
    for name, value in example.items():
        if isinstance(value, dict) and isinstance(generated.get(name), dict):
            merged[name] = {**generated[name], **value}
    return merged


def _is_before_all(answer: httpx.Response) -> bool:
    """Refused before it is asked who calls: an address with a line break belongs to no application, a long one is not read."""
    return answer.status_code == 414 or "route_not_found" in answer.text

"""Everything that goes wrong answers a problem, and tells nothing of the inside."""

from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
import structlog
from tests.controlplane.gateway_frame.conftest import Somebody

from groundplane.controlplane.gateway.services import Services

ECHO = "/api/ops/v1/echo"


async def _problem(answer: httpx.Response) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == answer.status_code
    assert problem["type"] == f"https://groundplane.dev/problems/{problem['code']}"
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert problem["instance"] == answer.request.url.path
    assert problem["detail"].endswith((".", "login", "/docs"))
    return problem


async def test_each_bad_field_is_pointed_at(client: httpx.AsyncClient, admin: Somebody) -> None:
    body = {"name": 7, "inner": {"count": "1", "a/b~c": 0}, "more": 1}
    answer = await client.post(ECHO, json=body, headers=admin.headers)
    problem = await _problem(answer)
    assert (answer.status_code, problem["code"]) == (422, "invalid_request")
    assert {each["pointer"] for each in problem["errors"]} == {"/name", "/inner/count", "/inner/a~1b~0c", "/more"}


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (b"{", {"Content-Type": "application/json"}, 400, "malformed_json"),
        (b"\xff\xfe{}", {"Content-Type": "application/json"}, 400, "malformed_json"),
        (b"[" * 100_000, {"Content-Type": "application/json"}, 400, "malformed_json"),
        (
            b'{"name": "x", "inner": {"count": ' + b"9" * 5000 + b"}}",
            {"Content-Type": "application/json"},
            400,
            "malformed_json",
        ),
        (b'{"name": "\\ud800", "inner": {"count": 1}}', {"Content-Type": "application/json"}, 422, "invalid_request"),
        (b"[]", {"Content-Type": "application/json"}, 422, "invalid_request"),
        (b"", {"Content-Type": "application/json"}, 422, "invalid_request"),
        (b"{}", {"Content-Type": "text/plain"}, 415, "unsupported_media_type"),
        (b"{}", {}, 415, "unsupported_media_type"),
    ],
)
async def test_bodies_that_are_no_good(
    client: httpx.AsyncClient, admin: Somebody, content: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    answer = await client.post(ECHO, content=content, headers={**headers, **admin.headers})
    assert (answer.status_code, (await _problem(answer))["code"]) == (status, code)


async def test_addresses_and_methods_that_are_not_there(client: httpx.AsyncClient, admin: Somebody) -> None:
    for path in ("/nowhere", "/api/ops/v1/nowhere", "/api/ops/v1/echo/", "/api/ops"):
        answer = await client.get(path, headers=admin.headers)
        assert (answer.status_code, (await _problem(answer))["code"]) == (404, "route_not_found"), path
    answer = await client.delete(ECHO, headers=admin.headers)
    assert (answer.status_code, (await _problem(answer))["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "OPTIONS, POST"


async def test_an_unexpected_error_is_logged_whole_and_told_not_at_all(client: httpx.AsyncClient, admin: Somebody) -> None:
    with structlog.testing.capture_logs() as lines:
        answer = await client.get("/api/ops/v1/broken", headers=admin.headers)
    problem = await _problem(answer)
    assert (answer.status_code, problem["code"]) == (500, "internal")
    assert "secret detail" not in answer.text
    assert "ZeroDivisionError" not in answer.text
    (line,) = [line for line in lines if line["event"] == "request.failed"]
    assert line["exc_info"]


async def test_a_database_that_is_gone_answers_503(
    client: httpx.AsyncClient, admin: Somebody, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = await client.get("/api/ops/v1/refused-connection", headers=admin.headers)
    problem = await _problem(answer)
    assert (answer.status_code, problem["code"], answer.headers["retry-after"]) == (503, "unavailable", "2")
    assert "10.0.0.1" not in answer.text


async def test_a_connection_that_the_server_ends_answers_503_and_the_next_request_works(
    client: httpx.AsyncClient, admin: Somebody, services: Services, postgres_url: str
) -> None:
    watcher = await asyncpg.connect(postgres_url)
    ended = await watcher.fetchval(
        """SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
           WHERE datname = current_database() AND pid <> pg_backend_pid()"""
    )
    await watcher.close()
    assert ended >= 1
    answers = [(await client.get("/api/common/v1/me", headers=admin.headers)).status_code for _ in range(20)]
    assert set(answers) <= {200, 503}
    assert answers[-1] == 200


async def test_authentication_comes_before_everything(client: httpx.AsyncClient) -> None:
    for request in (
        client.post(ECHO, content=b"{"),
        client.get("/api/ops/v1/nowhere"),
        client.get("/api/ops/v1/things/x", headers={"Authorization": "Basic eDp5"}),
        client.get("/api/ops/v1/things/x", headers={"Authorization": "Bearer"}),
    ):
        answer = await request
        problem = await _problem(answer)
        assert (answer.status_code, problem["code"]) == (401, "unauthenticated")
        assert answer.headers["www-authenticate"] == "Bearer"
        assert "/auth/login" in problem["detail"]


async def test_tokens_that_are_no_good_say_why(client: httpx.AsyncClient, services: Services, admin: Somebody) -> None:
    agent = services.tokens.issue_agent(uuid4(), uuid4(), 60)
    expired = services.tokens._issue(admin.user.id, "api", -1, {"name": "x"})
    details = set()
    for token, code in ((agent, "unauthenticated"), ("rubbish", "unauthenticated"), (expired, "token_expired")):
        answer = await client.get("/api/ops/v1/things/x", headers={"Authorization": f"Bearer {token}"})
        problem = await _problem(answer)
        assert (answer.status_code, problem["code"]) == (401, code)
        details.add(problem["detail"])
    details.add((await client.get("/api/ops/v1/things/x")).json()["detail"])
    assert len(details) == 3


async def test_a_users_token_does_not_open_the_agents_door(client: httpx.AsyncClient, admin: Somebody) -> None:
    assert (await client.get(f"/api/agent/v1/images/{uuid4()}", headers=admin.headers)).status_code == 401

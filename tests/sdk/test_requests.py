"""Errors, retries, tokens and pages, against a real HTTP server."""

import socket
import threading
import time
from contextlib import closing
from importlib.metadata import version

import pytest
from fastapi import Response
from tests.sdk.conftest import QUICK
from tests.sdk.platform import PASSWORD, PROJECT, SPEC, Platform, problem, serving, unavailable

from groundplane.sdk import ApiError, Client, ConnectionFailedError, FieldError, Retries
from groundplane.sdk.login import with_password
from groundplane.sdk.session import Session

VMS = f"{PROJECT}/vms"


def test_a_problem_is_an_error_with_all_that_it_says(platform: Platform, client: Client) -> None:
    errors = [{"pointer": "/spec/vcpus", "detail": "at least 1"}]
    platform.script = [problem(422, "invalid_request", "Mend it.", errors=errors, context={"a": 1})]
    with pytest.raises(ApiError) as caught:
        client.tenant("prj_1").vms.create("a", {**SPEC, "vcpus": 0})
    error = caught.value
    assert (error.status, error.code, error.detail, error.request_id) == (422, "invalid_request", "Mend it.", "r-1")
    assert error.errors == (FieldError("/spec/vcpus", "at least 1"),)
    assert error.context == {"a": 1}
    assert "Mend it." in str(error)
    assert "/spec/vcpus: at least 1" in str(error)


@pytest.mark.parametrize("body", ["<html>Bad gateway</html>", "[]", '{"code": 1}', ""])
def test_what_stands_in_between_may_answer_anything(platform: Platform, client: Client, body: str) -> None:
    platform.script = [Response(body, 502, {"X-Request-Id": "abc"})]
    with pytest.raises(ApiError) as caught:
        client.tenant("prj_1").vms.get("a")
    assert (caught.value.status, caught.value.code, caught.value.request_id) == (502, "http_502", "abc")


def test_a_read_is_sent_again_while_the_platform_says_when(platform: Platform, client: Client) -> None:
    platform.script = [unavailable(), unavailable()]
    assert client.tenant("prj_1").vms.get("vm_a").name == "a"
    assert platform.count("GET", f"{VMS}/vm_a") == 3


def test_retry_after_is_kept(platform: Platform, client: Client) -> None:
    platform.script = [unavailable("1")]
    started = time.monotonic()
    client.tenant("prj_1").vms.get("vm_a")
    assert time.monotonic() - started >= 1.0


def test_a_pause_longer_than_the_budget_is_not_made(platform: Platform, client: Client) -> None:
    platform.script = [unavailable("60")]
    started = time.monotonic()
    with pytest.raises(ApiError, match="unavailable"):
        client.tenant("prj_1").vms.get("vm_a")
    assert time.monotonic() - started < 2


def test_a_read_is_not_sent_again_when_nothing_says_that_it_helps(platform: Platform, client: Client) -> None:
    platform.script = [unavailable(None)]
    with pytest.raises(ApiError):
        client.tenant("prj_1").vms.get("vm_a")
    assert platform.count("GET", f"{VMS}/vm_a") == 1


def test_any_request_waits_for_a_platform_that_is_not_there_yet() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    platform = Platform(tokens={"t"})
    done = threading.Event()

    def serve_late() -> None:
        time.sleep(0.4)
        with serving(platform, port):
            done.wait(10)

    late = threading.Thread(target=serve_late)
    late.start()
    try:
        with Client(f"http://127.0.0.1:{port}", "t", retries=QUICK) as client:
            assert client.tenant("prj_1").vms.create("a", SPEC).name == "a"
    finally:
        done.set()
        late.join()
    assert platform.count("POST", VMS) == 1


def test_a_create_whose_answer_was_lost_is_sent_again_with_the_same_key() -> None:
    """Nobody knows whether it was carried out; the platform knows it again by its key."""
    heard: list[bytes] = []

    def hang_up(listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            heard.append(connection.recv(65536))
            connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=hang_up, args=(listener,))
        thread.start()
        with (
            Client(f"http://127.0.0.1:{listener.getsockname()[1]}", "t", retries=QUICK) as client,
            pytest.raises(ConnectionFailedError, match="POST"),
        ):
            client.tenant("prj_1").vms.create("a", SPEC, idempotency_key="mine")
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert len(heard) > 3
    assert all(request.startswith(b"POST") and b"\r\nidempotency-key: mine\r\n" in request.lower() for request in heard)


def test_a_platform_that_stays_away_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with Client(url, "t", retries=Retries(budget=0.2)) as client, pytest.raises(ConnectionFailedError, match=url):
        client.common.me.get()


def test_an_expired_token_is_renewed_and_the_request_sent_again(platform: Platform, client: Client) -> None:
    platform.tokens.clear()
    assert client.tenant("prj_1").vms.create("a", SPEC).name == "a"
    assert (platform.logins, platform.refreshes) == (1, 1)
    assert len(platform.bodies) == 1


def test_a_session_that_was_ended_is_begun_anew(platform: Platform, client: Client) -> None:
    platform.tokens.clear()
    platform.refresh_tokens.clear()
    assert client.tenant("prj_1").vms.create("a", SPEC).name == "a"
    assert (platform.logins, platform.refreshes) == (2, 0)


def test_a_refresh_token_is_sent_once(platform: Platform, client: Client) -> None:
    for _ in range(3):
        platform.tokens.clear()
        client.tenant("prj_1").vms.get("a")
    assert (platform.logins, platform.refreshes) == (1, 3)


def test_a_platform_that_is_away_while_refreshing_costs_no_session(platform: Platform, client: Client) -> None:
    platform.tokens.clear()
    platform.script = [problem(401, "token_expired", "Log in again."), problem(500, "internal", "Try again.")]
    with pytest.raises(ApiError, match="internal"):
        client.tenant("prj_1").vms.get("a")
    client.tenant("prj_1").vms.get("a")
    assert (platform.logins, platform.refreshes) == (1, 1)


def test_a_token_is_renewed_before_it_expires(platform: Platform) -> None:
    platform.lifetime = 0
    with Client(platform.url, retries=QUICK) as client:
        client.login("a@example.org", PASSWORD)
        client.tenant("prj_1").vms.get("a")
    assert (platform.logins, platform.refreshes) == (1, 1)
    assert platform.count("GET", f"{VMS}/a") == 1


def test_many_threads_renew_once(platform: Platform, client: Client) -> None:
    platform.tokens.clear()
    threads = [threading.Thread(target=client.tenant("prj_1").vms.get, args=("a",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (platform.logins, platform.refreshes) == (1, 1)


def test_without_credentials_a_refused_token_is_told(platform: Platform) -> None:
    with Client(platform.url, "stale", retries=QUICK) as client, pytest.raises(ApiError, match="token_expired"):
        client.tenant("prj_1").vms.get("a")
    assert platform.count("GET", f"{VMS}/a") == 1


def test_a_wrong_password_is_told_and_not_remembered(platform: Platform, client: Client) -> None:
    with pytest.raises(ApiError, match="invalid_credentials"):
        client.login("a@example.org", "wrong")
    platform.tokens.clear()
    client.tenant("prj_1").vms.get("a")


def test_the_password_is_in_no_text_about_the_client(client: Client) -> None:
    assert PASSWORD not in repr(vars(client.session.conversation))


def test_a_list_goes_through_all_pages_as_it_is_taken(platform: Platform, client: Client) -> None:
    platform.names = [f"n{number}" for number in range(8)]
    found = client.tenant("prj_1").vms.list(label={"env": "prod", "tier": "web"}, status="active")
    assert platform.count("GET", VMS) == 0
    assert next(found).name == "n0"
    assert platform.count("GET", VMS) == 1
    assert [each.name for each in found] == platform.names[1:]
    queries = [query for method, path, query in platform.requests if path == VMS]
    assert [query.get("cursor") for query in queries] == [None, "n2", "n5"]
    assert all(query["label"] == "env=prod,tier=web" and query["status"] == "active" for query in queries)
    assert all("name" not in query for query in queries)


def test_a_reference_stays_one_part_of_the_path(platform: Platform, client: Client) -> None:
    client.tenant("prj_1").vms.get("a/../../b?c=d")
    assert platform.requests[-1] == ("GET", f"{VMS}/a/../../b?c=d", {})


def test_only_what_is_said_is_changed(platform: Platform, client: Client) -> None:
    vms = client.tenant("prj_1").vms
    vms.update("a", labels={})
    vms.update("a", name="b", spec={"power": "stopped"})
    assert platform.bodies == [{"labels": {}}, {"name": "b", "spec": {"power": "stopped"}}]


def test_the_platform_is_told_which_program_asks(platform: Platform, client: Client) -> None:
    client.tenant("prj_1").vms.get("a")
    with closing(Session(platform.url, program="backup")) as session:
        with_password(session, "a@example.org", PASSWORD)
    release = version("groundplane")
    assert platform.agents[-2:] == [f"groundplane-sdk/{release}", f"backup/{release}"]

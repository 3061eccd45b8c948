"""The real processes with a real bus and database: one trace goes through all of them, and each tells its figures."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from tests.collector import Collector, collecting
from tests.conftest import MakeDatabase
from tests.dataplane.agent.server import NatsServer

from groundplane.processes.layout import free_port
from groundplane.sdk import Client

CALLER = "b7ad6b7169203331"
Json = dict[str, Any]


@dataclass
class House:
    """api, worker and agent, each a process, on the simulated data plane."""

    home: Path
    environment: dict[str, str]
    collector: Collector
    api: str = ""
    ports: dict[str, int] = field(default_factory=dict)
    processes: "list[subprocess.Popen[bytes]]" = field(default_factory=list)
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=30))
    project: str = ""

    def start(self) -> None:
        """Start everything and log in."""
        port = free_port()
        self.api = f"http://127.0.0.1:{port}"
        self.environment["GROUNDPLANE_API_PORT"] = str(port)
        subprocess.run(self._command("migrate"), env=self.environment, check=True, stderr=subprocess.DEVNULL)
        for name in ("api", "worker", "agent"):
            self.ports[name] = free_port()
            environment = {**self.environment, "GROUNDPLANE_METRICS_PORT": str(self.ports[name])}
            with (self.home / f"{name}.log").open("wb") as output:
                self.processes.append(subprocess.Popen(self._command(name), env=environment, stderr=output))
        until(self._serves, "the api does not serve")
        credentials = json.loads((self.home / "admin.json").read_text())
        token = self.client.post(f"{self.api}/api/common/v1/auth/login", json=credentials).json()["access_token"]
        self.client.headers["Authorization"] = f"Bearer {token}"
        organization = self.post("/api/common/v1/organizations", {"name": "acme"})
        project = self.post(f"/api/common/v1/organizations/{organization['id']}/projects", {"name": "web"})
        self.project = f"/api/tenant/v1/projects/{project['id']}"

    def stop(self) -> None:
        """End everything gently."""
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.client.close()

    def post(self, path: str, body: Json, **headers: str) -> Json:
        """Make something."""
        answer = self.client.post(f"{self.api}{path}", json=body, headers=headers)
        assert answer.status_code in {201, 202}, answer.text
        made: Json = answer.json()
        return made

    def get(self, path: str) -> Json:
        """Read something."""
        answer = self.client.get(f"{self.api}{path}")
        assert answer.status_code == 200, answer.text
        body: Json = answer.json()
        return body

    def trace(self, job: Json) -> Json:
        """The waterfall of a job."""
        return self.get(f"{job['links']['self']}/trace")

    def figures(self, name: str) -> dict[str, float]:
        """What a process tells Prometheus."""
        text = httpx.get(f"http://127.0.0.1:{self.ports[name]}/metrics").text
        lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
        return {series: float(value) for series, _, value in lines}

    def made(self, name: str, **headers: str) -> Json:
        """A network whose job has ended, and that job."""
        network = self.post(f"{self.project}/networks", {"name": name}, **headers)
        href = network["job"]["href"]
        until(lambda: self.get(href)["ended_at"], "the job does not end")
        job = self.get(href)
        assert job["state"] == "SUCCEEDED", job
        return job

    def _serves(self) -> bool:
        try:
            return self.client.get(f"{self.api}/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def _command(self, name: str) -> list[str]:
        return ["setpriv", "--pdeathsig=KILL", sys.executable, "-m", "groundplane.processes.main", name]


def until(condition: Callable[[], object], otherwise: str, seconds: float = 90) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.05)


@pytest_asyncio.fixture(scope="module")
async def house(make_database: MakeDatabase) -> AsyncIterator[House]:
    """Everything, running."""
    url = await make_database()
    with tempfile.TemporaryDirectory(prefix="gp-traces-") as name, collecting() as collector:
        nats = NatsServer(Path(name))
        nats.start()
        environment = os.environ | {
            "GROUNDPLANE_DATA_DIR": name,
            "GROUNDPLANE_DATABASE_URL": url,
            "GROUNDPLANE_NATS_URL": nats.url,
            "GROUNDPLANE_DATA_PLANE": "simulated",
            "GROUNDPLANE_TRACE_SAMPLE_RATIO": "0",
            "GROUNDPLANE_OTLP_ENDPOINT": collector.endpoint,
        }
        house = House(Path(name), environment, collector)
        try:
            await asyncio.to_thread(house.start)
            yield house
        finally:
            await asyncio.to_thread(house.stop)
            nats.kill()


def walk(spans: list[Json]) -> Iterator[Json]:
    """Every bar."""
    for span in spans:
        yield span
        yield from walk(span["children"])


def test_one_trace_goes_through_api_bus_agent_provider_and_worker(house: House) -> None:
    trace_id = os.urandom(16).hex()
    job = house.made("sampled", traceparent=f"00-{trace_id}-{CALLER}-01")
    wanted = {
        ("api", "POST /api/tenant/v1/projects/{project_id}/networks"),
        ("api", "transaction"),
        ("api", "network.ensure ensure"),
        ("api", "task.publish"),
        ("agent", "agent.task"),
        ("agent", "ensure network"),
        ("worker", "report.apply"),
    }
    until(lambda: {(span["service"], span["name"]) for span in walk(house.trace(job)["spans"])} >= wanted, "spans are missing")
    trace = house.trace(job)
    assert (trace["state"], trace["trace_id"]) == ("kept", trace_id)
    (request,) = [span for span in trace["spans"] if span["name"].startswith("POST ")]
    assert {(span["service"], span["name"]) for span in walk([request])} >= wanted
    assert all(span["duration_ms"] >= 0 and span["start_ms"] >= 0 for span in walk(trace["spans"]))


def test_the_client_reads_the_waterfall(house: House) -> None:
    job = house.made("read")
    with Client(house.api) as client:
        client.login(**json.loads((house.home / "admin.json").read_text()))
        trace = client.tenant(house.project.rpartition("/")[2]).jobs.trace(job["id"])
    assert (trace.job_id, trace.trace_id, trace.state, trace.source) == (job["id"], job["trace_id"], "not_sampled", "history")
    (whole,) = trace.spans
    assert (whole.name, whole.children[0].name) == ("job", "network.ensure ensure")


def test_the_same_trace_reaches_a_collector_from_each_process(house: House) -> None:
    trace_id = os.urandom(16).hex()
    house.made("exported", traceparent=f"00-{trace_id}-{CALLER}-01")
    services = {"groundplane-api", "groundplane-worker", "groundplane-agent"}
    until(lambda: {service for service, _ in house.collector.of_trace(trace_id)} == services, "a process sent no span")
    spans = [span for _, span in house.collector.of_trace(trace_id)]
    assert len({span.span_id for span in spans}) == len(spans)


def test_a_trace_that_is_not_sampled_leaves_nothing_and_says_so_on_its_way(house: House) -> None:
    trace_id = os.urandom(16).hex()
    job = house.made("unsampled", traceparent=f"00-{trace_id}-{CALLER}-00")
    trace = house.trace(job)
    assert (trace["trace_id"], trace["state"], trace["source"]) == (trace_id, "not_sampled", "history")
    assert {"agent.task", "ensure network"} <= {span["name"] for span in walk(trace["spans"])}
    answer = house.client.get(f"{house.api}{house.project}/networks")
    assert answer.headers["traceparent"].endswith("-00")


def test_the_api_tells_requests_jobs_and_connections(house: House) -> None:
    house.made("counted")
    figures = house.figures("api")
    route = "/api/tenant/v1/projects/{project_id}/networks"
    assert figures[f'http_request_seconds_count{{method="POST",route="{route}",status="202"}}'] >= 1
    assert figures["jobs_past_deadline"] == 0
    assert figures["jobs_seconds_behind"] >= 0
    assert figures['database_connections{what="most"}'] >= figures['database_connections{what="open"}'] >= 1
    assert not any("prj_" in series for series in figures)


def test_the_worker_tells_reports_and_its_queue(house: House) -> None:
    before = house.figures("worker").get('reports_applied_total{outcome="done"}', 0)
    house.made("reported")
    figures = house.figures("worker")
    assert figures['reports_applied_total{outcome="done"}'] == before + 1
    queues = {series.partition("{")[2] for series in figures if series.startswith("queue_messages")}
    assert any('stream="REPORTS"' in queue for queue in queues)
    assert any('stream="TASKS"' in queue for queue in queues)
    assert figures["spans_dropped_total"] == 0


def test_the_agent_tells_its_work(house: House) -> None:
    figures = house.figures("agent")
    assert figures["agent_tasks_in_flight"] == 0


def test_figures_are_on_loopback_alone_and_not_on_the_apis_port(house: House) -> None:
    assert house.client.get(f"{house.api}/metrics").status_code == 404
    for port in house.ports.values():
        with pytest.raises(OSError, match="refused"), socket.create_connection(("127.0.0.2", port), 2):
            pass

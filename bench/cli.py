"""How long a person waits for the command line, with bytecode compiled as the set-up does it.

An installation of its own with the simulated data plane, in it a project with 50 machines. Each command is a process of its
own, as a shell starts it, again and again; the figures are medians.

- `help_ms`: `gp --help`, from the start of the process to its end.
- `list_beyond_request_ms`: `gp vm list`, less what the same request takes by a client that runs already and opens a connection
  for it.
- `help_cpu_ms`, `list_cpu_ms`: the processor's time of one such process, which a busy machine does not change.
- `python_ms`: the interpreter alone, doing nothing: what none of these can be without.
"""

import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import httpx
from bench.installation import IMAGE, NETWORK, Installation, Project, installation
from bench.results import Figure

from groundplane.sdk import Client
from groundplane.sdk.bodies import RootVolume, VmRequest

ROUNDS = 21
MACHINES = 50
GP = str(Path(sys.executable).with_name("gp"))
HELP_MS, LIST_MS = 250.0, 400.0


def run() -> list[Figure]:
    """Measure."""
    subprocess.run(
        [sys.executable, "-m", "compileall", "-q", "src"], check=True, env=_environment(), cwd=Path(__file__).parents[1]
    )
    with installation(hosts=1) as made:
        project = made.furnish(1)[0]
        _fill(made, project)
        project = made.log_in(project)
        programs = {"GROUNDPLANE_URL": made.endpoints.api, "GROUNDPLANE_API_KEY": project.token}
        programs["GROUNDPLANE_PROJECT"] = project.public_id
        listed, list_cpu = _timed(lambda: _ran([GP, "vm", "list"], programs))
        request = _median_ms(lambda: _asked(made, project))
    helped, help_cpu = _timed(lambda: _ran([GP, "--help"], {}))
    return [
        Figure("help_ms", helped, "ms", HELP_MS, "lower"),
        Figure("list_beyond_request_ms", listed - request, "ms", LIST_MS, "lower"),
        Figure("help_cpu_ms", help_cpu, "ms", None, "lower"),
        Figure("list_cpu_ms", list_cpu, "ms", None, "lower"),
        Figure("list_ms", listed, "ms", None, "lower"),
        Figure("request_ms", request, "ms", None, "lower"),
        Figure("python_ms", _median_ms(lambda: _ran([sys.executable, "-c", "pass"], {})), "ms", None, "lower"),
    ]


def _fill(made: Installation, project: Project) -> None:
    root: RootVolume = {"image": IMAGE, "size_gib": 1}
    spec: VmRequest = {"vcpus": 1, "memory_mib": 64, "root_volume": root, "nics": [{"network": NETWORK}]}
    with Client(made.endpoints.api, project.token) as client:
        client.tenant(project.public_id).vms.create_many("web", MACHINES, spec, wait=True)


def _asked(made: Installation, project: Project) -> None:
    with httpx.Client(headers={"Authorization": f"Bearer {project.token}"}) as client:
        page = client.get(f"{made.endpoints.api}{project.path}/vms", params={"limit": 200}).raise_for_status().json()
    if len(page["items"]) != MACHINES:
        raise RuntimeError(f"{len(page['items'])} machines are there")


def _ran(argv: Sequence[str], more: Mapping[str, str]) -> None:
    subprocess.run(argv, check=True, env={**_environment(), **more}, stdout=subprocess.DEVNULL)


def _environment() -> dict[str, str]:
    """Ours, without what says where to ask or forbids bytecode."""
    return {
        name: value for name, value in os.environ.items()
        if not name.startswith("GROUNDPLANE_") and name != "PYTHONDONTWRITEBYTECODE"
    }  # fmt: skip


def _timed(do: Callable[[], None]) -> tuple[float, float]:
    """The median of how long it takes, and the processor's time of each process that it starts, in milliseconds."""
    before = _cpu_seconds()
    wall = _median_ms(do)
    return wall, (_cpu_seconds() - before) * 1000 / ROUNDS


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _median_ms(do: Callable[[], None]) -> float:
    taken = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        do()
        taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken)

"""What a type checker finds in a program that uses the SDK, and what it lets pass."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

RIGHT = """
from groundplane.sdk import AsyncClient, Client, Event
from groundplane.sdk.bodies import VmRequest

def program(client: Client) -> int:
    spec: VmRequest = {"vcpus": 1, "memory_mib": 64, "root_volume": {"image": "tiny", "size_gib": 1}}
    vm = client.tenant("prj_1").vms.create("web", spec, labels={"a": "b"}, wait=True, timeout=5.0, on_step=print)
    for each in client.tenant("prj_1").vms.list(label={"a": "b"}, created_after=vm.created_at):
        each.observed.power == "running"
    client.ops.quota.change("prj_1", {"vms": None})
    return vm.spec.vcpus

async def same(client: AsyncClient) -> list[str]:
    vm = await client.tenant("prj_1").vms.get("web")
    async for event in client.tenant("prj_1").events(cursor="1-1"):
        assert isinstance(event, Event)
    return [nic.port for nic in vm.spec.nics]
"""

WRONG = {
    'client.tenant("p").vms.create("web", {"cpus": 1})': "typeddict-item",
    'client.tenant("p").vms.create("web")': "call-arg",
    'client.tenant("p").vms.get("web").spec.cpus': "attr-defined",
    'client.tenant("p").vms.get("web").spec.vcpus + "1"': "operator",
    'client.tenant("p").vms.get("web").status == "activ"': "comparison-overlap",
    'client.tenant("p").vms.update("web", spec={"power": "on"})': "arg-type",
    'client.tenant("p").vms.delete("web", await_it=True)': "call-arg",
    'client.tenant("p").vms.dry_run.delete("web").created_count.x': "attr-defined",
    'client.tenant("p").vmz': "attr-defined",
    'client.ops.quota.change("p", {"vmz": 1})': "typeddict-unknown-key",
}


@pytest.mark.slow
def test_wrong_programs_are_found_and_right_ones_are_not(tmp_path: Path) -> None:
    (tmp_path / "right.py").write_text(RIGHT)
    lines = ["from groundplane.sdk import Client", "def program(client: Client) -> None:", *(f"    {line}" for line in WRONG)]
    (tmp_path / "wrong.py").write_text("\n".join(lines) + "\n")
    options = ["--strict", "--no-error-summary", "--cache-dir", str(tmp_path / "cache"), "--config-file", ""]
    argv = [sys.executable, "-m", "mypy", *options, str(tmp_path / "right.py"), str(tmp_path / "wrong.py")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=ROOT, env={"MYPYPATH": str(ROOT / "src")})
    found: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        file, number, kind, said = line.split(":", 3)
        if kind.strip() == "error":
            where = Path(file).stem if Path(file).stem != "wrong" else lines[int(number) - 1].strip()
            found.setdefault(where, []).append(said)
    assert set(found) == set(WRONG), done.stdout
    for line, code in WRONG.items():
        assert any(f"[{code}]" in said for said in found[line]), found[line]

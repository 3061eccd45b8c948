"""The KVM probe: its guest runs where guests run, and its verdict holds until the next boot."""

import shutil
import subprocess
from pathlib import Path

import pytest

from groundplane.processes import kvm
from groundplane.processes.kvm import KvmVerdict, kvm_verdict, probe
from groundplane.processes.layout import read_json, write_json

with_qemu = pytest.mark.skipif(shutil.which(kvm.QEMU) is None, reason="needs QEMU")


@pytest.mark.real
@with_qemu
def test_the_probe_guest_itself_is_sound() -> None:
    """Under emulation it must reach its end, so that a failure under KVM is KVM's."""
    assert probe("tcg").usable


@pytest.mark.real
@with_qemu
def test_a_guest_that_gets_nowhere_in_time_is_a_no(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kvm, "SECONDS", 0.01)
    verdict = probe("tcg")
    assert not verdict.usable
    assert "gets nowhere" in verdict.reason


@pytest.mark.real
@with_qemu
def test_the_verdict_agrees_with_a_kernel_in_long_mode_or_names_the_reason(tmp_path: Path) -> None:
    verdict = kvm_verdict(tmp_path)
    assert verdict.reason
    if not verdict.usable:
        listed = subprocess.run([kvm.QEMU, "-accel", "help"], capture_output=True, text=True, check=True)
        assert "tcg" in listed.stdout, "what guests then run under must be there"


def test_the_verdict_is_asked_for_once_a_boot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def answer() -> KvmVerdict:
        asked.append("asked")
        return KvmVerdict(True, "a guest ran")

    monkeypatch.setattr(kvm, "probe", answer)
    assert kvm_verdict(tmp_path) == kvm_verdict(tmp_path) == KvmVerdict(True, "a guest ran")
    assert len(asked) == 1
    memory = tmp_path / "kvm.json"
    write_json(memory, {**read_json(memory), "boot_id": "the boot before"})
    kvm_verdict(tmp_path)
    assert len(asked) == 2


def test_changed_permissions_are_a_reason_to_ask_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = tmp_path / "kvm"
    device.touch(mode=0o600)
    monkeypatch.setattr(kvm, "_DEVICE", device)
    monkeypatch.setattr(kvm, "probe", lambda: KvmVerdict(device.stat().st_mode & 0o777 == 0o660, "as it is"))
    assert not kvm_verdict(tmp_path).usable
    device.chmod(0o660)
    assert kvm_verdict(tmp_path).usable


def test_no_device_no_kvm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kvm, "_DEVICE", Path("/nonexistent"))
    assert not probe("kvm").usable

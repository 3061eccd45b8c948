"""The local data plane's own daemons, libvirt, Open vSwitch and OVN, in a mount and network namespace of their own.

The machine's own libvirtd and Open vSwitch are never touched: inside the namespace /run is an empty file system, and
the engines' other folders are bound to folders of the data directory. Defines no network, pool or guest.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import uuid
from collections.abc import Sequence
from pathlib import Path

from groundplane.processes.embedded import PLAIN_ENVIRONMENT
from groundplane.processes.kvm import kvm_verdict
from groundplane.processes.layout import Layout
from groundplane.processes.pids import ProcessRef, everyone, namespace
from groundplane.processes.supervisor import Hook, Part, PartFailedError, Probe, Service, Step

ENVIRONMENT = {
    **PLAIN_ENVIRONMENT,
    "OVS_RUNDIR": "/run/openvswitch",
    "OVS_DBDIR": "/var/lib/openvswitch",
    "OVS_LOGDIR": "/var/log/openvswitch",
    "OVN_RUNDIR": "/run/ovn",
    "OVN_DBDIR": "/var/lib/ovn",
    "OVN_LOGDIR": "/var/log/ovn",
}
_LOGGING = ("-vconsole:info", "-vsyslog:off")
_CONF_DB = "/var/lib/openvswitch/conf.db"
_OVS_SOCKET = "/run/openvswitch/db.sock"
_NB_SOCKET = "/run/ovn/ovnnb_db.sock"
_SB_SOCKET = "/run/ovn/ovnsb_db.sock"

# What is bound over what, inside the namespace: folder of the data directory -> folder of the engine.
_BINDS = {
    "run/libvirt": "/run/libvirt",
    "run/openvswitch": "/run/openvswitch",
    "run/ovn": "/run/ovn",
    "engines/libvirt/lib": "/var/lib/libvirt",
    "engines/libvirt/etc": "/etc/libvirt",
    "engines/libvirt/log": "/var/log/libvirt",
    "engines/libvirt/cache": "/var/cache/libvirt",
    "engines/openvswitch/lib": "/var/lib/openvswitch",
    "engines/openvswitch/log": "/var/log/openvswitch",
    "engines/ovn/lib": "/var/lib/ovn",
    "engines/ovn/log": "/var/log/ovn",
}
_COMPLETE = "/run/groundplane.complete"

# A fresh network namespace wants a sysfs of its own, or /sys/class/net shows the machine's devices. Namespaces of other
# installations that were mounted when ours was made are let go, or they would live as long as ours.
_FURNISH = """\
set -eu
data=$1; shift
awk '$0 ~ / - nsfs / { print $5 }' /proc/self/mountinfo | while read -r path; do umount -l "$path" || true; done
umount -l "$data/run/ns" || true
ip link set lo up
mount -t sysfs -o nosuid,nodev,noexec sysfs /sys
mount -t tmpfs -o mode=0755,nosuid,nodev tmpfs /run
mkdir -p /run/lock
while [ $# -gt 0 ]; do
  mkdir -p "$2"
  mount --bind "$data/$1" "$2"
  shift 2
done
printf "%s\n" "$data" > {complete}
""".replace("{complete}", _COMPLETE)

# Where KVM does not run guests its device is covered by a file that nobody may read: otherwise libvirt, as root, finds
# KVM and, as the guests' user, does not, and probes QEMU anew at every call (seen: 76 s for a start). The verdict may
# change while the namespace stands. The cover is known by the file itself: in a container the device may be a mount too.
_COVER_KVM = """\
set -eu
usable=$1 cover=$2
if [ "$usable" = yes ]; then
  if [ "$cover" -ef /dev/kvm ]; then umount /dev/kvm; fi
elif [ -e /dev/kvm ] && ! [ "$cover" -ef /dev/kvm ]; then
  mount --bind "$cover" /dev/kvm
fi
"""

_LIBVIRTD_CONF = """\
unix_sock_group = "root"
unix_sock_ro_perms = "0700"
unix_sock_rw_perms = "0700"
unix_sock_admin_perms = "0700"
auth_unix_ro = "none"
auth_unix_rw = "none"
host_uuid = "{uuid}"
log_level = 3
log_outputs = "3:stderr"
max_clients = 500
max_workers = 40
"""
# Guests run as Debian's user for them. Cgroups would be the machine's own, shared with its own libvirtd, so none are
# used; and a private /dev for each guest needs mounts that not every machine grants.
_QEMU_CONF = """\
user = "libvirt-qemu"
group = "kvm"
dynamic_ownership = 1
security_driver = "none"
namespaces = []
cgroup_controllers = []
stdio_handler = "logd"
max_core = 0
"""
_VIRTLOGD_CONF = """\
log_level = 3
log_outputs = "3:stderr"
max_size = 4194304
max_backups = 2
"""


class DataPlane:
    """The daemons of one data directory, for the one host that this machine is."""

    def __init__(self, layout: Layout, host: str) -> None:
        self.layout = layout
        self.host = host
        self.network_namespace = layout.run / "ns" / "net"
        self.mount_namespace = layout.run / "ns" / "mnt"

    def addresses(self) -> dict[str, str]:
        """Return where the engines are reached from outside of the namespace."""
        run = self.layout.run
        return {
            "host": self.host,
            "libvirt_uri": f"qemu+unix:///system?socket={run}/libvirt/libvirt-sock",
            "ovn_northbound": f"unix:{run}/ovn/ovnnb_db.sock",
            "ovn_southbound": f"unix:{run}/ovn/ovnsb_db.sock",
            "ovs": f"unix:{run}/openvswitch/db.sock",
            "network_namespace": str(self.network_namespace),
            "mount_namespace": str(self.mount_namespace),
        }

    def parts(self) -> list[Part]:
        """Declare the namespaces and the daemons in them."""
        ovn_remote = f"unix:{_SB_SOCKET}"
        return [
            Step("kvm", self._probe_kvm, plane="data"),
            Step("namespaces", lambda: asyncio.to_thread(self.ensure_namespaces), plane="data", needs=("kvm",)),
            self._daemon("virtlogd", ("virtlogd",), self._connects("libvirt/virtlogd-sock")),
            self._daemon("libvirtd", ("libvirtd",), self._libvirt_answers, needs=("virtlogd",)),
            self._daemon(
                "ovsdb",
                ("ovsdb-server", _CONF_DB, f"--remote=punix:{_OVS_SOCKET}", "--unixctl=/run/openvswitch/ovsdb.ctl"),
                self._connects("openvswitch/db.sock"),
                prepare=self._database(_CONF_DB, "/usr/share/openvswitch/vswitch.ovsschema"),
                settle=self._name_chassis(ovn_remote),
            ),
            self._ovn_database("nb", _NB_SOCKET),
            self._ovn_database("sb", _SB_SOCKET),
            self._daemon(
                "vswitchd",
                ("ovs-vswitchd", f"unix:{_OVS_SOCKET}", "--unixctl=/run/openvswitch/vswitchd.ctl"),
                self._connects("openvswitch/vswitchd.ctl"),
                needs=("ovsdb",),
            ),
            self._daemon(
                "northd",
                ("ovn-northd", f"--ovnnb-db=unix:{_NB_SOCKET}", f"--ovnsb-db={ovn_remote}",
                 "--unixctl=/run/ovn/northd.ctl"),
                self._connects("ovn/northd.ctl"),
                needs=("ovn-nb", "ovn-sb"),
            ),
            self._daemon(
                "ovn-controller",
                ("ovn-controller", f"unix:{_OVS_SOCKET}"),
                self._has_bridge,
                needs=("vswitchd", "ovn-sb"),
            ),
        ]  # fmt: skip

    async def _probe_kvm(self) -> None:
        await asyncio.to_thread(kvm_verdict, self.layout.root)

    def enter(self, *argv: str) -> tuple[str, ...]:
        """Return the command line that runs `argv` inside the namespaces; the process keeps its pid."""
        return ("nsenter", f"--mount={self.mount_namespace}", f"--net={self.network_namespace}", "--", *argv)

    # -- namespaces --------------------------------------------------------------------------------

    def ensure_namespaces(self) -> None:
        """Make the namespaces and what is mounted in them, unless they stand already.

        Raises:
            PartFailedError: this machine does not let us, with the tool's own words.
        """
        self._furnish_folders()
        if not (self.standing() and _run(self.enter("test", "-e", _COMPLETE)).returncode == 0):
            self._make_namespaces()
        usable = "yes" if kvm_verdict(self.layout.root).usable else "no"
        _must(*self.enter("sh", "-c", _COVER_KVM, "cover", usable, str(self._cover())))

    def _make_namespaces(self) -> None:
        self.release_namespaces()
        holder = self.network_namespace.parent
        holder.mkdir(exist_ok=True)
        # A mount namespace can only be bound where mounts do not propagate.
        _must("mount", "--bind", str(holder), str(holder))
        _must("mount", "--make-private", str(holder))
        for path in (self.network_namespace, self.mount_namespace):
            path.touch()
        pairs = [word for pair in _BINDS.items() for word in pair]
        self._unshare("sh", "-c", _FURNISH, "furnish", str(self.layout.root), *pairs)

    def _unshare(self, *furnish: str) -> None:
        """Make both namespaces, bind them to their paths, and run `furnish` inside.

        A mount namespace cannot be bound from one with a higher number (EINVAL), and since Linux 6.18 each CPU takes the
        numbers from a range of its own. Where ours is not the machine's first, as in a container, only some CPUs will do.
        """
        argv = ("unshare", f"--net={self.network_namespace}", f"--mount={self.mount_namespace}", "--propagation", "private")
        done = _run((*argv, *furnish))
        for cpu in sorted(os.sched_getaffinity(0)):
            if "Invalid argument" not in done.stderr:
                break
            _run(("umount", "-l", str(self.network_namespace)))
            done = _run(("taskset", "--cpu-list", str(cpu), *argv, *furnish))
        _check(argv[0], done)

    def standing(self) -> bool:
        """Tell whether both namespaces are mounted at their paths (after a reboot the paths are plain files)."""
        targets = mounts_below(self.network_namespace.parent)
        return {self.network_namespace, self.mount_namespace} <= set(targets)

    def release_namespaces(self) -> None:
        """Unmount the namespaces' paths; the namespaces go with the last process in them."""
        for path in reversed(mounts_below(self.network_namespace.parent)):
            _run(("umount", "-l", str(path)))

    def inhabitants(self) -> list[ProcessRef]:
        """Find all processes that live in the namespaces: daemons, guests, and what else was started there.

        They are known by what they see at /run, so that they are found even when the namespaces' paths are gone.
        """
        everybody = list(everyone())
        ours = {ref for ref in everybody if self._sees_mark(ref)}
        networks = {namespace(ref.pid, "net") for ref in ours}
        if self.standing():
            networks.add(self.network_namespace.stat().st_ino)
        networks -= {namespace(os.getpid(), "net"), 0}
        return sorted(ours | {ref for ref in everybody if namespace(ref.pid, "net") in networks})

    def _sees_mark(self, ref: ProcessRef) -> bool:
        if namespace(ref.pid, "mnt") in (namespace(os.getpid(), "mnt"), 0):
            return False
        try:
            return Path(f"/proc/{ref.pid}/root{_COMPLETE}").read_text().strip() == str(self.layout.root)
        except OSError:
            return False

    def _furnish_folders(self) -> None:
        for folder in _BINDS:
            (self.layout.root / folder).mkdir(parents=True, exist_ok=True)
        (self.layout.root / "engines").chmod(0o711)
        # virtlogd makes no folders, and libvirtd makes this one only for logs of its own.
        (self.layout.root / "engines" / "libvirt" / "log" / "qemu").mkdir(exist_ok=True)
        etc = self.layout.root / "engines" / "libvirt" / "etc"
        filters = Path("/etc/libvirt/nwfilter")
        if filters.is_dir():
            shutil.copytree(filters, etc / "nwfilter", dirs_exist_ok=True)
        for name, text in (
            ("libvirtd.conf", _LIBVIRTD_CONF.format(uuid=self._host_uuid())),
            ("qemu.conf", _QEMU_CONF),
            ("virtlogd.conf", _VIRTLOGD_CONF),
        ):
            (etc / name).write_text(text)

    def _cover(self) -> Path:
        path = self.layout.root / "engines" / "no-kvm"
        path.touch()
        path.chmod(0)
        return path

    def _host_uuid(self) -> str:
        path = self.layout.root / "engines" / "host-uuid"
        if not path.exists():
            path.write_text(f"{uuid.uuid4()}\n")
        return path.read_text().strip()

    # -- daemons -----------------------------------------------------------------------------------

    def _daemon(
        self,
        name: str,
        argv: Sequence[str],
        ready: Probe,
        needs: tuple[str, ...] = (),
        prepare: Hook | None = None,
        settle: Hook | None = None,
    ) -> Service:
        logging = _LOGGING if argv[0].startswith(("ovs", "ovn")) else ()
        return Service(
            name=name,
            argv=self.enter(*argv, *logging),
            env=ENVIRONMENT,
            ready=ready,
            plane="data",
            needs=("namespaces", *needs),
            prepare=prepare,
            settle=settle,
            adopt=True,
            fits=self._lives_here,
            stop_signal=signal.SIGTERM,
        )

    def _ovn_database(self, which: str, socket: str) -> Service:
        path = f"/var/lib/ovn/{which}.db"
        return self._daemon(
            f"ovn-{which}",
            ("ovsdb-server", path, f"--remote=punix:{socket}", f"--unixctl=/run/ovn/{which}.ctl"),
            self._connects(f"ovn/ovn{which}_db.sock"),
            prepare=self._database(path, f"/usr/share/ovn/ovn-{which}.ovsschema"),
            settle=self._inside(f"ovn-{which}ctl", f"--db=unix:{socket}", "init"),
        )

    def _lives_here(self, ref: ProcessRef) -> bool:
        return self.standing() and namespace(ref.pid, "net") == self.network_namespace.stat().st_ino

    def _database(self, path: str, schema: str) -> Hook:
        """Return a hook that makes the database beside its place and moves it there, or converts an older schema."""

        async def make() -> None:
            script = (
                'if [ -s "$1" ]; then [ "$(ovsdb-tool needs-conversion "$1" "$2")" = no ] || ovsdb-tool convert "$1" "$2"; '
                'else rm -f "$1.new"; ovsdb-tool create "$1.new" "$2" && mv "$1.new" "$1"; fi'
            )
            await self._must_inside("sh", "-euc", script, "database", path, schema)

        return make

    def _name_chassis(self, remote: str) -> Hook:
        # All in one transaction: a chassis that is seen without its system-id loops for ever (field experience).
        ids = {
            "system-id": self.host,
            "hostname": self.host,
            "ovn-remote": remote,
            "ovn-encap-type": "geneve",
            "ovn-encap-ip": "127.0.0.1",
            "ovn-bridge-datapath-type": "netdev",
            "ovn-monitor-all": "true",
        }
        settings = [f'external_ids:{key}="{value}"' for key, value in ids.items()]
        return self._inside(
            "ovs-vsctl", f"--db=unix:{_OVS_SOCKET}", "--no-wait", "--", "init", "--", "set", "Open_vSwitch", ".", *settings
        )

    def _inside(self, *argv: str) -> Hook:
        async def run() -> None:
            await self._must_inside(*argv)

        return run

    async def _must_inside(self, *argv: str) -> None:
        process = await asyncio.create_subprocess_exec(
            *self.enter(*argv), env=ENVIRONMENT, cwd="/", stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
        )
        _, words = await process.communicate()
        if process.returncode != 0:
            raise PartFailedError(f"{argv[0]}: {words.decode(errors='replace').strip()[-500:]}")

    def _connects(self, socket: str) -> Probe:
        path = self.layout.run / socket

        async def probe(_pid: int) -> bool:
            _, writer = await asyncio.open_unix_connection(path)
            writer.close()
            return True

        return probe

    async def _libvirt_answers(self, _pid: int) -> bool:
        if not (self.layout.run / "libvirt" / "libvirt-sock").exists():
            return False
        uri = self.addresses()["libvirt_uri"]
        asked = await asyncio.create_subprocess_exec(
            "virsh", "-q", "-c", uri, "uri", env=PLAIN_ENVIRONMENT, cwd="/",
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        return await asked.wait() == 0

    async def _has_bridge(self, _pid: int) -> bool:
        """The integration bridge is made by ovn-controller itself, so its tap tells that the controller works."""
        asked = await asyncio.create_subprocess_exec(
            *self.enter("test", "-e", "/sys/class/net/br-int"), env=ENVIRONMENT, cwd="/"
        )
        return await asked.wait() == 0


def mounts_below(directory: Path) -> list[Path]:
    """Return the mount points at or below `directory`, in the order in which they were mounted."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    targets = [Path(os.fsdecode(line.split()[4].encode().decode("unicode_escape").encode("latin-1"))) for line in lines]
    return [target for target in targets if target == directory or target.is_relative_to(directory)]


def _must(*argv: str) -> None:
    _check(argv[0], _run(argv))


def _check(tool: str, done: "subprocess.CompletedProcess[str]") -> None:
    if done.returncode != 0:
        raise PartFailedError(f"{tool}: {done.stderr.strip()[-500:]}")


def _run(argv: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(argv, env=PLAIN_ENVIRONMENT, cwd="/", capture_output=True, text=True, check=False)

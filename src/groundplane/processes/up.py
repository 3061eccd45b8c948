"""The commands `up`, `down`, `restart`, `status` and `doctor`: what a person sees of the supervisor.

Start one process, the supervisor; everything else is asked of it, or of what it left behind.
"""

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from groundplane.processes import doctor as examination
from groundplane.processes.control import NotRunningError, ask, is_locked, take_lock, wait_unlocked
from groundplane.processes.layout import (
    DEFAULT_PORT,
    Endpoints,
    Installation,
    Layout,
    UnfitDirectoryError,
    data_directory,
    read_json,
)
from groundplane.processes.takedown import (
    LeftOverError,
    control_survivors,
    data_survivors,
    end_control_plane,
    take_away,
)

FAILED, UNFIT, RUNNING_ALREADY, NOT_RUNNING = 1, 2, 3, 4
"""Exit codes: a part failed; cannot work here as asked; already running; not running."""

STATELESS = ("migrate", "api", "worker", "agent")
"""What `restart` restarts when nothing is named."""

Name = Annotated[str, typer.Option(help="Which installation of this machine.")]
DataDir = Annotated[Path | None, typer.Option(help="Where its data is, if not at the usual place.")]


def up(
    name: Name = "default",
    simulated: Annotated[
        bool | None, typer.Option("--simulated/--real", help="The simulated data plane, or the real one (needs root).")
    ] = None,
    hosts: Annotated[int | None, typer.Option(min=1, help="How many simulated hosts.")] = None,
    data_dir: DataDir = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="The api's port on 127.0.0.1.")] = None,
    foreground: Annotated[bool, typer.Option(help="Stay, and stop the control plane at Ctrl-C.")] = False,
) -> None:
    """Start everything on this machine and wait until it is ready."""
    began = time.monotonic()
    layout = data_directory(name, data_dir)
    wish = _wish(layout, name, simulated, hosts, port)
    _check_fitness(layout, wish)
    _make_directory(layout)
    lock = take_lock(layout)
    if lock is None:
        _say_running(layout)
        raise typer.Exit(RUNNING_ALREADY)
    wish.save(layout)
    is_first = not layout.administrator.exists()
    logged = {path: path.stat().st_size for path in layout.logs.glob("*.log")}
    supervisor = _start_supervisor(layout, lock)
    os.close(lock)
    try:
        status = _watch_start(layout, supervisor)
    except KeyboardInterrupt:
        _stop(layout)
        raise
    if status["phase"] != "running":
        _say_failed(layout, status, logged)
        _stop(layout)
        raise typer.Exit(FAILED)
    _say_up(layout, time.monotonic() - began)
    if is_first:
        _tell_administrator(layout)
    if foreground:
        try:
            supervisor.wait()
        except KeyboardInterrupt:
            _stop(layout)


def down(
    name: Name = "default",
    everything: Annotated[bool, typer.Option("--all", help="Take away guests, the data plane and all data too.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before deleting.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Stop the control plane; guests and the data plane go on, unless --all takes everything away."""
    layout = data_directory(name, data_dir)
    if not layout.root.exists():
        typer.echo(f"There is nothing at {layout.root}.")
        return
    if not layout.is_ours():
        _refuse(f"{layout.root} was not made by Groundplane; nothing was touched.")
    if everything and not yes and sys.stdin.isatty():
        typer.confirm(f"Delete all guests and all data of {layout.root}?", abort=True)
    _stop(layout)
    lock = take_lock(layout)
    if lock is None:
        _refuse(f"A supervisor still runs for {layout.root}; see {layout.log('supervisor')}.", FAILED)
    if everything:
        try:
            take_away(layout, typer.echo)
        except LeftOverError as error:
            _refuse(f"Left over:\n{error}", FAILED)
        return
    end_control_plane(layout)
    typer.echo("The control plane is stopped.")
    if left := data_survivors(layout):
        typer.echo(
            f"Guests and the data plane go on, unsupervised until the next `groundplane up` ({len(left)} daemons). "
            "Take everything away: groundplane down --all"
        )


def restart(
    names: Annotated[list[str] | None, typer.Argument(help="Parts; by default api, worker and agent.")] = None,
    name: Name = "default",
    data_dir: DataDir = None,
) -> None:
    """Restart parts of the control plane, or any named ones; guests are not touched."""
    layout = data_directory(name, data_dir)
    began = time.monotonic()
    try:
        answer = ask(layout, {"do": "restart", "names": names or list(STATELESS)}, seconds=180)
    except NotRunningError:
        _refuse(f"Nothing is supervised at {layout.root}. Start it: groundplane up", NOT_RUNNING)
    if error := answer.get("error"):
        _refuse(str(error), FAILED)
    typer.echo(f"Restarted {', '.join(names or STATELESS[1:])} in {time.monotonic() - began:.1f} s.")


def status(
    name: Name = "default",
    output: Annotated[str, typer.Option("--output", "-o", help="table or json.")] = "table",
    data_dir: DataDir = None,
) -> None:
    """Show each part, and where everything is to be reached."""
    layout = data_directory(name, data_dir)
    picture = _picture(layout)
    if output == "json":
        typer.echo(json.dumps(picture, indent=2))
    else:
        _print_picture(layout, picture)
    if picture["supervisor"] is None:
        raise typer.Exit(NOT_RUNNING)
    if picture["phase"] != "running" or any(part["state"] not in ("ready", "done") for part in picture["parts"]):
        raise typer.Exit(FAILED)


def doctor(
    name: Name = "default",
    simulated: Annotated[bool, typer.Option(help="Only what the simulated data plane needs.")] = False,
    port: Annotated[int, typer.Option(help="The port that the api would take.")] = DEFAULT_PORT,
    data_dir: DataDir = None,
) -> None:
    """Say for each part whether it can work here, why not, and what to type."""
    layout = data_directory(name, data_dir)
    findings = examination.examine(layout, port, "simulated" if simulated else "local")
    sign = {"ok": "ok     ", "slower": "slower ", "missing": "MISSING"}
    for finding in findings:
        typer.echo(f"{sign[finding.verdict]}  {finding.part:<15} {finding.detail}")
        if finding.advice:
            typer.echo(f"{'':26}{finding.advice}")
    if any(finding.verdict == "missing" for finding in findings):
        raise typer.Exit(FAILED)


# What `up` does, in its order.


def _wish(layout: Layout, name: str, simulated: bool | None, hosts: int | None, port: int | None) -> Installation:
    """Combine what is asked now with what was asked when the directory was made."""
    before = Installation.load(layout)
    wish = before or Installation(name=name)
    if simulated is None and hosts is not None and before is None:
        _refuse("--hosts says how many simulated hosts there are; add --simulated.")
    if simulated is not None:
        wish = dataclasses.replace(wish, data_plane="simulated" if simulated else "local")
    if before is not None and wish.data_plane != before.data_plane:
        _refuse(
            f"{layout.root} was made with the {before.data_plane} data plane. Choose another --name, or take it away "
            "first: groundplane down --all"
        )
    if wish.data_plane == "simulated":
        wish = dataclasses.replace(wish, simulated_hosts=hosts or wish.simulated_hosts or 3)
    return dataclasses.replace(wish, port=port) if port is not None else wish


def _check_fitness(layout: Layout, wish: Installation) -> None:
    try:
        layout.check()
    except UnfitDirectoryError as error:
        _refuse(str(error))
    if wish.data_plane == "local" and not is_locked(layout) and (missing := examination.obstacles()):
        _refuse("\n".join(f"{finding.part}: {finding.detail}. To do: {finding.advice}" for finding in missing))


def _make_directory(layout: Layout) -> None:
    try:
        layout.create()
    except OSError as error:
        _refuse(f"{layout.root} cannot be made: {error.strerror}. Name another place with --data-dir.")


def _start_supervisor(layout: Layout, lock: int) -> "subprocess.Popen[bytes]":
    """Start the supervisor in a session of its own, and hand it the lock's descriptor: the lock is never free between."""
    with layout.log("supervisor").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "groundplane.processes.supervise", str(layout.root), str(lock)],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[lock],
            start_new_session=True,
        )


def _watch_start(layout: Layout, supervisor: "subprocess.Popen[bytes]") -> dict[str, Any]:
    """Show each part as it gets ready; return the last status, with phase `failed` if the supervisor itself ended."""
    shown: set[str] = set()
    last: dict[str, Any] = {"parts": [], "phase": "starting", "failed": None}
    with _waiting() as waiting:
        while supervisor.poll() is None:
            try:
                last = ask(layout, {"do": "status"})
            except NotRunningError:
                time.sleep(0.05)
                continue
            for part in last["parts"]:
                if part["state"] in ("ready", "done") and part["name"] not in shown:
                    shown.add(part["name"])
                    how = "adopted" if part["adopted"] else f"{part['start_s']:.2f} s"
                    typer.echo(f"  {part['name']:<15} {how}")
            waiting("starting " + ", ".join(part["name"] for part in last["parts"] if part["state"] == "starting"))
            if last["phase"] != "starting":
                return last
            time.sleep(0.05)
    return {**last, "phase": "failed", "failed": last["failed"] or "supervisor"}


@contextlib.contextmanager
def _waiting() -> Iterator[Callable[[str], None]]:
    """Give a function that shows what is being waited for, on a terminal; nothing elsewhere."""
    if not sys.stdout.isatty():
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415 - costs more than all the rest of a command

    with Console().status("starting") as line:
        yield line.update


def _say_up(layout: Layout, seconds: float) -> None:
    endpoints = Endpoints.load(layout)
    installation = Installation.load(layout)
    if endpoints is None or installation is None:
        raise LookupError(f"{layout.root} lost its records while starting")
    which = "" if installation.name == "default" else f" --name {installation.name}"
    if layout != data_directory(installation.name):
        which = f" --data-dir {layout.root}"
    plane = "the real data plane"
    if endpoints.data_plane == "simulated":
        plane = f"the simulated data plane, {endpoints.simulated_hosts} hosts"
    typer.echo(f"Groundplane is up after {seconds:.1f} s, with {plane}.")
    typer.echo(f"  console  {endpoints.api}/console/")
    typer.echo(f"  API      {endpoints.api}/docs")
    typer.echo(f"  shell    gp login {endpoints.api}")
    typer.echo(f"  data     {endpoints.data_dir}")
    typer.echo(f"Next: groundplane status{which} | groundplane down{which} | groundplane down{which} --all")


def _tell_administrator(layout: Layout) -> None:
    """Whom to log in as, once; whoever missed it finds it in the file, until that is deleted."""
    told = read_json(layout.administrator)
    if told:
        typer.echo(f"The first administrator is {told['email']}, with the password {told['password']}")
        typer.echo(f"This is told once. Change it in the console, and delete {layout.administrator}.")


def _say_running(layout: Layout) -> None:
    supervisor = read_json(layout.processes).get("supervisor", {}).get("pid", "?")
    endpoints = Endpoints.load(layout)
    url = f", {endpoints.api}" if endpoints else ""
    typer.echo(f"Groundplane already runs on {layout.root} (supervisor pid {supervisor}{url}).", err=True)


def _say_failed(layout: Layout, status: dict[str, Any], logged: dict[Path, int]) -> None:
    """Name the part, why, and what it wrote to its log since this `up` began (`logged`: the logs' lengths before)."""
    part = status["failed"] or "supervisor"
    detail = next((p["detail"] for p in status["parts"] if p["name"] == part), "")
    typer.echo(f"{part} failed{f': {detail}' if detail else ''}.", err=True)
    path = layout.log(part)
    if path.is_file():
        lines = path.read_bytes()[logged.get(path, 0) :].decode(errors="replace").splitlines()[-15:]
        typer.echo("".join(f"  | {line}\n" for line in lines) + f"Its log: {path}", err=True)


def _stop(layout: Layout) -> None:
    """Ask the supervisor, if there is one, to stop the control plane, and wait until it has ended."""
    try:
        ask(layout, {"do": "stop"})
    except NotRunningError:
        return
    wait_unlocked(layout, 90)


# What `status` shows.


def _picture(layout: Layout) -> dict[str, Any]:
    endpoints = Endpoints.load(layout)
    shown = dataclasses.asdict(endpoints) if endpoints else {}
    if "nats_url" in shown:
        shown["nats_url"] = _without_password(shown["nats_url"])
        shown["database_url"] = _without_password(shown["database_url"])
    try:
        answer = ask(layout, {"do": "status"})
    except NotRunningError:
        answer = {"supervisor": None, "phase": "stopped", "failed": None, "parts": list(_survivors(layout))}
    return {"data_dir": str(layout.root), **answer, "endpoints": shown}


def _survivors(layout: Layout) -> Iterator[dict[str, Any]]:
    for plane, found in (("control", control_survivors(layout)), ("data", data_survivors(layout))):
        for name, ref in found:
            yield {"name": name, "plane": plane, "kind": "service", "state": "unsupervised", "pid": ref.pid}


def _print_picture(layout: Layout, picture: dict[str, Any]) -> None:
    if picture["supervisor"] is None:
        typer.echo(f"supervisor: not running ({layout.root})")
    else:
        typer.echo(f"supervisor: pid {picture['supervisor']}, {picture['phase']} ({layout.root})")
    row = "{:<15} {:<8} {:<13} {:>8} {:>9} {:>9} {:>9}  {}".format
    if picture["parts"]:
        typer.echo(row("PART", "PLANE", "STATE", "PID", "UPTIME", "RESTARTS", "MEMORY", "").rstrip())
    for part in picture["parts"]:
        memory = part.get("memory_mib")
        typer.echo(
            row(
                part["name"],
                part["plane"],
                part["state"],
                part["pid"] or "",
                _span(part.get("uptime_s")),
                part.get("restarts", "") if part["kind"] == "service" else "",
                f"{memory:.0f} MiB" if memory is not None else "",
                part.get("detail", ""),
            ).rstrip()
        )
    endpoints = picture["endpoints"]
    figures = {f"metrics of {part}": url for part, url in endpoints.get("metrics", {}).items()}
    for key, value in {**endpoints, "metrics": None, **figures}.items():
        if value is not None:
            typer.echo(f"{key:<18} {value}")


def _span(seconds: float | None) -> str:
    if seconds is None:
        return ""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{rest:02}s"


def _without_password(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    credentials, at, place = rest.rpartition("@")
    return f"{scheme}{separator}{credentials.partition(':')[0]}{at}{place}"


def _refuse(sentence: str, code: int = UNFIT) -> NoReturn:
    typer.echo(sentence, err=True)
    raise typer.Exit(code)

"""Where the time of running processes goes: py-spy beside each, and a summary of what it saw.

Needs py-spy (`uv pip install py-spy`), and root where ptrace is restricted.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

RATE = 100
"""Samples per second."""
_LINES = 45


@contextlib.contextmanager
def sampled(pids: Mapping[str, int], folder: Path) -> Iterator[None]:
    """Sample the processes while the block runs.

    Leaves in `folder` for each name NAME.stacks (one line a stack, `frame;frame;… count`, as flame graph tools read it) and
    NAME.txt (see `summary`). Raises FileNotFoundError without py-spy.
    """
    program = shutil.which("py-spy", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if program is None:
        raise FileNotFoundError("There is no py-spy. Install it: uv pip install py-spy")
    folder.mkdir(parents=True, exist_ok=True)
    spies = {name: _spy(program, pid, folder / f"{name}.stacks") for name, pid in pids.items()}
    try:
        yield
    finally:
        for spy in spies.values():
            spy.send_signal(signal.SIGINT)
        for name, spy in spies.items():
            spy.wait(60)
            with contextlib.suppress(FileNotFoundError):
                (folder / f"{name}.txt").write_text(summary((folder / f"{name}.stacks").read_text()))


def _spy(program: str, pid: int, out: Path) -> "subprocess.Popen[bytes]":
    # Only threads that hold the interpreter's lock: uvloop's wait for events looks like work otherwise.
    argv = [program, "record", "--pid", str(pid), "--gil", "--rate", str(RATE), "--format", "raw", "--duration", "3600"]
    return subprocess.Popen([*argv, "-o", str(out)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def summary(stacks: str) -> str:
    """Two tables of collapsed stacks: in which functions the time was, and in them or whatever they called.

    What is in every stack, such as `main`, is left out of the second.
    """
    own, whole, total = Counter[str](), Counter[str](), 0
    for line in stacks.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = [_function(frame) for frame in stack.split(";")]
        own[frames[-1]] += int(count)
        whole.update(dict.fromkeys(frames, int(count)))
        total += int(count)
    for name in [name for name, count in whole.items() if count == total and name not in own]:
        del whole[name]
    return f"{total} samples\n\nown time\n{_table(own, total)}\n\nwith what it calls\n{_table(whole, total)}\n"


def _function(frame: str) -> str:
    """`name (file.py:12)` without the line: time is added up by function."""
    place, colon, _ = frame.rpartition(":")
    return f"{place})" if colon else frame


def _table(samples: Counter[str], total: int) -> str:
    return "\n".join(f"{count / max(1, total):7.1%}  {name}" for name, count in samples.most_common(_LINES))

"""The tutorial's commands are typed, in their order, and say what the page says that they say."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from groundplane.processes.layout import free_port

REPOSITORY = Path(__file__).resolve().parents[2]
TUTORIAL = REPOSITORY / "docs/tutorial/index.md"
SECONDS = 280
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """Commands, and the lines that their output has, in this order; `…` stands for anything within a line."""

    commands: str
    expected: tuple[str, ...] = ()

    def missing(self, output: str) -> list[str]:
        """The lines that are not in the output, or not after those before them."""
        lines, at = output.splitlines(), 0
        for index, line in enumerate(self.expected):
            pattern = re.compile(r".*?".join(map(re.escape, re.split(r"\s*…\s*", line.strip()))))
            found = next((number for number in range(at, len(lines)) if pattern.search(lines[number])), None)
            if found is None:
                return list(self.expected[index:])
            at = found + 1
        return []


def blocks(text: str) -> Iterator[Block]:
    """Each ```bash block, with what the ```text block right behind it says of its output."""
    fences = _FENCE.findall(text)
    for (language, body), (after, told) in zip(fences, [*fences[1:], ("", "")], strict=True):
        if language == "bash":
            yield Block(body, tuple(told.splitlines()) if after == "text" else ())


def test_a_page_is_read_as_blocks_and_what_they_say() -> None:
    page = "```sh\nnot run\n```\n```bash\necho a\n```\n\n```text\na …\n```\n```bash\ntrue\n```\n"
    assert list(blocks(page)) == [Block("echo a\n", ("a …",)), Block("true\n")]
    assert Block("", ("vm web (…): active", "b")).missing("x vm web (vm_1): active, running\nb\n") == []
    assert Block("", ("web … running",)).missing("web   active  running") == []
    assert Block("", ("a", "b")).missing("b\na\n") == ["b"]
    assert Block("", ("a.c",)).missing("abc") == ["a.c"]


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 20)
def test_the_tutorial_does_what_it_says() -> None:
    told = list(blocks(TUTORIAL.read_text()))
    assert len(told) > 15
    folder = Path(tempfile.mkdtemp(prefix="groundplane-tour-"))  # short enough for sockets
    folder.chmod(0o755)  # PostgreSQL runs as a user of its own
    outputs = [folder / f"{number}.txt" for number in range(len(told))]
    pairs = zip(told, outputs, strict=True)
    # One shell for all of it, as a reader has; it ends at the first command that fails.
    script = "".join(f"{{\n{block.commands}}} > {output} 2>&1\n" for block, output in pairs)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GROUNDPLANE_")}
    environment |= {"DATA": str(folder / "data"), "PORT": str(free_port()), "PWD": str(REPOSITORY)}
    try:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script], cwd=REPOSITORY, env=environment, text=True, timeout=SECONDS,
            check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        said = [output.read_text() if output.exists() else "" for output in outputs]
        assert done.returncode == 0, f"{done.stdout}\nthe last that was said: {[text for text in said if text][-1:]}"
        for block, text in zip(told, said, strict=True):
            assert block.missing(text) == [], f"{block.commands}\nsaid\n{text}"
        assert not (folder / "data").exists()
    finally:
        if (folder / "data").exists():
            command = [sys.executable, "-m", "groundplane.processes.main", "down", "--all", "--yes", "--data-dir"]
            subprocess.run([*command, str(folder / "data")], check=False, timeout=120, env=environment)
        shutil.rmtree(folder, ignore_errors=True)

"""What a benchmark found: figures with their goals, kept in `bench/results/NAME.json` and told in `docs/performance.md`.

Measures nothing itself.
"""

import ast
import json
import math
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self

import psutil

REPOSITORY = Path(__file__).parents[1]
RESULTS = REPOSITORY / "bench" / "results"
PAGE = REPOSITORY / "docs" / "performance.md"

_SIGNIFICANT_DIGITS = 6


@dataclass(frozen=True)
class Figure:
    """One number of a benchmark. `goal` is None for what only explains the others."""

    name: str
    value: float
    unit: str
    goal: float | None
    better: Literal["lower", "higher"]

    def __post_init__(self) -> None:
        """Refuse what is no number: it would be neither met nor missed."""
        if not math.isfinite(self.value):
            raise ValueError(f"{self.name} is {self.value}")

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached; None without a goal."""
        if self.goal is None:
            return None
        return self.value <= self.goal if self.better == "lower" else self.value >= self.goal


@dataclass(frozen=True)
class Machine:
    """Where it was measured. `virtualization` is how guests ran: kvm or tcg; None when there were none."""

    cores: int
    memory_mib: int
    cpu: str
    kernel: str
    virtualization: str | None = None

    @classmethod
    def here(cls, virtualization: str | None = None) -> Self:
        """This machine. Cores are those that this process may use."""
        memory_mib = psutil.virtual_memory().total >> 20
        return cls(len(os.sched_getaffinity(0)), memory_mib, _cpu_model(), platform.release(), virtualization)


@dataclass(frozen=True)
class Result:
    """The last run of a benchmark. `commit` ends in `-dirty` if the tree had changes; `date` is UTC, in ISO 8601."""

    commit: str
    date: str
    machine: Machine
    figures: tuple[Figure, ...]

    @classmethod
    def now(cls, figures: Iterable[Figure], virtualization: str | None = None) -> Self:
        """What was found just now, here. Raises ValueError when there is nothing, or two figures of a name."""
        found = tuple(figures)
        if not found or len({figure.name for figure in found}) != len(found):
            raise ValueError("a benchmark has figures, and each a name of its own")
        date = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(current_commit(REPOSITORY), date, Machine.here(virtualization), found)

    @classmethod
    def read(cls, path: Path) -> Self:
        """A kept result."""
        body = json.loads(path.read_text())
        figures = tuple(Figure(name, **each) for name, each in body["figures"].items())
        return cls(body["commit"], body["date"], Machine(**body["machine"]), figures)

    def write(self, path: Path) -> None:
        """Keep it; the file is whole, or what it was."""
        figures = {figure.name: _without_name(figure) for figure in self.figures}
        body = {"commit": self.commit, "date": self.date, "machine": asdict(self.machine), "figures": figures}
        path.parent.mkdir(exist_ok=True)
        aside = path.with_suffix(".new")
        aside.write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n")
        aside.replace(path)


def _without_name(figure: Figure) -> dict[str, Any]:
    value = float(f"{figure.value:.{_SIGNIFICANT_DIGITS}g}")
    return {"value": value, "unit": figure.unit, "goal": figure.goal, "better": figure.better}


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return platform.machine()


def current_commit(repository: Path) -> str:
    """The commit that is checked out, and whether something was changed since; the results themselves do not count."""
    git = ["git", "-C", str(repository)]
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    own = [f":(exclude){path.relative_to(REPOSITORY)}" for path in (RESULTS, PAGE)]
    changed = subprocess.run([*git, "diff", "--quiet", "HEAD", "--", ".", *own], check=False).returncode
    return f"{commit}-dirty" if changed else commit


def benchmarks(folder: Path = REPOSITORY / "bench") -> list[str]:
    """The names of all benchmarks: the modules beside this one that have a `run`."""
    return sorted(path.stem for path in folder.glob("*.py") if _runs(path))


def _runs(path: Path) -> bool:
    functions = (node for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return any(node.name == "run" for node in functions)


def purpose(name: str, folder: Path = REPOSITORY / "bench") -> str:
    """What a benchmark's own docstring says. Nothing is imported."""
    return ast.get_docstring(ast.parse((folder / f"{name}.py").read_text())) or ""


def spoken(value: float) -> str:
    """A number for people: four significant digits, thousands apart."""
    if value == 0 or not 1e-4 <= abs(value) < 1e15:
        return f"{value:.4g}"
    digits = max(0, 3 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def goal_of(figure: Figure) -> str:
    """The goal for people: `at most 1.15`."""
    if figure.goal is None:
        return ""
    return f"{'at most' if figure.better == 'lower' else 'at least'} {spoken(figure.goal)}"


def verdict(figure: Figure) -> str:
    """`met`, `not met`, or nothing for a figure without a goal."""
    return {True: "met", False: "not met", None: ""}[figure.met]


def page(results: Mapping[str, Result], purposes: Mapping[str, str]) -> str:
    """`docs/performance.md`: the last results, and what each means."""
    parts = [_HEAD, _table(results)]
    parts += [_section(name, purposes[name], results.get(name)) for name in sorted(purposes)]
    return "\n\n".join(parts) + "\n"


_HEAD = """# Performance

<!-- Written by bench/run.py from bench/results; do not edit. -->

`make bench` runs every benchmark and writes this page; `.venv/bin/python bench/run.py NAME …` runs some. Ratios are taken
within one run, so that they mean the same on another machine; seconds do not. What each number means stands below the table."""


def _table(results: Mapping[str, Result]) -> str:
    rows = [
        (name, f"`{figure.name}`", f"{spoken(figure.value)} {figure.unit}", goal_of(figure), verdict(figure))
        for name, result in sorted(results.items())
        for figure in result.figures
    ]
    return _markdown(("Benchmark", "Figure", "Value", "Goal", ""), rows) if rows else "Nothing was measured yet."


def _markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _section(name: str, purpose: str, result: Result | None) -> str:
    told = f"## {name}\n\n{purpose}"
    if result is None:
        return f"{told}\n\nNot measured yet."
    machine = result.machine
    guests = f", guests by {machine.virtualization}" if machine.virtualization else ""
    place = f"{machine.cores} cores of {machine.cpu}, {machine.memory_mib:,} MiB, Linux {machine.kernel}{guests}"
    return f"{told}\n\nMeasured {result.date} at commit `{result.commit}`: {place}."

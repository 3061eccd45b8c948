"""Runs the benchmarks, each in a process of its own, and shows which goals are met.

A benchmark is a module beside this one with `run() -> list[Figure]`, async or not; its docstring says what its figures mean.
It may have `virtualization() -> str`, asked after `run`: how its guests ran, kvm or tcg.
"""

import argparse
import asyncio
import importlib
import inspect
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path[0] = str(Path(__file__).parents[1])  # a script is given its own folder, where `bench` is not

from bench.results import (  # noqa: E402
    PAGE,
    REPOSITORY,
    RESULTS,
    Result,
    benchmarks,
    goal_of,
    page,
    purpose,
    spoken,
    verdict,
)

ONE = "--in-this-process"


def main() -> int:
    """0 when every benchmark ran to its end, whether or not its goals are met; else 1."""
    names = benchmarks()
    parser = argparse.ArgumentParser(prog="bench/run.py", description="Run benchmarks; all of them if none is named.")
    parser.add_argument("names", metavar="NAME", nargs="*", help=", ".join(names))
    parser.add_argument(ONE, dest="here", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    unknown = sorted(set(asked.names) - set(names))
    if unknown:
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are: {', '.join(names)}")
    if asked.here:
        for name in asked.names:
            measure(name)
        return 0
    return run_all(asked.names or names)


def run_all(names: list[str]) -> int:
    """Run each in a process, write the page, print the table."""
    failed = []
    for name in names:
        print(f"{name}:", flush=True)
        argv = [sys.executable, "-m", "bench.run", ONE, name]
        if subprocess.run(argv, check=False, cwd=REPOSITORY).returncode:
            failed.append(name)
    kept = {name: Result.read(RESULTS / f"{name}.json") for name in benchmarks() if (RESULTS / f"{name}.json").is_file()}
    PAGE.write_text(page(kept, {name: purpose(name) for name in benchmarks()}))
    show({name: result for name, result in kept.items() if name in names and name not in failed})
    if failed:
        print(f"failed, so that older results stand: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def measure(name: str) -> None:
    """Run one benchmark here and keep what it found."""
    module = importlib.import_module(f"bench.{name}")
    found = module.run()
    figures = asyncio.run(found) if inspect.iscoroutine(found) else found
    virtualization = module.virtualization() if hasattr(module, "virtualization") else None
    Result.now(figures, virtualization).write(RESULTS / f"{name}.json")


def show(results: Mapping[str, Result]) -> None:
    """Print the table."""
    table = Table("Benchmark", "Figure", "Value", "Goal", "")
    colours = {True: "green", False: "bold red", None: ""}
    for name, result in results.items():
        for figure in result.figures:
            value = f"{spoken(figure.value)} {figure.unit}"
            table.add_row(name, figure.name, value, goal_of(figure), verdict(figure), style=colours[figure.met])
        table.add_section()
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())

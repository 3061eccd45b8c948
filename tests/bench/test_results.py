"""Figures and their goals, kept results, the page made from them; and the runner, on benchmarks of the test's own."""

import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from bench.results import REPOSITORY, Figure, Machine, Result, benchmarks, current_commit, goal_of, page, purpose, spoken

RATIO = Figure("ratio", 1.1, "ratio", 1.15, "lower")
RATE = Figure("rate", 950.0, "1/s", 1000, "higher")
SECONDS = Figure("seconds", 2.5, "s", None, "lower")


@pytest.mark.parametrize(
    ("value", "goal", "better", "met"),
    [
        (1.15, 1.15, "lower", True),
        (1.16, 1.15, "lower", False),
        (1000, 1000, "higher", True),
        (999, 1000, "higher", False),
        (5, None, "lower", None),
    ],
)
def test_a_goal_is_met_or_not(value: float, goal: float | None, better: str, met: bool | None) -> None:
    assert Figure("f", value, "s", goal, better).met is met  # type: ignore[arg-type]  # parameters are plain text


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="f is"):
        Figure("f", value, "s", 1, "lower")


@pytest.mark.parametrize("figures", [[], [RATIO, RATIO]])
def test_a_benchmark_has_figures_with_names_of_their_own(figures: list[Figure]) -> None:
    with pytest.raises(ValueError, match="figures"):
        Result.now(figures)


def test_a_result_is_kept_as_it_was(tmp_path: Path) -> None:
    result = Result.now([RATIO, RATE, SECONDS], "kvm")
    path = tmp_path / "results" / "it.json"
    result.write(path)
    assert Result.read(path) == result
    assert [each.name for each in path.parent.iterdir()] == ["it.json"]
    body = json.loads(path.read_text())
    assert body["figures"]["ratio"] == {"value": 1.1, "unit": "ratio", "goal": 1.15, "better": "lower"}
    assert body["machine"]["cores"] == len(os.sched_getaffinity(0))
    assert body["machine"]["kernel"] == platform.release()
    assert body["machine"]["memory_mib"] > 100
    assert body["machine"]["virtualization"] == "kvm"
    assert set(body) == {"commit", "date", "machine", "figures"}


def test_the_commit_says_whether_something_was_changed(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        done = subprocess.run(["git", "-C", str(tmp_path), *identity, *words], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    git("init")
    (tmp_path / "code").write_text("one")
    (tmp_path / "bench" / "results").mkdir(parents=True)
    (tmp_path / "bench" / "results" / "it.json").write_text("{}")
    git("add", ".")
    git("commit", "-m", "first")
    assert current_commit(tmp_path) == git("rev-parse", "HEAD")
    (tmp_path / "bench" / "results" / "it.json").write_text("{ }")
    assert current_commit(tmp_path) == git("rev-parse", "HEAD")
    (tmp_path / "code").write_text("two")
    assert current_commit(tmp_path) == git("rev-parse", "HEAD") + "-dirty"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1.0764, "1.076"), (1.5, "1.5"), (0.01234, "0.01234"), (12, "12"), (9999.4, "9,999"), (1234567, "1,234,567"),
     (1e-7, "1e-07"), (-2.25, "-2.25")],
)  # fmt: skip
def test_numbers_as_people_read_them(value: float, text: str) -> None:
    assert spoken(value) == text


def test_the_page_tells_all_and_is_the_same_each_time() -> None:
    machine = Machine(2, 8192, "A CPU", "6.1", "tcg")
    result = Result("abc", "2026-11-23T12:00:00+00:00", machine, (RATIO, RATE, SECONDS))
    text = page({"made": result}, {"made": "How long it takes.", "later": "Something else."})
    assert text == page({"made": result}, {"later": "Something else.", "made": "How long it takes."})
    assert "| made | `ratio` | 1.1 ratio | at most 1.15 | met |" in text
    assert "| made | `rate` | 950 1/s | at least 1,000 | not met |" in text
    assert "| made | `seconds` | 2.5 s |  |  |" in text
    assert "## made\n\nHow long it takes.\n\nMeasured 2026-11-23T12:00:00+00:00 at commit `abc`: 2 cores of A CPU" in text
    assert "guests by tcg" in text
    assert "## later\n\nSomething else.\n\nNot measured yet." in text
    assert goal_of(SECONDS) == ""


def test_every_benchmark_says_what_its_figures_mean() -> None:
    found = benchmarks()
    assert found
    assert not {"run", "results"} & set(found)
    assert all(len(purpose(name)) > 80 for name in found)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A repository with the frame and three benchmarks."""
    bench = tmp_path / "bench"
    bench.mkdir()
    (tmp_path / "docs").mkdir()
    for name in ("run.py", "results.py"):
        shutil.copy(REPOSITORY / "bench" / name, bench)
    head = '"""Says {}."""\nimport sys, os\nfrom bench.results import Figure\n'
    plain = "def run():\n    return [Figure('process', os.getpid(), 'pid', 1, 'lower')]\n"
    late = "async def run():\n    return [Figure('two', 2, 's', 2, 'higher')]\ndef virtualization():\n    return 'tcg'\n"
    (bench / "plain.py").write_text(head.format("plain things") + plain)
    (bench / "late.py").write_text(head.format("late things") + late)
    (bench / "broken.py").write_text(head.format("nothing") + "def run():\n    raise ZeroDivisionError\n")
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    for words in (["init"], ["add", "."], ["commit", "-m", "first"]):
        subprocess.run(["git", "-C", str(tmp_path), *identity, *words], check=True, capture_output=True)
    return tmp_path


def run(copy: Path, *names: str) -> subprocess.CompletedProcess[str]:
    """The runner, as people call it, from somewhere else."""
    argv = [sys.executable, str(copy / "bench" / "run.py"), *names]
    environment = {**os.environ, "COLUMNS": "120", "NO_COLOR": "1"}
    return subprocess.run(argv, check=False, capture_output=True, text=True, cwd="/", env=environment)


def test_each_benchmark_runs_in_a_process_of_its_own_and_is_told(copy: Path) -> None:
    done = run(copy, "plain", "late")
    assert done.returncode == 0, done.stderr
    assert "not met" in next(line for line in done.stdout.splitlines() if "process" in line)
    assert "at least 2" in next(line for line in done.stdout.splitlines() if "two" in line)
    plain = Result.read(copy / "bench" / "results" / "plain.json")
    late = Result.read(copy / "bench" / "results" / "late.json")
    assert plain.figures[0].value > 1
    assert (plain.machine.virtualization, late.machine.virtualization) == (None, "tcg")
    assert not plain.commit.endswith("-dirty")
    told = (copy / "docs" / "performance.md").read_text()
    assert "Says plain things." in told
    assert "| late | `two` | 2 s | at least 2 | met |" in told


def test_a_benchmark_that_fails_is_told_and_keeps_nobody_from_running(copy: Path) -> None:
    run(copy, "plain")
    done = run(copy)
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
    assert "broken" in done.stderr.splitlines()[-1]
    assert (copy / "bench" / "results" / "late.json").is_file()
    assert not (copy / "bench" / "results" / "broken.json").exists()
    assert "two" in done.stdout


def test_an_unknown_name_is_refused_before_anything_runs(copy: Path) -> None:
    done = run(copy, "plain", "nothing")
    assert done.returncode == 2
    assert "there is no benchmark nothing; there are: broken, late, plain" in done.stderr
    assert not (copy / "bench" / "results").exists()

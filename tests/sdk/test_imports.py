"""A command line starts at every key press: what an import of the SDK loads, and what it does not."""

import subprocess
import sys

import pytest

LOADED = """
import sys
before = set(sys.modules)
{statement}
print(*sorted(name.partition(".")[0] for name in set(sys.modules) - before))
print(*sorted(name for name in set(sys.modules) - before if name.startswith("groundplane.")))
"""


def loaded(statement: str) -> tuple[set[str], set[str]]:
    """The packages, and our own modules, that a statement loads in a new process."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED.format(statement=statement)], capture_output=True, text=True, check=True
    )
    packages, ours = done.stdout.splitlines()
    return set(packages.split()), set(ours.split())


def test_the_front_door_loads_nothing() -> None:
    packages, ours = loaded("import groundplane.sdk")
    assert ours == {"groundplane.sdk"}
    assert not packages & {"httpx", "msgspec", "pydantic", "asyncio"}


@pytest.mark.parametrize("module", ["session", "paging", "login"])
def test_who_wants_no_records_waits_for_none(module: str) -> None:
    packages, ours = loaded(f"import groundplane.sdk.{module}")
    assert not packages & {"httpx", "msgspec", "pydantic", "asyncio"}
    assert not ours & {f"groundplane.sdk.{each}" for each in ("records", "bodies", "blocking", "asynchronous", "making")}


def test_a_client_of_threads_loads_no_asyncio_and_no_transport() -> None:
    packages, ours = loaded("from groundplane.sdk import Client")
    assert not packages & {"httpx", "pydantic", "asyncio"}
    assert not ours & {f"groundplane.sdk.{each}" for each in ("bodies", "asynchronous", "making", "transport")}


def test_each_name_of_the_front_door_is_behind_it() -> None:
    loaded("from groundplane.sdk import *; import groundplane.sdk as s; assert all(getattr(s, name) for name in s.__all__)")

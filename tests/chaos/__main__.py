"""`python -m tests.chaos --seed N --seconds S`: chaos with real processes, and a table of what struck.

Ends with status 1 when an invariant was violated, or when a run of ten minutes struck less than it should.
"""

import argparse
import asyncio
import random
import sys
from collections import Counter

from tests.chaos.storm import GOALS, VICTIMS, Tally, storm

FULL_SECONDS = 600


def main() -> int:
    """Run and tell."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    any_seed = random.randrange(1_000_000)  # noqa: S311 - chance, not secrecy
    parser.add_argument("--seed", type=int, default=any_seed, help="of the schedule; by default another each time")
    parser.add_argument("--seconds", type=float, default=FULL_SECONDS, help="how long, about; the last round is finished")
    asked = parser.parse_args()
    say(f"chaos with seed {asked.seed} for {asked.seconds:.0f} s")
    tally = asyncio.run(storm(asked.seed, asked.seconds, say))
    for line in report(tally):
        say(line)
    missed = missed_goals(tally) if asked.seconds >= FULL_SECONDS else []
    for line in missed:
        say(f"not enough: {line}")
    for line in tally.violations:
        say(f"VIOLATION {line}")
    if tally.violations:
        say(f"To replay: .venv/bin/python -m tests.chaos --seed {asked.seed} --seconds {asked.seconds:.0f}")
        say(f"Logs, tables and requests: {tally.logs}")
    return 1 if tally.violations or missed else 0


def report(tally: Tally) -> list[str]:
    """The table of what struck."""
    parts: dict[str, Counter[str]] = {
        "kills (SIGKILL)": tally.kills,
        "message faults": tally.messages,
        "provider faults": tally.provider,
        "beside": tally.beside,
        "requests": tally.requests,
        "unexpected answers": tally.unexpected,
    }
    lines = [f"{tally.rounds} rounds in {tally.seconds:.0f} s"]
    for title, counts in parts.items():
        lines.append(f"{title:<40}{counts.total():>7}")
        lines += [f"  {name:<38}{count:>7}" for name, count in sorted(counts.items()) if count]
    return lines


def missed_goals(tally: Tally) -> list[str]:
    """Of a full run: what struck too seldom."""
    found = [
        f"{tally.kills[victim]} kills of {victim}" for victim in VICTIMS if tally.kills[victim] < GOALS["kills of each kind"]
    ]
    if tally.kills.total() < GOALS["kills"]:
        found.append(f"{tally.kills.total()} kills")
    if tally.faults < GOALS["faults"]:
        found.append(f"{tally.faults} faults of messages and providers")
    return found


def say(line: str) -> None:
    """To standard output, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

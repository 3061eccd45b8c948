"""What a viewer of the demo sees: chapters, facts as they are found, jobs as they move, and a table of times at the end."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.table import Table

WIDTH = 118


class Screen:
    """Prints, and remembers how long each chapter took."""

    def __init__(self) -> None:
        self.console = Console(highlight=False, width=None if Console().is_terminal else WIDTH)
        self._began = time.monotonic()
        self._times: list[tuple[str, float]] = []

    @contextmanager
    def chapter(self, title: str) -> Iterator[None]:
        """A part of the story; its time goes into the table even if it fails."""
        self.console.print(f"\n[bold cyan]{escape(title)}[/]")
        began = time.monotonic()
        try:
            yield
        finally:
            self._times.append((title, time.monotonic() - began))

    def say(self, text: str) -> None:
        """Something that is about to happen, or that happened."""
        self.console.print(f"  {escape(text)}")

    def step(self, text: str) -> None:
        """A line of a job's history."""
        self.console.print(f"    [dim]{escape(text)}[/]")

    def proof(self, text: str) -> None:
        """Something that was checked and is so."""
        self.console.print(f"  [green]✓[/] {escape(text)}")

    def guest(self, text: str) -> None:
        """A line of the guest's own console."""
        self.console.print(f"    [yellow]│[/] {escape(text)}")

    def table(self) -> None:
        """How long what took."""
        table = Table(title="What took how long", title_justify="left", show_edge=False, pad_edge=False)
        table.add_column("chapter")
        table.add_column("seconds", justify="right")
        for title, seconds in self._times:
            table.add_row(title, f"{seconds:.1f}")
        table.add_section()
        table.add_row("in all", f"{time.monotonic() - self._began:.1f}", style="bold")
        self.console.print()
        self.console.print(table)

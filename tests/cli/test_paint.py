"""What people see: widths, colours, ages."""

from datetime import UTC, datetime

import click
import pytest

from groundplane.cli.paint import age, clipped, columns, duration, harmless, outline, width

NOW = datetime(2026, 1, 10, tzinfo=UTC)


def test_a_table_fits_its_room_and_keeps_whole_what_rows_are_called_by() -> None:
    rows = [["job_01m8bdn3a4fh78ww2s3hs6m719", "volume.ensure", click.style("SUCCEEDED", fg="green")]]
    lines = columns(["ID", "WORKFLOW", "STATE"], rows, 50)
    assert all(width(line) <= 50 for line in lines)
    assert rows[0][0] in lines[1]
    assert "…" in lines[1]
    assert lines[1].endswith("\x1b[0m")


def test_wide_characters_take_two_columns() -> None:
    assert width("日本") == 4
    assert width("e\u0301") == 1
    assert clipped("日本語", 5) == "日本…"
    lines = columns(["NAME", "X"], [["日本", "1"], ["ab", "2"]], None)
    assert [width(line) for line in lines] == [7, 7, 7]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2026-01-09T23:59:50Z", "10s"), ("2026-01-09T23:50:00Z", "10m"), ("2026-01-09T00:00:00Z", "1d"),
        ("2026-01-10T02:00:00Z", "in 2h"), ("never", "never"),
    ],
)  # fmt: skip
def test_an_age_is_said_in_its_largest_unit(text: str, said: str) -> None:
    assert age(text, NOW) == said


def test_a_duration_keeps_what_a_larger_unit_would_lose() -> None:
    assert duration(119) == "119s"


def test_an_outline_leaves_out_what_is_not_there_and_lays_long_lists_down() -> None:
    said = outline({"a": None, "b": [], "c": ["x", "y"], "d": list("12345"), "e": {"f": [{"g": 1}]}, "h": "1\n2"})
    assert [click.unstyle(line) for line in said] == [
        "c:                   x,y", "d:", "  - 1", "  - 2", "  - 3", "  - 4", "  - 5", "e:", "  f:", "    - g: 1",
        "h:", "  1", "  2",
    ]  # fmt: skip


def test_what_drives_a_terminal_is_made_harmless() -> None:
    assert harmless("a\x1b[31m\u202e\x9b\x07b\tc\n") == "a\ufffd[31m\ufffd\ufffd\ufffdb\tc\n"

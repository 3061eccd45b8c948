"""Texts that were agreed on, and are compared with what is said now."""

import os
import re
from pathlib import Path

FOLDER = Path(__file__).parent / "golden"


def golden(name: str, said: str) -> None:
    """As it was committed; ages, which pass, apart. GOLDEN=write takes what is said now."""
    text = re.sub(r" +\d+[dhms]\b(?= |$)", "  AGE", said, flags=re.MULTILINE)
    path = FOLDER / f"{name}.txt"
    if os.environ.get("GOLDEN") == "write":
        path.write_text(text)
    assert text == path.read_text(), f"see {path}; GOLDEN=write takes it as it is"

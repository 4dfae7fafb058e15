"""What is installed is what was locked: every entry pinned and hashed, and nothing says where it came from."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent.parent.parent / "requirements"
ENTRY = re.compile(r"[a-z0-9][a-z0-9._-]*(?:\[[a-z0-9,_-]+\])?==[0-9][^ ;]*(?: ; [^\\]+)? \\")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")


def problems(text: str) -> list[str]:
    """Return the lines of a lock that are neither an entry followed by its hashes, nor one of those."""
    found, hashed = [], True
    for line in text.splitlines():
        if HASH.fullmatch(line):
            hashed = True
        elif ENTRY.fullmatch(line) and hashed:
            hashed = False
        else:
            found.append(line)
    return found if hashed else [*found, "the last entry has no hash"]


@pytest.mark.threats(48)
@pytest.mark.parametrize("name", ["runtime", "dev", "audit"])
def test_every_entry_of_a_lock_is_pinned_and_hashed(name: str) -> None:
    text = (FOLDER / f"{name}.lock").read_text()
    assert text.count("==") > 10
    assert problems(text) == []


@pytest.mark.threats(48)
@pytest.mark.parametrize(
    "line",
    [
        "evil==1.0",
        "evil>=1.0 \\",
        "-r other.lock",
        "evil @ file:evil.whl \\",
        "evil==1.0 \\\nother==2.0 \\",
        "    --hash=md5:0123",
    ],
)
def test_what_is_not_is_found(line: str) -> None:
    assert problems(f"good==1.0 \\\n    --hash=sha256:{'0' * 64}\n{line}\n")


@pytest.mark.threats(48)
def test_pip_is_made_to_look_at_the_hashes() -> None:
    makefile = (FOLDER.parent / "Makefile").read_text()
    installs = [line for line in makefile.splitlines() if "pip install" in line]
    assert installs
    assert [line for line in installs if "--require-hashes --no-deps" not in line] == []

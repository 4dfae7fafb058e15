"""What the docs list is what the code reads."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
READ = re.compile(r"""(?:env\.)?(?:text|flag|number|words)\(\s*"([A-Z_]+)"|environ(?:\.get)?[\[(]"([A-Z_]+)\"""")
OURS = {"PUSHADMIN_LIFELINE", "DJANGO_SETTINGS_MODULE"}  # set by our own processes, not by an operator


def test_every_variable_is_documented_and_every_documented_one_is_read() -> None:
    files = [*ROOT.glob("pushadmin/*.py"), *ROOT.glob("pushadmin/management/commands/*.py")]
    read = {name for file in files for pair in READ.findall(file.read_text()) for name in pair if name} - OURS
    page = (ROOT / "docs" / "operations.md").read_text()
    table = "\n".join(line.split("|")[1] for line in page.splitlines() if line.startswith("| `"))
    documented = set(re.findall(r"`([A-Z_]+)`", table))
    assert read == documented


def test_every_link_between_the_docs_leads_somewhere() -> None:
    for page in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_command_is_told_somewhere() -> None:
    told = "\n".join(page.read_text() for page in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")])
    for command in ROOT.glob("*/management/commands/[a-z]*.py"):
        assert f"manage.py {command.stem}" in told, command.stem

"""What the docs list is what the code reads."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
READ = re.compile(r"""(?:env\.)?(?:text|flag|number|words)\(\s*"([A-Z_]+)"|environ(?:\.get)?[\[(]"([A-Z_]+)\"""")
OURS = {
    "PUSHADMIN_LIFELINE",
    "PUSHADMIN_NEW_KEYS",
    "DJANGO_SETTINGS_MODULE",
}  # set by our own processes, not by an operator


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


def marked(kind: str = "faults") -> dict[str, set[int]]:
    """Return the numbers of faults(…), or of another mark, by "module.test"; a mark may have a name of its own."""
    found: dict[str, set[int]] = {}
    for file in ROOT.glob("tests/**/test_*.py"):
        tree = ast.parse(file.read_text())
        named = {
            ast.unparse(one.targets[0]): one.value for one in tree.body if isinstance(one, ast.Assign)
        }  # threat = pytest.mark.threats(31)
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                marks = [named.get(ast.unparse(mark), mark) for mark in node.decorator_list]
                found[f"{file.stem}.{node.name}"] = {
                    argument.value
                    for mark in marks
                    if isinstance(mark, ast.Call) and ast.unparse(mark.func) == f"pytest.mark.{kind}"
                    for argument in mark.args
                    if isinstance(argument, ast.Constant) and isinstance(argument.value, int)
                }
    return found


def test_every_fault_has_the_tests_that_the_docs_name() -> None:
    rows = re.findall(r"^\| F(\d+) · [^|]+\|([^|]+)\|$", (ROOT / "docs" / "reliability.md").read_text(), re.MULTILINE)
    claimed = {int(number): re.findall(r"`([a-z0-9_]+\.test_[a-z0-9_]+)`", names) for number, names in rows}
    tests = marked()
    assert len(claimed) > 40
    assert [number for number, names in claimed.items() if not names] == []
    wrong = [
        (number, name) for number, names in claimed.items() for name in names if number not in tests.get(name, set())
    ]
    assert wrong == []
    assert set().union(*tests.values()) == set(claimed)


def test_every_threat_has_the_tests_that_the_docs_name_or_a_reason() -> None:
    page = (ROOT / "docs" / "security.md").read_text()
    rows = re.findall(r"^\| T(\d+) · [^|]+\|[^|]+\|([^|]+)\|$", page, re.MULTILINE)
    claimed = {int(number): set(re.findall(r"`([a-z0-9_]+\.test_[a-z0-9_]+)`", names)) for number, names in rows}
    later = {int(number) for number in re.findall(r"^- T(\d+): \S", page.partition("## Not yet")[2], re.MULTILINE)}
    tests = marked("threats")
    carried = {number: {name for name, numbers in tests.items() if number in numbers} for number in range(1, 55)}
    assert [number for number, names in claimed.items() if not names or names != carried[number]] == []
    assert set(claimed) | later == set(range(1, 55))
    assert set(claimed) & later == set()

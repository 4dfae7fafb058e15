"""Every deliberate mistake can still be made, its tests are there, and no fault is without one."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest

from tests import mutants
from tests.mutations import ALL
from tests.mutations.table import Mutation
from tests.project.test_house_style import ROOT, tracked

PAGE = ROOT / "docs" / "reliability.md"


@cache
def functions(file: str) -> frozenset[str]:
    nodes = ast.walk(ast.parse((ROOT / file).read_bytes()))
    return frozenset(node.name for node in nodes if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize("row", ALL, ids=lambda row: f"{row.label} {row.what}")
def test_every_mistake_can_be_made_and_its_tests_exist(row: Mutation) -> None:
    assert ROOT / row.file in tracked()
    assert not row.file.startswith("tests/")
    broken = row.applied((ROOT / row.file).read_text())
    ast.parse(broken)
    assert bool(row.tests) != bool(row.command)
    assert not (row.postgres and row.sqlite)
    for test in row.tests:
        file, _, name = test.partition("::")
        assert ROOT / file in tracked()
        assert not name or name in functions(file)


def test_no_two_mistakes_are_the_same() -> None:
    assert len({(row.what, row.file, row.new, row.tests, row.command) for row in ALL}) == len(ALL)


def test_every_fault_of_the_page_has_a_mistake_and_its_tests_exist() -> None:
    rows = re.findall(r"^\| F(\d+) · .* \| (.*) \|$", PAGE.read_text(), flags=re.MULTILINE)
    assert len(rows) > 40
    assert {int(number) for number, _ in rows} <= {number for row in ALL for number in row.faults}
    there = {f"{path.stem}.{name}" for path in tracked("tests/*.py") for name in functions(str(path.relative_to(ROOT)))}
    assert [name for _, told in rows for name in re.findall(r"`(\w+\.\w+)`", told) if name not in there] == []


@pytest.mark.parametrize(
    ("code", "printed", "is_command", "told"),
    [
        (0, "3 passed", False, "SURVIVED"),
        (1, "FAILED tests/x.py::test_y - assert 1 == 2\n1 failed, 2 passed", False, "found"),
        (1, "ERROR tests/x.py::test_y - no room\n1 error", False, "UNCLEAR"),
        (2, "ImportError\n1 error", False, "UNCLEAR"),
        (124, "Not over within 180 s", False, "UNCLEAR"),
        (5, "no tests ran", False, "UNCLEAR"),
        (1, "lost 0\nviolations                   3\n  Device 7", True, "found"),
        (1, "Traceback (most recent call last):", True, "UNCLEAR"),
        (0, "violations                   0", True, "SURVIVED"),
    ],
)
def test_only_a_test_that_failed_has_found_anything(code: int, printed: str, is_command: bool, told: str) -> None:
    command = ("tests.rig.chaos",) if is_command else ()
    row = Mutation((1,), "nothing", "manage.py", "a", "b", command=command)
    assert mutants.verdict(row, code, printed) == told

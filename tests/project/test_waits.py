"""Nothing in the tests, the rig and the bench waits without a limit, so that a fault is a failure and not a silence."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.project.test_house_style import name, parsed, tracked

# Without timeout= these wait for as long as it takes.
SUBPROCESS = {"run", "call", "check_call", "check_output"}
BY_NAME = {"communicate", "urlopen", "HTTPConnection", "HTTPSConnection", "create_connection"}
BARE = {"wait", "join", "result", "acquire"}  # with no argument at all they wait for ever


def called(node: ast.expr) -> tuple[str, str]:
    """Return what is called and on what: ("subprocess", "run"); "" for what has no name."""
    if isinstance(node, ast.Attribute):
        owner = node.value
        return (owner.id if isinstance(owner, ast.Name) else getattr(owner, "attr", "")), node.attr
    return "", node.id if isinstance(node, ast.Name) else ""


def unbounded_call(node: ast.Call) -> bool:
    """Return whether a call waits for as long as it takes."""
    owner, verb = called(node.func)
    given = {keyword.arg for keyword in node.keywords}  # None for **more, which may hold it
    if given & {"timeout", "connect_timeout", None}:
        return False
    if owner == "subprocess" and verb in SUBPROCESS:
        return True
    if verb == "connect":
        return owner == "psycopg"
    if verb == "select":
        return owner == "select" and len(node.args) < 4
    if verb == "readline":
        return owner == "stdout"
    if verb == "get":
        return "queue" in owner.lower() and len(node.args) < 2
    return verb in BY_NAME or (verb in BARE and not node.args)


def inside(node: ast.AST) -> Iterator[ast.AST]:
    """Yield everything below ``node`` that runs in it: not the functions that it only defines."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.Lambda):
            yield child
            yield from inside(child)


def reads_the_clock(node: ast.AST) -> bool:
    return any(isinstance(one, ast.Call) and called(one.func)[1] == "monotonic" for one in ast.walk(node))


def endless_loop(loop: ast.While, moments: set[str]) -> bool:
    """Return whether a loop sleeps and compares no moment: neither time.monotonic() nor a name that came from it."""
    if not any(isinstance(one, ast.Call) and called(one.func)[1] == "sleep" for one in inside(loop)):
        return False
    compared = [one for one in inside(loop) if isinstance(one, ast.Compare)]
    names = {part.id for one in compared for part in ast.walk(one) if isinstance(part, ast.Name)}
    return not (names & moments or any(reads_the_clock(one) for one in compared))


def waits(module: ast.Module) -> list[int]:
    """Return the lines that wait without a limit."""
    assigned = [one for one in ast.walk(module) if isinstance(one, ast.Assign) and reads_the_clock(one.value)]
    moments = {target.id for one in assigned for target in one.targets if isinstance(target, ast.Name)}
    lines = []
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and unbounded_call(node):
            lines.append(node.lineno)
        if isinstance(node, ast.While) and endless_loop(node, moments):
            lines.append(node.lineno)
        if isinstance(node, ast.With):  # the end of such a block waits for the program's: tests.waiting.ending
            calls = [one.context_expr for one in node.items if isinstance(one.context_expr, ast.Call)]
            lines += [call.lineno for call in calls if called(call.func)[1] == "Popen"]
    return sorted(lines)


def test_nothing_waits_without_a_limit() -> None:
    assert [f"{name(path)}:{line}" for path in tracked("tests/*.py") for line in waits(parsed(path))] == []


@pytest.mark.parametrize(
    "planted",
    [
        "subprocess.run(['true'], check=True)",
        "subprocess.check_output(['true'])",
        "program.wait()",
        "thread.join()",
        "program.communicate(b'x')",
        "urllib.request.urlopen('http://127.0.0.1/')",
        "psycopg.connect(url)",
        "queue.get()",
        "program.stdout.readline()",
        "select.select([one], [], [])",
        "with subprocess.Popen(['true']) as program: pass",
        "while not there():\n    time.sleep(1)",
        "while True:\n    if count > 3:\n        break\n    time.sleep(1)",
    ],
)
def test_a_wait_without_a_limit_is_found(planted: str) -> None:
    assert waits(ast.parse(planted)) == [1]


@pytest.mark.parametrize(
    "planted",
    [
        "subprocess.run(['true'], check=True, timeout=9)",
        "program.wait(9)",
        "thread.join(timeout=9)",
        "', '.join(names)",
        "User.objects.get()",
        "last = time.monotonic() + 9\nwhile not there() and time.monotonic() < last:\n    time.sleep(1)",
        "last = time.monotonic() + 9\nwhile True:\n    if last < now:\n        break\n    time.sleep(1)",
        "with ending(subprocess.Popen(['true'])) as program: pass",
    ],
)
def test_a_wait_with_a_limit_is_left_alone(planted: str) -> None:
    assert waits(ast.parse(planted)) == []

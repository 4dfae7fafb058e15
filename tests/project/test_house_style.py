"""The limits this project keeps, so that nobody has to argue about them: sizes, names, and what never appears."""

from __future__ import annotations

import ast
import hashlib
import json
import re
import statistics
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LONGEST_FUNCTION, LONGEST_MODULE, LONGEST_TEMPLATE = 60, 400, 150
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef

# Words that say nothing about what they name, and the names that others chose for us.
EMPTY_WORDS = {"manager", "helper", "helpers", "util", "utils", "data", "info", "process", "handle", "item", "items"}
CHOSEN_BY_OTHERS = {
    "handle",  # of a Django command
    "data_received",  # of an asyncio protocol
    "EmulatorProcess",  # a process of the operating system
    "ProcessGroup",  # likewise a group of them
}


@cache
def tracked(*patterns: str) -> list[Path]:
    """Return the files under version control that match, as git sees them."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", *patterns]  # whoever owns the checkout
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=30)
    found = [ROOT / name for name in listed.stdout.split("\0") if name]
    assert found, f"no file matches {patterns}: is this a checkout?"
    return [path for path in found if path.exists()]


def sources() -> list[Path]:
    return [path for path in tracked("*.py") if "migrations" not in path.parts]


def pages() -> list[Path]:
    return tracked("*.html")


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes())


def definitions(path: Path) -> list[Definition]:
    return [node for node in ast.walk(parsed(path)) if isinstance(node, Definition)]


def length(node: Definition) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def found(pattern: str, paths: list[Path]) -> list[str]:
    """Return "file:line: text" for every match, so that a failure says where to look."""
    wanted = re.compile(pattern)
    return [
        f"{name(path)}:{number}: {line.strip()[:100]}"
        for path in paths
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1)
        if wanted.search(line)
    ]


def test_functions_are_short() -> None:
    lengths = {
        f"{name(path)}:{node.lineno} {node.name}": length(node)
        for path in sources()
        for node in definitions(path)
        if not isinstance(node, ast.ClassDef)
    }
    assert {where: long for where, long in lengths.items() if long > LONGEST_FUNCTION} == {}
    assert statistics.median(lengths.values()) < 10


def test_modules_and_templates_fit_into_one_sitting() -> None:
    assert [f"{name(path)}: {lines(path)}" for path in sources() if lines(path) > LONGEST_MODULE] == []
    assert [f"{name(path)}: {lines(path)}" for path in pages() if lines(path) > LONGEST_TEMPLATE] == []


def test_names_say_what_they_name() -> None:
    empty = [
        f"{name(path)}: {called}"
        for path in sources()
        for called in [path.stem, *(node.name for node in definitions(path))]
        if called not in CHOSEN_BY_OTHERS and EMPTY_WORDS & words(called)
    ]
    assert empty == []


def words(called: str) -> set[str]:
    """Split snake_case and CamelCase into words: "DataFile" is data and file, "database" is one word."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+", called)}


def test_every_module_says_what_it_is_for() -> None:
    silent = [path for path in sources() if path.name != "__init__.py" and not ast.get_docstring(parsed(path))]
    assert [name(path) for path in silent] == []


def test_nothing_happens_behind_the_back_of_a_reader() -> None:
    assert [name(path) for path in tracked("*.py") if path.name == "signals.py"] == []


def test_nothing_is_marked_safe_by_hand() -> None:
    assert found(r"\bmark" + r"_safe\b", sources()) == []
    assert found(r"\|\s*safe(seq)?\b|autoescape\s+off", pages()) == []


@pytest.mark.parametrize(
    "banned",
    [
        pytest.param(r"<script(?![^>]*\bsrc=)", id="inline script"),
        pytest.param(r"<style\b|\sstyle\s*=", id="inline style"),
        pytest.param(r"\son[a-z]+\s*=\s*[\"']|javascript:", id="inline event"),
        pytest.param(r"\b(src|action)\s*=\s*[\"']?(https?:)?//|<link[^>]*href=[\"']?(https?:)?//", id="foreign host"),
    ],
)
def test_pages_hold_to_the_content_security_policy(banned: str) -> None:
    assert found(banned, pages()) == []


def test_no_address_of_one_machine_or_of_a_registry_is_in_a_file() -> None:
    # Put together from pieces, or this file would find itself.
    places = ["/" + "work/", "/" + "root/", "/" + "home/[a-z]+/", "/" + "opt/", "/" + "Users/"]
    registries = ["pypi" + r"\.org", "python" + r"hosted\.org", "registry\\." + "npmjs", "index" + "-url"]
    assert found("|".join(places + registries), tracked()) == []


@pytest.mark.parametrize("lock", ["runtime", "dev"])
def test_locks_are_whole_and_name_no_server(lock: str) -> None:
    text = (ROOT / f"requirements/{lock}.lock").read_text()
    packages = re.split(r"^(?=\S)", text, flags=re.MULTILINE)[1:]
    assert "://" not in text
    assert [package.split()[0] for package in packages if "--hash=sha256:" not in package] == []


def test_tests_run_with_the_versions_that_operators_get() -> None:
    runtime, dev = (pins(ROOT / f"requirements/{lock}.lock") for lock in ("runtime", "dev"))
    assert runtime - dev == set()


def pins(lock: Path) -> set[str]:
    return set(re.findall(r"^\S+==\S+", lock.read_text(), flags=re.MULTILINE))


def minified(path: Path) -> bool:
    return max(map(len, path.read_text().splitlines()), default=0) > 300


def unlike_published(vendor: Path) -> set[str]:
    """Return the files of a folder that are not what its manifest.json says, by SHA-256, and those that are missing."""
    manifest = vendor / "manifest.json"
    said = json.loads(manifest.read_text()) if manifest.exists() else {}
    there = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in vendor.glob("*") if path != manifest}
    return {file for file, _ in there.items() ^ {file: entry["sha256"] for file, entry in said.items()}.items()}


def test_what_others_wrote_is_what_they_published() -> None:
    """Minified files live in static/vendor/, each with its SHA-256 in manifest.json; the rest is ours to read."""
    vendor = ROOT / "static/vendor"
    scripts = [path for path in tracked("*.js", "*.css") if vendor not in path.parents]
    assert [name(path) for path in scripts if minified(path)] == []
    assert unlike_published(vendor) == set()


def test_what_others_did_not_publish_is_found(tmp_path: Path) -> None:
    script = b"x=1;" * 100
    (tmp_path / "theirs.js").write_bytes(script)
    assert minified(tmp_path / "theirs.js")
    assert unlike_published(tmp_path) == {"theirs.js"}  # nobody says where it is from
    said = {"theirs.js": {"sha256": hashlib.sha256(script).hexdigest()}}
    (tmp_path / "manifest.json").write_text(json.dumps(said))
    assert unlike_published(tmp_path) == set()
    (tmp_path / "theirs.js").write_bytes(script + b"steal();")
    assert unlike_published(tmp_path) == {"theirs.js"}
    (tmp_path / "theirs.js").unlink()
    assert unlike_published(tmp_path) == {"theirs.js"}

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


# How a sentence reaches a translator, and what never needs one: lines of the log, the reference of the command line and
# of the API.
TRANSLATES = {"_", "gettext", "gettext_lazy", "gettext_noop", "ngettext", "ngettext_lazy", "pgettext", "pgettext_lazy"}
UNTRANSLATED = {"logger", "log", "parser", "NinjaAPI", "api", "Swagger"}
# What people read without its being a whole sentence, by whom it is told.
TELLS = {
    *("NotReady", "MoveRefused", "RegistrationRefused", "RuleInvalid", "FileRefused", "Taken", "Refused", "NoSuchTime"),
    *("CertificateRefused", "ValidationError", "CommandError", "BadRequest", "Http404", "Notice", "Problem"),
    *("refuse", "add_error", "add_message", "success", "error", "info", "warning", "write"),
}
NOT_YET = {  # and what is no page, or cannot be one
    "campaigns/pipeline/": "why a push went as it did is a record: it is stored in one language, for everybody",
    "campaigns/upkeep/demo": "the demo's own content is data",
    "campaigns/upkeep/reconciling.py": "the report of a command for operators",
    "devices/bearer.py": "why there is no token is part of the same record",
    "devices/browsers/user_agents.py": "names of browsers and systems",
    "devices/models.py": "what fields hold",
    "devices/push/": "knows no Django",
    "devices/emulator/": "runs without the product",
    "pushadmin/environment.py": "reads the settings, before which there is no language",
}
SPOKEN_IN_PIPELINE = {"campaigns/pipeline/planning.py", "campaigns/pipeline/watchdog.py"}
STORED = (  # records elsewhere, and the words of exceptions that nobody is shown
    *("Left out by {}: ", "Given up by {}: ", "Retired by {}.", "The cluster had ended.", "Work was due for {} s"),
    *("The stored secret cannot be read", "App developers", "Can send, pause and cancel", "Can export "),
    *("Its visitor unsubscribed.", "Its browser has another subscription now."),
    *("Nokia Lumia 920", "{}={} make run"),  # a name, and what is typed
)


def speaking() -> list[Path]:
    """Return the files that may hold sentences for people."""
    rooms = [path for path in sources() if name(path).startswith(("campaigns/", "devices/", "pushadmin/"))]
    return [path for path in rooms if name(path) in SPOKEN_IN_PIPELINE or not name(path).startswith(tuple(NOT_YET))]


def callee(node: ast.Call) -> str:
    """Return by which name something is called: "success" of messages.success(…)."""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def is_untranslated(node: ast.AST) -> bool:
    """Return whether what is below ``node`` is not for a translator, or has met one."""
    if isinstance(node, ast.Call):
        owner = getattr(node.func.value, "id", "") if isinstance(node.func, ast.Attribute) else ""
        return callee(node) in TRANSLATES | UNTRANSLATED or owner in UNTRANSLATED
    if isinstance(node, ast.Assign):
        return any(getattr(target, "id", "") == "help" for target in node.targets)  # of a Django command
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)  # a docstring


def written(node: ast.AST) -> str:
    """Return the text of a constant or an f-string, a pair of braces for each hole; "" for anything else."""
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def is_told(text: str, by: str) -> bool:
    """Return whether a person reads ``text``: it looks like a sentence, or like words given to who tells them."""
    if not re.search(r"[^\W\d_][^\w\s]* [^\W\d_“{]|[}”] [^\W\d_]", text) or text.startswith(STORED):
        return False
    return by in TELLS or bool(re.match(r"[\s“]*[A-Z][a-z]", text) or re.search(r"[^\W\d_”}][.?!…]\s*$", text))


def told_to_nobody_abroad(node: ast.AST, by: str = "") -> list[str]:
    """Return the texts below ``node`` that a person reads and no translator sees."""
    if is_untranslated(node):
        return []
    if text := written(node):
        return [f"{node.lineno}: {text[:100]}"] if isinstance(node, ast.expr) and is_told(text, by) else []
    if isinstance(node, ast.Dict):  # what fields of a schema mean is the API's reference
        pairs = zip(node.keys, node.values, strict=True)
        below: list[ast.AST] = [value for key, value in pairs if key is None or written(key) != "description"]
    else:
        below = list(ast.iter_child_nodes(node))
    teller = callee(node) if isinstance(node, ast.Call) and callee(node) in TELLS else by
    return [found for child in below for found in told_to_nobody_abroad(child, teller)]


def put_together_too_early(tree: ast.AST) -> list[str]:
    """Return the calls of gettext whose text is made before the catalogue is asked, so that it is never found there."""
    return [
        f"{node.lineno}: {ast.unparse(node)[:100]}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and callee(node) in TRANSLATES
        for text in node.args[: 2 if callee(node).startswith(("ngettext", "pgettext")) else 1]
        if isinstance(text, ast.JoinedStr | ast.BinOp | ast.Call | ast.IfExp)
    ]


def test_every_sentence_for_people_goes_through_gettext() -> None:
    assert [f"{name(path)}:{told}" for path in speaking() for told in told_to_nobody_abroad(parsed(path))] == []


def test_gettext_is_asked_for_whole_texts_with_named_holes() -> None:
    assert [f"{name(path)}:{told}" for path in sources() for told in put_together_too_early(parsed(path))] == []


@pytest.mark.parametrize(
    "line",
    [
        'raise NotReady("There is nobody left")',
        'raise MoveRefused(f"This campaign is {now}, not paused.")',
        'raise FileRefused(f"{names} is missing")',
        'form.add_error("file", "not a list")',
        'messages.success(request, "It is done")',
        'messages.error(request, "wrong name" if wrong else "")',
        'raise RegistrationRefused({"tags": f"{name} must be text"})',
        'self.stdout.write(f"{count} deliveries removed")',
        'self.problems[field] = f"{field} must be text."',
        'return f"At {pace} a minute, it takes long"',
        'TOO_HARD = "This takes too long."',
        'told = "is paused by hand."',
    ],
)
def test_a_sentence_without_gettext_is_found(line: str) -> None:
    assert len(told_to_nobody_abroad(ast.parse(line))) == 1


@pytest.mark.parametrize(
    "line",
    [
        'raise NotReady(_("There is nobody left."))',
        'told = ngettext("%(count)d device waits.", "%(count)d devices wait.", count)',
        'logger.warning("The database does not answer: %s", error)',
        'parser.add_argument("--app", help="The App that devices belong to.")',
        'def f() -> None:\n    """Say nothing."""',
        'raise FileRefused(told % {"names": " and ".join(names)})',
        'self.stdout.write(f"  {sentence}")',
        'fields = ("is_active", "Content-Type")',
    ],
)
def test_what_no_person_reads_and_what_is_translated_is_left_alone(line: str) -> None:
    assert told_to_nobody_abroad(ast.parse(line)) == []


@pytest.mark.parametrize(
    "call",
    ['_(f"No {x}.")', 'gettext("No %s." % x)', '_("No {}.".format(x))', 'ngettext("1", f"{n}", n)', '_("a" + b)'],
)
def test_a_text_that_no_catalogue_can_hold_is_found(call: str) -> None:
    assert len(put_together_too_early(ast.parse(call))) == 1
    assert put_together_too_early(ast.parse('_("No %(x)s.") % {"x": f"{x:,}"}')) == []


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


def test_only_its_own_files_name_the_first_push_service() -> None:
    """What a service is and can do is told in its own file: a second one must not meet its name anywhere else."""
    own = ("devices/push/services/mpns.py", "devices/emulator/mpns/")
    code = [path for path in tracked("*.py", "*.html", "*.js", "*.css") if not name(path).startswith(("tests/", *own))]
    elsewhere = [path for path in code if "migrations" not in path.parts]
    assert len(elsewhere) > 200
    assert found("(?i)mpns|windows[ _-]?phone", elsewhere) == []


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
    ours = [path for path in pages() if not name(path).startswith("examples/")]  # a site of somebody else's
    assert len(ours) > 80
    assert found(banned, ours) == []


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

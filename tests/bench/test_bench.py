"""A stage that does not come to its end fails the bench by its name; it never becomes a figure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import psutil
import pytest

from tests.bench import __main__ as bench
from tests.bench import target
from tests.rig.world import World


@pytest.fixture
def lame(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A bench of one stage: a product whose workers are never started, with limits of a second."""

    @contextmanager
    def server() -> Iterator[tuple[str, str]]:
        yield "127.0.0.1:9", "nobody"

    measure = partial(bench.product, "127.0.0.1:9", 10, postgres=False, senders=1, ready=1.0, within=1.0)
    monkeypatch.setattr(target, "server", server)
    monkeypatch.setattr(bench, "stages", lambda *given: [bench.Stage("c product, lame", measure)])
    monkeypatch.setattr(World, "start_workers", lambda world: None)
    return monkeypatch


def test_workers_that_do_not_come_fail_the_bench(lame: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["--count", "10", "--rounds", "1"]) == 1
    said = capsys.readouterr().out
    assert "failed: c product, lame, after" in said
    assert "more than 1 s, for: 1 senders; saw {'processes': {'runworker': 0" in said
    assert "a second" not in said


def test_a_campaign_that_does_not_finish_fails_the_bench(
    lame: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lame.setattr(World, "processes", lambda world, role: [psutil.Process()])
    assert bench.main(["--count", "10", "--rounds", "1"]) == 1
    said = capsys.readouterr().out
    assert "more than 1 s, for: the campaign to finish; saw" in said
    assert "'campaign': [('preparing',)]" in said
    assert "a second" not in said


def test_what_a_stage_measured_is_said_at_once_and_set_against_the_bare_loop(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert bench.Stage("b our engine alone", lambda: (1000.0, 8.0)).run() == (1000.0, 8.0)
    assert "1,000 a second" in capsys.readouterr().out
    shown = bench.table({bench.BARE: [(2000.0, 4.0)], bench.ENGINE: [(1000.0, 8.0)], "c": [(500.0, 9.0, 0.3, 93.0)]})
    assert shown.splitlines()[-4].split() == ["c", "500", "9", "0.25", "0.50"]
    assert shown.endswith("from the click to the first answer: 0.30 s\nmemory of the largest sender: 93 MB")

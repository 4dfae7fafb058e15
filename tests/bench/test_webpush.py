"""What the bench says of Web Push is about what the product sends, and what was not measured is no figure."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from campaigns.pipeline.reports import report_id
from campaigns.pipeline.values import message_id
from devices.push import aes128gcm
from devices.push.base import Target
from devices.push.engine import Engine
from devices.push.message import Toast
from devices.push.services import find
from devices.push.services.webpush import Credentials
from tests.bench import __main__ as bench
from tests.bench import alone, target, webpush
from tests.bench.target import Place
from tests.rig import browsers
from tests.rig.world import World

CREDENTIALS = Credentials(contact=browsers.CONTACT, private=browsers.PRIVATE)
Runs = dict[str, list[tuple[float, ...]]]
MEASURED: Runs = {
    webpush.ONE: [(5000.0, 150.0, 0.2, 99.0, 50.0)],
    webpush.TWO: [(9000.0, 175.0, 0.2, 99.0, 25.0)],
    webpush.CRYPTO: [(15000.0, 60.0)],
}
PYWEBPUSH: Runs = {webpush.DOCUMENTED: [(500.0, 1000.0)], webpush.KEPT: [(1250.0, 800.0)]}


def test_pywebpush_and_the_bare_crypto_get_as_long_a_text_as_a_browser_of_the_product() -> None:
    service, (keys,) = find("webpush"), browsers.subscribed(1)
    payload = service.encode(Toast(title="Rig", text="Hold on"), "")
    request = service.build(
        Target("https://fcm.googleapis.com/wp/1", (), keys),
        payload,
        message_id(1, 2),
        CREDENTIALS,
        report=report_id(1, 2),
    )
    assert len(request.body) - aes128gcm.OVERHEAD == len(alone.plaintext())


def test_the_other_side_takes_pushes_to_browsers_and_names_each_a_place_of_its_own() -> None:
    service, (keys,), places = find("webpush"), browsers.subscribed(1), set()
    payload = service.encode(Toast(title="Rig", text="Hold on"), "")
    with target.server() as place:
        host = place.host
        engine: Engine[int] = Engine(allow=frozenset({host}))
        for number in range(2):
            to = Target(browsers.endpoint(host, f"t-{number}"), (), keys)
            engine.start(service.build(to, payload, message_id(1, number), CREDENTIALS), number)
            ((_, answer),) = engine.wait(10.0)
            assert answer.status == 201, answer
            places.add(answer.headers["location"])
        engine.close()
    assert len(places) == 2


def test_browsers_of_the_rig_have_an_address_and_keys_each_and_their_app_a_key() -> None:
    with World(postgres=False) as world:
        world.ask("prepare_browsers", 5)
        found = world.query("SELECT service, count(DISTINCT address), count(keys) FROM devices_device GROUP BY service")
        assert found == [("webpush", 5, 5)]
        assert world.query("SELECT service FROM devices_credential") == [("webpush",)]


def test_a_core_the_share_of_the_crypto_and_pywebpush_are_told() -> None:
    assert webpush.told({**MEASURED, **PYWEBPUSH}, "") == [
        "Web Push, PostgreSQL, 1 sender: 5,000 a second of CPU of senders and database",
        "Web Push, PostgreSQL, 2 senders: 5,000 a second of CPU of senders and database",
        "of the sender's 150 µs encryption and VAPID are 60: 40%",
        "Web Push, PostgreSQL, 1 sender: 10.0 times pywebpush in 16 threads, as documented",
        "Web Push, PostgreSQL, 2 senders: 18.0 times pywebpush in 16 threads, as documented",
        "Web Push, PostgreSQL, 1 sender: 4.0 times pywebpush in 16 threads, connections kept",
        "Web Push, PostgreSQL, 2 senders: 7.2 times pywebpush in 16 threads, connections kept",
    ]


def test_pywebpush_that_was_not_measured_is_said_in_its_place() -> None:
    base: Runs = {bench.BARE: [(2000.0, 4.0)], bench.ENGINE: [(1000.0, 8.0)]}
    shown = bench.table({**base, **MEASURED}, webpush.missing("")).splitlines()
    assert shown[3].split()[-5:] == ["5,000", "150", "50", "2.50", "5.00"]
    assert shown[-1] == "pywebpush: not measured: BENCH_PYWEBPUSH names no Python that has it"


@pytest.mark.parametrize(
    ("python", "why"), [("/nowhere/python", "does not run"), (sys.executable, "No module named 'pywebpush'")]
)
def test_a_python_without_pywebpush_is_told_from_one_that_has_it(python: str, why: str) -> None:
    assert why in webpush.missing(python)


def test_pywebpush_is_measured_when_there_is_a_python_that_has_it(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\n")  # whatever it is asked to import, it can
    python.chmod(0o700)
    assert webpush.missing(str(python)) == ""
    theirs = {webpush.DOCUMENTED, webpush.KEPT}
    for given, measured in ((str(python), theirs), ("", set())):
        assert theirs & {stage.label for stage in bench.stages(Place("127.0.0.1:9", "nginx"), 10, given)} == measured

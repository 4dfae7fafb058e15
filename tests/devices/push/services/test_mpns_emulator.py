"""MPNS against the emulator, over real sockets: what every behaviour comes to, and that it is true.

The emulator is written from the vendor's documents alone and keeps a ledger of what it took; so a wrong constant on
our side, or a "nothing was sent" that is a lie, fails here.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from devices.push.base import Outcome, Target, Verdict
from devices.push.engine import Engine
from devices.push.message import Message, Raw, Toast
from devices.push.services import find
from devices.push.services.mpns import VARIANTS, Options
from devices.push.tiles import CycleTile, FlipTile, IconicTile, StandardTile
from tests.emulator import EmulatorProcess

MPNS = find("mpns")
TOAST = Toast(title="Hello", text="שלום 🎉 & <b>")
DEADLINE = 4  # seconds; the emulator needs half a second to pack its gzip bomb, two beside other tests

# behaviour in the address → outcome; UNKNOWN is written "unknown?" when a second copy would be possible
EXPECTED = {
    "ok": "accepted",
    "temp-disconnected": "accepted",
    "queue-full": "retry",
    "suppressed": "dropped",
    "expired": "gone",
    "inactive": "retry",
    "daily-limit": "accepted",
    "rate-limit": "accepted",
    "unauthorized": "gone",
    "forbidden": "denied",
    "unavailable": "retry",
    "flap-1": "retry",
    "retry-after": "retry",
    "row-1": "accepted",
    "status-201": "unknown",
    "status-418": "rejected",
    "unknown-words": "unknown",
    "no-words": "unknown",
    "cookie": "accepted",
    "redirect": "rejected",
    "redirect-307": "rejected",
    "slow-100": "accepted",
    "slow-accept-100": "accepted",
    "hang": "unknown?",
    "drip": "unknown?",
    "drip-body": "accepted",
    "reset": "unknown?",
    "reset-before": "unknown?",  # so short a push has left whole before anybody can break it off
    "reset-after": "unknown?",
    "reset-midway": "unknown?",
    "garbage": "unknown?",
    "huge": "accepted",
    "gzip-bomb": "accepted",
    "headers-flood": "unknown?",
    "long-header": "unknown?",
    "bad-utf8": "unknown",
}
ROWS = {
    **dict.fromkeys((1, 2), "accepted"),
    **dict.fromkeys((3, 4, 14, 15, 16, 17, 18), "retry"),
    **dict.fromkeys((5, 6), "dropped"),
    **dict.fromkeys((7, 13), "rejected"),
    **dict.fromkeys((8, 10, 11, 12), "gone"),
    9: "denied",
}


@pytest.fixture(scope="module")
def emulator() -> Iterator[EmulatorProcess]:
    with EmulatorProcess() as emulator:
        yield emulator


@pytest.fixture
def engine(emulator: EmulatorProcess) -> Iterator[Engine[str]]:
    engine = Engine[str](deadline=DEADLINE, allow=frozenset({urlsplit(emulator.url).netloc}))
    yield engine
    engine.close()


def outcomes(
    emulator: EmulatorProcess,
    engine: Engine[str],
    pushes: dict[str, tuple[str, Message, str]],
    own: Options | None = None,
) -> dict[str, Verdict]:
    """Push all of ``pushes`` (name → behaviour, message, variant) at once; return what each came to."""
    verdicts: dict[str, Verdict] = {}
    allow = frozenset({urlsplit(emulator.url).netloc})
    for name, (behaviour, message, variant) in pushes.items():
        address = MPNS.clean_address(emulator.uri(f"{behaviour}.{uuid.uuid4().hex}"), extra_hosts=allow)
        request = MPNS.build(Target(address), MPNS.encode(message, variant, own), str(uuid.uuid4()), None)
        engine.start(request, name)
    while engine.in_flight:
        verdicts |= {name: MPNS.interpret(answer) for name, answer in engine.wait(DEADLINE * 3)}
    return verdicts


def spelled(verdict: Verdict) -> str:
    """Return the outcome as EXPECTED writes it."""
    return verdict.outcome.value + ("?" if verdict.ambiguous else "")


def test_every_behaviour_comes_to_what_it_is(emulator: EmulatorProcess, engine: Engine[str]) -> None:
    known = {row["name"] for row in emulator.control("behaviours")}
    assert {
        name for name in known if not any(case == name or case.startswith(f"{name}-") for case in EXPECTED)
    } == set()
    verdicts = outcomes(emulator, engine, {name: (name, TOAST, "8.0") for name in EXPECTED})
    assert {name: spelled(verdict) for name, verdict in verdicts.items()} == EXPECTED


def test_every_row_of_the_vendors_table(emulator: EmulatorProcess, engine: Engine[str]) -> None:
    verdicts = outcomes(emulator, engine, {str(row): (f"row-{row}", TOAST, "8.0") for row in ROWS})
    assert {int(row): spelled(verdict) for row, verdict in verdicts.items()} == ROWS


@pytest.mark.faults(20, 21, 22)
def test_what_we_believe_is_what_the_service_did(emulator: EmulatorProcess, engine: Engine[str]) -> None:
    verdicts = outcomes(emulator, engine, {name: (name, TOAST, "8.0") for name in EXPECTED})
    taken = {line["behaviour"]: line["taken"] for line in emulator.ledger()}
    for name, verdict in verdicts.items():
        if verdict.outcome is Outcome.ACCEPTED:
            assert taken[name], f"{name}: accepted, but not taken"
        elif verdict.outcome is not Outcome.UNKNOWN:
            assert not taken.get(name, False), f"{name}: {verdict.outcome}, but taken"


@pytest.mark.parametrize("spelling", ["compact", "enum", "documented-7", "documented-8", "lower"])
def test_however_the_words_are_spelled(emulator: EmulatorProcess, engine: Engine[str], spelling: str) -> None:
    emulator.control("settings", {"spelling": spelling})
    verdicts = outcomes(emulator, engine, {str(row): (f"row-{row}", TOAST, "8.0") for row in ROWS})
    assert {int(row): spelled(verdict) for row, verdict in verdicts.items()} == ROWS
    assert [verdicts[row].connection for row in ("1", "2")] == ["connected", "temp_disconnected"]
    assert verdicts["16"].connection in {"inactive", "disconnected"}
    emulator.control("settings", {"spelling": "compact"})


FULL: list[Message] = [
    Toast(title="x", text="y", link="/P.xaml?a=1&b=2"),
    StandardTile(title="x", count=0, back_title="y", background_image="/a.png", clear=frozenset({"back_content"})),
    FlipTile(title="x", tile_id="/Two.xaml?x=1&y=2", wide_back_content="z", clear=frozenset({"count"})),
    IconicTile(count=99, wide_content_1="a", background_color="#FF00FF00"),
    CycleTile(title="x", cycle_image_9="/9.jpg", small_background_image="/s.png"),
    Raw(body='{"a": "🎉"}'),
]


@pytest.mark.threats(25)
def test_every_payload_is_well_formed_for_the_service(emulator: EmulatorProcess, engine: Engine[str]) -> None:
    cases = {
        f"{number} {variant}": ("ok", message, variant)
        for number, message in enumerate(FULL)
        for variant in VARIANTS
        if not (isinstance(message, FlipTile) and variant == "7.0")  # a secondary tile: not sent to 7.0
    }
    for own in (None, Options(page="/P.xaml?a=1&b=2", sound="Audio/a.mp3", delay=450), Options(silent=True, delay=900)):
        verdicts = outcomes(emulator, engine, cases, own)
        assert {name: spelled(verdict) for name, verdict in verdicts.items()} == dict.fromkeys(cases, "accepted")
        assert len(verdicts) == len(cases)


def test_the_message_id_arrives(emulator: EmulatorProcess, engine: Engine[str]) -> None:
    identity = str(uuid.uuid4())
    target = Target(emulator.uri("ok.with-an-id"))
    engine.start(MPNS.build(target, MPNS.encode(TOAST, "7.1"), identity, None), "x")
    ((_, answer),) = engine.wait(5)
    assert answer.headers["x-messageid"] == identity
    assert [line["kind"] for line in emulator.ledger() if line["id"] == identity] == ["toast"]


@pytest.mark.threats(6)
def test_the_trap_behind_a_redirect_stays_silent(emulator: EmulatorProcess, engine: Engine[str]) -> None:
    outcomes(emulator, engine, {str(n): (b, TOAST, "8.0") for n, b in enumerate(["redirect", "redirect-307"] * 5)})
    assert emulator.control("state")["trap_hits"] == 0

"""The process: its ledger, its load, its end."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.devices.emulator.sender import RAW_HEADERS, TOAST, dial, new_id, octets, push
from tests.emulator import ROOT, EmulatorProcess
from tests.waiting import ending, line_of


def test_the_line_is_in_the_ledger_before_the_answer_arrives(emulator: EmulatorProcess) -> None:
    uri = emulator.uri("ok.phone")
    with dial(uri) as line:
        for _ in range(200):
            message_id = new_id()
            line.sendall(octets(uri, message_id))
            line.recv(4096)
            assert message_id.encode() in emulator.ledger_file.read_bytes()


def test_a_line_of_the_ledger_says_what_arrived(emulator: EmulatorProcess) -> None:
    message_id, started, wall = new_id(), time.monotonic_ns(), time.time()
    push(emulator.uri("queue-full.phone"), message_id=message_id)
    (line,) = [line for line in emulator.ledger() if line["id"] == message_id]
    assert started < line.pop("at") < time.monotonic_ns()
    assert wall - 0.1 <= line.pop("wall") <= time.time() + 0.1
    assert line == {
        "service": "mpns",
        "id": message_id,
        "channel": "/throttledthirdparty/01.00/queue-full.phone",
        "kind": "toast",
        "bytes": len(TOAST),
        "behaviour": "queue-full",
        "answer": "200 QueueFull",
        "taken": False,
    }


def test_a_hostile_message_id_cannot_forge_a_line(emulator: EmulatorProcess) -> None:
    message_id = 'x","taken":true,"y":"\\'
    push(emulator.uri("expired.phone"), b"raw", RAW_HEADERS, message_id=message_id)
    (line,) = [line for line in emulator.ledger() if line["id"] == message_id]
    assert line["taken"] is False


def test_five_hundred_connections_are_served_at_once(emulator: EmulatorProcess) -> None:
    with ExitStack() as stack:
        uris = [emulator.uri(f"slow-300.phone-{number}") for number in range(500)]
        lines = [stack.enter_context(dial(uri)) for uri in uris]
        started = time.monotonic()
        for line, uri in zip(lines, uris, strict=True):
            line.sendall(octets(uri))
        assert all(line.recv(4096).startswith(b"HTTP/1.1 200 OK") for line in lines)
    assert time.monotonic() - started < 10  # one after the other would take 150 s


def test_pushes_that_hang_do_not_hold_up_the_others(emulator: EmulatorProcess) -> None:
    with ExitStack() as stack:
        for number in range(100):
            uri = emulator.uri(f"hang.phone-{number}")
            stack.enter_context(dial(uri)).sendall(octets(uri))
        started = time.monotonic()
        assert push(emulator.uri("ok.phone")).status == 200
        assert time.monotonic() - started < 2


def test_a_thousand_pushes_a_second_are_no_effort(emulator: EmulatorProcess) -> None:
    """The measured figure is ten times that (docs/emulator.md); this only notices when it is gone."""
    uris = [emulator.uri(f"ok.phone-{number}") for number in range(20)]
    started = time.monotonic()
    with ExitStack() as stack:
        lines = [stack.enter_context(dial(uri)) for uri in uris]
        for line, uri in zip(lines, uris, strict=True):
            line.sendall(octets(uri, "burst") * 100)
        for line in lines:
            with line.makefile("rb") as answers:
                assert sum(answers.readline().startswith(b"HTTP/1.1 200") for _ in range(100 * 8)) == 100
    assert 2000 / (time.monotonic() - started) > 1000
    assert sum(line["id"] == "burst" for line in emulator.ledger()) == 2000


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(number: signal.Signals) -> None:
    with EmulatorProcess() as emulator:
        uri = emulator.uri("hang.phone")
        with dial(uri) as line:
            line.sendall(octets(uri))
            push(emulator.uri("ok.phone"))
            emulator.process.send_signal(number)
            assert emulator.process.wait(timeout=5) == 0


def test_it_ends_with_whoever_started_it(tmp_path: Path) -> None:
    """A test run that is killed leaves no emulator behind."""
    script = (
        "import os, signal; from tests.emulator import EmulatorProcess; emulator = EmulatorProcess();"
        "print(emulator.process.pid, flush=True); input(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", script]
    with ending(
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
    ) as starter:
        assert starter.stdin is not None
        emulator = os.pidfd_open(int(line_of(starter)))
        try:
            starter.stdin.write(b"\n")
            starter.stdin.flush()
            ended, _, _ = select.select([emulator], [], [], 10)
        finally:
            os.close(emulator)
    assert ended


def test_latency_delays_every_answer() -> None:
    with EmulatorProcess("--latency-ms", "60-80") as emulator:
        started = time.monotonic()
        assert push(emulator.uri("ok.phone")).status == 200
        assert time.monotonic() - started >= 0.055


def test_without_a_ledger_that_can_be_written_nothing_is_answered() -> None:
    with EmulatorProcess(ledger=Path("/dev/full")) as emulator:
        uri = emulator.uri("ok.phone")
        with dial(uri) as line:
            line.sendall(octets(uri))
            try:
                got = line.recv(4096)
            except ConnectionResetError:
                got = b""
        assert got == b""
        assert emulator.process.wait(timeout=5) != 0


def test_flags_that_make_no_sense_are_explained() -> None:
    started = subprocess.run(
        [sys.executable, "-m", "devices.emulator", "--tls-port", "0"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert started.returncode == 2
    assert "--tls-port needs" in started.stderr


def test_it_needs_no_django() -> None:
    code = "import sys, devices.emulator.__main__; sys.exit('django' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=20, check=False).returncode == 0


def test_the_command_of_the_project_runs_it() -> None:
    command = [sys.executable, "manage.py", "pushemulator", "--port", "0", "--daily-quota", "1"]
    with ending(subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)) as started:
        try:
            url = line_of(started).split()[-1]
            uri = f"{url}/throttledthirdparty/01.00/ok.phone"
            assert [push(uri).status for _ in range(2)] == [200, 406]
        finally:
            started.terminate()
    assert started.returncode == 0

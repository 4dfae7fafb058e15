"""Listen on this machine until told to stop."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
from pathlib import Path

from devices.emulator import certificates, services
from devices.emulator.clock import Clock
from devices.emulator.desk import FrontDesk
from devices.emulator.door import PROTOCOLS, Door
from devices.emulator.keys_folder import KeysFolder
from devices.emulator.ledger import Ledger
from devices.emulator.options import Options
from devices.emulator.shared import Shared
from devices.emulator.wire import Outbox

HOST = "127.0.0.1"
BACKLOG = 1024


def run(options: Options) -> None:
    """Serve until SIGTERM, SIGINT or the end of the lifeline. Prints where it listens.

    With a folder for certificates it also prints the file of the authority that clients are to trust.

    Raises OSError when a port is taken, the folder for keys is unusable or the ledger can no longer be written,
    ssl.SSLError or ValueError for unusable certificates.
    """
    asyncio.run(_serve(options))


async def _serve(options: Options) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if options.lifeline is not None:
        loop.add_reader(options.lifeline, _watch, options.lifeline, stop)
    ledger = Ledger(options.ledger)
    shared = Shared(Clock(), ledger, options.phones, KeysFolder(options.keys_folder))
    started = {name: service.start(options.settings[name], shared) for name, service in services.found().items()}
    desk = FrontDesk(shared, started)
    outbox = Outbox(ledger, loop)
    door = Door(desk, outbox)
    servers = [await loop.create_server(door.plain, HOST, options.port, backlog=BACKLOG)]
    shared.url = f"http://{HOST}:{_port(servers[0])}"
    print(f"emulator listening on {shared.url}", flush=True)
    if options.tls is not None:
        tls = options.tls
        if tls.folder is not None:
            certificates.provide(tls.folder)
        context = context_of(tls.certificate, tls.key, tls.authority)
        servers.append(await loop.create_server(door.secure, HOST, tls.port, backlog=BACKLOG, ssl=context))
        shared.secure_url = f"https://{HOST}:{_port(servers[1])}"
        print(f"emulator listening on {shared.secure_url}", flush=True)
        if tls.folder is not None:
            print(f"emulator authority {certificates.Folder(tls.folder).authority}", flush=True)
    stopped = asyncio.ensure_future(stop.wait())
    await asyncio.wait((stopped, outbox.failure), return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    for number in (signal.SIGTERM, signal.SIGINT):  # a second one would meet a loop that is being closed
        loop.remove_signal_handler(number)
        signal.signal(number, signal.SIG_IGN)
    for server in servers:
        server.close()
    door.abort()
    ledger.close()
    if outbox.failure.done():
        outbox.failure.result()


def _watch(lifeline: int, stop: asyncio.Event) -> None:
    if not os.read(lifeline, 1024):
        asyncio.get_running_loop().remove_reader(lifeline)
        stop.set()


def _port(server: asyncio.Server) -> int:
    port: int = server.sockets[0].getsockname()[1]
    return port


def context_of(certificate: Path, key: Path, authority: Path) -> ssl.SSLContext:
    """Return what a TLS door shows and asks for, from three PEM files.

    It asks for a certificate without insisting: a push without one is to get its 403, not a broken handshake.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority))
    context.load_cert_chain(certificate, key)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.set_alpn_protocols(list(PROTOCOLS))
    return context

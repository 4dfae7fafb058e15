"""One way of pushing, in a process of its own: python -m tests.bench.alone WAY HOST COUNT prints seconds and CPU.

Ways: ``engine`` (ours, with building and reading), ``libcurl`` (a bare loop over pycurl), ``requests`` (16 threads),
``dpn`` (django-push-notifications' own loop over WNS addresses), ``engine_http2`` and ``libcurl_http2`` (to FCM's
devices over TLS and HTTP/2, HOST being host:port,file of the authority). ``crypto`` sends nothing: it encrypts and
signs as the sender does for browsers.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from itertools import count, cycle
from typing import Any

import pycurl
import requests
from django.conf import settings as django_settings

from devices.push import aes128gcm, polling, vapid
from devices.push.base import Outcome, Payload, PushService, Target
from devices.push.engine import Engine
from devices.push.message import Toast
from devices.push.services import find
from devices.push.verdicts import Verdicts
from tests.rig import browsers, providers
from tests.waiting import ended

CONCURRENCY = 64
MESSAGE = Toast(title="Storm on Saturday", text="Gusts up to 110 km/h on the coast.", link="/Warnings.xaml")
IDENTITY = "00000000-0000-8000-8000-000000000000"


def url(host: str, number: int) -> str:
    return f"http://{host}/throttledthirdparty/01.00/ok.b-{number}"


def engine(host: str, total: int) -> None:
    """Send as the product's sender does, without a database."""
    service = find("mpns")
    payload = service.encode(MESSAGE, "8.0")
    ours: Engine[int] = Engine(concurrency=CONCURRENCY, allow=frozenset({host}))
    verdicts, started, answered = Verdicts(), 0, 0
    while answered < total:
        for _ in range(min(ours.free, total - started)):
            ours.start(service.build(Target(url(host, started)), payload, IDENTITY, None), started)
            started += 1
        for _, answer in ours.wait(1.0):
            assert verdicts.of(service, answer, False).outcome is Outcome.ACCEPTED
            answered += 1
    ours.close()


def libcurl(host: str, total: int) -> None:
    """Send with nothing but libcurl: no guard, no caps, no reading of answers."""
    service = find("mpns")
    payload = service.encode(MESSAGE, "8.0")
    headers = [
        f"{name}: {value}" for name, value in service.build(Target(url(host, 0)), payload, IDENTITY, None).all_headers
    ]
    multi = pycurl.CurlMulti()
    multi.setopt(pycurl.M_MAXCONNECTS, CONCURRENCY)
    idle = []
    for _ in range(CONCURRENCY):
        handle = pycurl.Curl()
        handle.setopt(pycurl.HTTPHEADER, [*headers, "Expect:"])
        handle.setopt(pycurl.WRITEFUNCTION, lambda part: None)
        handle.setopt(pycurl.POSTFIELDS, payload.body)
        idle.append(handle)
    started = answered = 0
    while answered < total:
        while idle and started < total:
            handle = idle.pop()
            handle.setopt(pycurl.URL, url(host, started))
            multi.add_handle(handle)
            started += 1
        multi.select(1.0)
        while multi.perform()[0] == pycurl.E_CALL_MULTI_PERFORM:
            pass
        _, done, failed = multi.info_read()
        for handle in done:
            multi.remove_handle(handle)
            idle.append(handle)
        answered += len(done)
        if failed:
            raise RuntimeError(str(failed[0]))


def with_requests(host: str, total: int) -> None:
    """Send through requests in 16 threads, each with a session of its own."""
    service = find("mpns")
    payload = service.encode(MESSAGE, "8.0")
    headers = dict(service.build(Target(url(host, 0)), payload, IDENTITY, None).all_headers)
    turn = count()

    accepted = []

    def work() -> None:
        with requests.Session() as session:
            session.trust_env = False
            while (number := next(turn)) < total:
                session.post(url(host, number), data=payload.body, headers=headers, timeout=15).raise_for_status()
                accepted.append(number)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(16)]
    for thread in threads:
        thread.start()
    ended(*threads, within=600)
    assert len(accepted) == total, f"{len(accepted)} of {total} accepted"


def dpn(host: str, total: int) -> None:
    """Send as django-push-notifications does to WNS: one after another, with a token asked for before each push."""
    settings = {
        "WNS_PACKAGE_SECURITY_ID": "bench",
        "WNS_SECRET_KEY": "bench",
        "WNS_ACCESS_URL": f"http://{host}/token",
    }
    if not django_settings.configured:
        django_settings.configure(PUSH_NOTIFICATIONS_SETTINGS=settings)
    # It reads the settings when it is imported.
    from push_notifications.wns import wns_send_bulk_message

    wns_send_bulk_message([url(host, number) for number in range(total)], message=MESSAGE.text)


def crypto(host: str, total: int) -> None:
    """Encrypt one notification for so many browsers and get the token that goes with each."""
    text = plaintext()
    known = [(vapid.decoded(one["p256dh"]), vapid.decoded(one["auth"])) for one in browsers.subscribed()]
    for _, (point, auth) in zip(range(total), cycle(known), strict=False):
        aes128gcm.encrypt(text, point, auth)
        vapid.authorization(browsers.PRIVATE, browsers.CONTACT, f"http://{host}", time.time())


def plaintext() -> bytes:
    """Return the text that one browser gets in the product's stages: the rig's notification, of the same length."""
    shared = find("webpush").encode(Toast(title="Rig", text="Hold on"), "").body
    return shared[:-1] + f',"id":"{32 * "0"}","report":"{43 * "0"}"}}'.encode()


def fcm(secure: str) -> tuple[PushService, Payload, object]:
    """Return FCM, one notification for it, and credentials for the server at ``secure``."""
    service = find("fcm")
    assert service.credentials is not None
    return service, service.encode(MESSAGE, ""), service.credentials(**providers.told("fcm", secure))


def engine_http2(where: str, total: int) -> None:
    """Send to FCM's devices as the product's sender does, without a database. ``where``: host:port,authority's file."""
    secure, _, authority = where.partition(",")
    service, payload, credentials = fcm(secure)
    ours: Engine[int] = Engine(concurrency=CONCURRENCY, allow=frozenset({secure}), trust={secure: authority})
    verdicts, started, answered = Verdicts(), 0, 0
    while answered < total:
        for _ in range(min(ours.free, total - started)):
            target = Target(providers.address("fcm", started))
            ours.start(service.build(target, payload, IDENTITY, credentials, "bench"), started)
            started += 1
        for _, answer in ours.wait(1.0):
            assert verdicts.of(service, answer, True).outcome is Outcome.ACCEPTED, answer
            answered += 1
    ours.close()


def libcurl_http2(where: str, total: int) -> None:
    """Send the same with nothing but libcurl: streams on one connection, no guard, no caps, no reading of answers."""
    secure, _, authority = where.partition(",")
    service, payload, credentials = fcm(secure)
    request = service.build(Target(providers.address("fcm", 1)), payload, IDENTITY, credentials, "bench")
    multi = pycurl.CurlMulti()
    idle = []
    for _ in range(CONCURRENCY):
        handle = pycurl.Curl()
        handle.setopt(pycurl.URL, request.url)
        handle.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_2TLS)
        handle.setopt(pycurl.PIPEWAIT, 1)
        handle.setopt(pycurl.CAINFO, authority)
        handle.setopt(pycurl.HTTPHEADER, [*[f"{name}: {value}" for name, value in request.all_headers], "Expect:"])
        handle.setopt(pycurl.WRITEFUNCTION, lambda part: None)
        handle.setopt(pycurl.POSTFIELDS, request.body)
        idle.append(handle)
    gone_through(multi, idle, total)


def gone_through(multi: Any, idle: list[Any], total: int) -> None:
    """Use these handles again and again until ``total`` answers came."""
    started = answered = 0
    while answered < total:
        while idle and started < total:
            multi.add_handle(idle.pop())
            started += 1
        while multi.perform()[0] == pycurl.E_CALL_MULTI_PERFORM:
            pass
        _, done, failed = multi.info_read()
        if not (done or failed):
            polling.wait([multi], 1.0)
        for handle in done:
            assert handle.getinfo(pycurl.RESPONSE_CODE) == 200
            multi.remove_handle(handle)
            idle.append(handle)
        answered += len(done)
        if failed:
            raise RuntimeError(str(failed[0]))


WAYS: dict[str, Callable[[str, int], None]] = {
    "engine": engine,
    "libcurl": libcurl,
    "requests": with_requests,
    "dpn": dpn,
    "crypto": crypto,
    "engine_http2": engine_http2,
    "libcurl_http2": libcurl_http2,
}

if __name__ == "__main__":
    way, host, total = sys.argv[1], sys.argv[2], int(sys.argv[3])
    WAYS[way](host, min(total, 500))  # connections and caches
    began, cpu = time.monotonic(), time.process_time()
    WAYS[way](host, total)
    found = {"seconds": time.monotonic() - began, "cpu": time.process_time() - cpu}
    sys.stdout.write(json.dumps(found) + "\n")

"""firebase-admin or aioapns, run by a Python that has them: python tests/bench/provider.py, the task as JSON on stdin.

Nothing of this project is imported: that Python has none of what it needs. Each is used as its own documentation shows,
and pointed at the local server by the constant that holds its address.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import sys
import time
from typing import Any

AT_ONCE = 64  # notifications of aioapns in flight, as many as the product's
GROUP = 500  # messages of one send_each, the most it takes


def firebase(task: dict[str, Any], total: int) -> None:
    """Send by ``messaging.send_each``. AssertionError when not every one is accepted."""
    import firebase_admin
    from firebase_admin import credentials, messaging

    os.environ["REQUESTS_CA_BUNDLE"] = task["authority"]
    if not firebase_admin._apps:
        firebase_admin.initialize_app(credentials.Certificate(json.loads(task["credentials"]["account"])))
    messaging._MessagingService.FCM_URL = f"https://{task['secure']}/v1/projects/{{0}}/messages:send"
    shown = messaging.Notification(title=task["title"], body=task["text"])
    for start in range(0, total, GROUP):
        numbers = range(start, min(total, start + GROUP))
        several = [messaging.Message(token=f"device-{number}", notification=shown) for number in numbers]
        assert messaging.send_each(several).failure_count == 0


async def apple(task: dict[str, Any], total: int) -> None:
    """Send by ``APNs.send_notification``, AT_ONCE at the same time. AssertionError when not every one is accepted."""
    from aioapns import APNs, NotificationRequest, PushType, connection

    host, _, port = task["secure"].partition(":")
    for kind in vars(connection).values():
        if isinstance(kind, type) and hasattr(kind, "APNS_SERVER"):
            kind.APNS_SERVER = host
        if isinstance(kind, type) and hasattr(kind, "APNS_PORT"):
            kind.APNS_PORT = int(port)
    told = task["credentials"]
    context = ssl.create_default_context(cafile=task["authority"])
    context.set_alpn_protocols(["h2"])
    ids = {name: told[name] for name in ("key_id", "team_id", "topic")}
    client = APNs(key=told["signing_key"], ssl_context=context, **ids)
    text = {"aps": {"alert": {"title": task["title"], "body": task["text"]}, "sound": "default"}}
    turn = iter(range(total))

    async def work() -> None:
        for number in turn:
            request = NotificationRequest(device_token=f"{number:064x}", message=text, push_type=PushType.ALERT)
            answer = await client.send_notification(request)
            assert answer.is_successful, answer.description

    await asyncio.gather(*[work() for _ in range(AT_ONCE)])


def send(task: dict[str, Any], total: int) -> None:
    """Send ``total`` pushes."""
    if task["service"] == "fcm":
        firebase(task, total)
    else:
        asyncio.run(apple(task, total))


def main() -> None:
    """Send what stdin says, and print seconds and seconds of CPU."""
    task = json.load(sys.stdin)
    send(task, min(task["total"], 500))  # connections and token
    began, cpu = time.monotonic(), time.process_time()
    send(task, task["total"])
    found = {"seconds": time.monotonic() - began, "cpu": time.process_time() - cpu}
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()

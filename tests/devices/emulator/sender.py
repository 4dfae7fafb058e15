"""A sender as plain as can be: the tests of the emulator must not lean on the product's own."""

from __future__ import annotations

import http.client
import socket
import uuid
from dataclasses import dataclass
from urllib.parse import urlsplit

TOAST = (
    b'<?xml version="1.0" encoding="utf-8"?><wp:Notification xmlns:wp="WPNotification">'
    b"<wp:Toast><wp:Text1>Hello</wp:Text1><wp:Text2>World</wp:Text2></wp:Toast></wp:Notification>"
)
TILE = (
    b'<?xml version="1.0" encoding="utf-8"?><wp:Notification xmlns:wp="WPNotification">'
    b"<wp:Tile><wp:Count>7</wp:Count><wp:Title>Mail</wp:Title></wp:Tile></wp:Notification>"
)
TOAST_HEADERS = {"X-WindowsPhone-Target": "toast", "X-NotificationClass": "2", "Content-Type": "text/xml"}
TILE_HEADERS = {"X-WindowsPhone-Target": "token", "X-NotificationClass": "1", "Content-Type": "text/xml"}
RAW_HEADERS = {"X-NotificationClass": "3"}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def words(self) -> tuple[str | None, str | None, str | None]:
        get = self.headers.get
        return get("x-notificationstatus"), get("x-deviceconnectionstatus"), get("x-subscriptionstatus")


def push(
    uri: str, body: bytes = TOAST, headers: dict[str, str] = TOAST_HEADERS, message_id: str = "", method: str = "POST"
) -> Answer:
    """Send one push on a connection of its own."""
    url = urlsplit(uri)
    connection = http.client.HTTPConnection(url.netloc, timeout=10)
    extra = {"X-MessageID": message_id} if message_id else {}
    try:
        connection.request(method, url.path + (f"?{url.query}" if url.query else ""), body, {**headers, **extra})
        answer = connection.getresponse()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    finally:
        connection.close()


def dial(uri: str) -> socket.socket:
    """Open a connection to where ``uri`` points."""
    url = urlsplit(uri)
    assert url.hostname is not None
    return socket.create_connection((url.hostname, url.port or 80), timeout=10)


def octets(uri: str, message_id: str = "", body: bytes = TOAST, headers: dict[str, str] = TOAST_HEADERS) -> bytes:
    """Return a push as it goes on the wire."""
    lines = {"Host": urlsplit(uri).netloc, "Content-Length": str(len(body)), **headers}
    if message_id:
        lines["X-MessageID"] = message_id
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"POST {urlsplit(uri).path} HTTP/1.1\r\n{head}\r\n".encode() + body


def new_id() -> str:
    """Return a message id no other test uses."""
    return str(uuid.uuid4())

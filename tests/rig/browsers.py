"""Browsers that subscribed: keys as a browser makes them, and the key that they subscribed with. Without Django."""

from __future__ import annotations

from devices.push import vapid

# Any key that nobody's browser subscribed with will do; the same for every run, because who pushes to an endpoint of
# the emulator first binds it to a key. It is the sender's of RFC 8291, appendix A.
PRIVATE = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
CONTACT = "mailto:ops@example.org"
PAIRS = 300  # key pairs that browsers share in turn: a sender keeps nothing of one browser for the next


def subscribed(count: int = PAIRS) -> list[dict[str, str]]:
    """Return p256dh and auth of so many browsers, in base64url; each has a key pair of its own (RFC 8291, 3)."""
    made = [vapid.public_key(vapid.new_key()) for _ in range(count)]
    return [{"p256dh": public, "auth": vapid.encoded(number.to_bytes(16))} for number, public in enumerate(made)]


def endpoint(host: str, name: str) -> str:
    """Return the endpoint of a browser at ``host`` (host:port) that takes everything."""
    return f"http://{host}/wpush/v2/ok.{name}"

"""What services' answers have in common: none came, it pointed elsewhere, it holds JSON."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from devices.push.base import Answer, Lost, Outcome, Token, TokenRefused, Verdict

LONGEST_WORD = 200  # characters kept of each of the service's own words


def unanswered(answer: Answer, label: str) -> Verdict | None:
    """Return what an answer means that never came from ``label``; None when one came."""
    if answer.certificate_refused:
        return Verdict(Outcome.DENIED, f"Our certificate cannot be used: {answer.error}")
    if answer.lost is Lost.NOT_SENT:
        return Verdict(Outcome.RETRY, f"{label} could not be reached: {answer.error}")
    if answer.lost is Lost.AMBIGUOUS:
        return Verdict(Outcome.UNKNOWN, f"No valid answer came: {answer.error}", ambiguous=True)
    return None


def pointed_elsewhere(status: int, label: str) -> tuple[Outcome, str] | None:
    """Return what a redirect means; None for what is none."""
    if 300 <= status < 400:
        return Outcome.REJECTED, f"{label} pointed elsewhere ({status}); redirects are never followed."
    return None


@lru_cache(maxsize=256)
def told(body: bytes) -> Any:
    """Return the JSON object in a body, not to be changed; {} where there is none."""
    try:
        found = json.loads(body[:16_384])
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def token_in(answer: Answer, refused: str) -> Token:
    """Return the bearer token in a token endpoint's answer (RFC 6749, 5.1); raise TokenRefused, which begins so.

    ``expires_in`` may be a text, as Microsoft writes it, or absent: then it is an hour.
    """
    said = told(answer.body)
    value, seconds = said.get("access_token"), str(said.get("expires_in", ""))[:12]
    if answer.status != 200 or not (isinstance(value, str) and value and value.isascii() and value.isprintable()):
        why = f"{said.get('error', answer.status)}: {said.get('error_description', '')}".rstrip(": ")
        raise TokenRefused(f"{refused} ({why[:LONGEST_WORD]}).")
    good = seconds.isascii() and seconds.isdecimal() and 0 < int(seconds) <= 7 * 86_400
    return Token(value, float(seconds) if good else 3600.0)


def beginning(body: bytes) -> str:
    """Return the beginning of a body on one line, as a person may read it."""
    return " ".join(body[:4096].decode("utf-8", "replace").split())[:LONGEST_WORD]

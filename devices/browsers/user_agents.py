"""Which browser on which system, by what it says of itself: for people who look for a device, and for no rule."""

from __future__ import annotations

import re

# In this order: most browsers name others beside themselves.
_BROWSERS = (
    ("Edge", re.compile(r"Edg(?:e|A|iOS)?/(\d{1,4})")),
    ("Opera", re.compile(r"OPR/(\d{1,4})")),
    ("Samsung Internet", re.compile(r"SamsungBrowser/(\d{1,4})")),
    ("Firefox", re.compile(r"(?:Firefox|FxiOS)/(\d{1,4})")),
    ("Chrome", re.compile(r"(?:Chrome|CriOS)/(\d{1,4})")),
    ("Safari", re.compile(r"Version/(\d{1,4})[^ ]* .*Safari/")),
)
_SYSTEMS = (
    *(("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows NT", "Windows")),
    *(("Mac OS X", "macOS"), ("CrOS", "ChromeOS"), ("Linux", "Linux")),
)


def model_of(user_agent: str) -> str:
    """Return what a User-Agent header is recognised as, such as "Firefox 140, Linux"; "" when it is not."""
    text = user_agent[:500]
    name = next((f"{name} {match[1]}" for name, mark in _BROWSERS if (match := mark.search(text))), "")
    system = next((system for mark, system in _SYSTEMS if mark in text), "")
    return ", ".join(part for part in (name, system) if part)

"""Template tags of the theme: icons, states, bars, numbers and times. docs/pages.md shows each in use."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django import template
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from pushadmin.words import LOOKS, look

register = template.Library()
TINY = 0.4  # percent: a count that is not zero stays visible in a bar


@register.simple_tag
def icon(name: str, classes: str = "icon") -> SafeString:
    """Draw symbol ``name``. It says nothing to a screen reader: write the word beside it."""
    return format_html(
        '<svg class="{}" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>',
        classes,
        static("pushadmin/icons.svg"),
        name,
    )


@register.simple_tag
def status(word: str, label: str = "") -> SafeString:
    """Show a state (of a campaign, an outcome or a device) as a badge: icon, word, tone."""
    seen = look(word)
    return format_html('<span class="status tone-{}">{} {}</span>', seen.tone, icon(seen.icon), label or seen.label)


@register.filter
def label(word: str) -> str:
    """Return the word for a state alone, where no badge can stand: in the options of a list."""
    return look(word).label


@register.filter
def number(value: int | None) -> str:
    """Return 12345 as "12,345"; nothing for None."""
    return "" if value is None else f"{value:,}"


@register.filter
def moment(value: datetime | None) -> SafeString | str:
    """Return a moment as <time>, in UTC to the minute, exact to the second in its title."""
    if value is None:
        return ""
    utc = value.astimezone(UTC)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        utc.isoformat(),
        f"{utc:%Y-%m-%d %H:%M:%S} UTC",
        f"{utc:%-d %b %Y, %H:%M} UTC",
    )


@register.filter
def ago(value: datetime | None) -> SafeString | str:
    """Return how long ago a moment was (or how far ahead it is), with the moment itself in its title."""
    if value is None:
        return ""
    utc = value.astimezone(UTC)
    seconds = (datetime.now(UTC) - utc).total_seconds()
    return format_html(
        '<time datetime="{}" title="{}">{}</time>', utc.isoformat(), f"{utc:%Y-%m-%d %H:%M:%S} UTC", in_words(seconds)
    )


def in_words(seconds: float) -> str:
    """Return a distance in time as words: 5 → "just now", 7300 → "2 hours ago", -90 → "in 1 minute"."""
    if abs(seconds) < 10:
        return _("just now")
    words = {"time": duration(timedelta(seconds=abs(seconds)))}
    return (_("%(time)s ago") if seconds > 0 else _("in %(time)s")) % words


@register.filter
def duration(value: timedelta) -> str:
    """Return a length of time in its largest unit: 7300 seconds → "2 hours"."""
    seconds = int(value.total_seconds())
    if seconds >= 86400:
        return ngettext("%(n)d day", "%(n)d days", seconds // 86400) % {"n": seconds // 86400}
    if seconds >= 3600:
        return ngettext("%(n)d hour", "%(n)d hours", seconds // 3600) % {"n": seconds // 3600}
    if seconds >= 60:
        return ngettext("%(n)d minute", "%(n)d minutes", seconds // 60) % {"n": seconds // 60}
    return ngettext("%(n)d second", "%(n)d seconds", seconds) % {"n": seconds}


class Part(NamedTuple):
    """One stretch of a bar: where it begins and how long it is, in percent."""

    word: str
    label: str
    icon: str
    tone: str
    devices: int
    start: str
    width: str


def parts(counts: Mapping[str, int], total: int) -> list[Part]:
    """Return the stretches of a bar of length ``total``: one for each count that is not zero, in the given order."""
    whole = max(total, sum(counts.values()), 1)
    start, found = 0.0, []
    for word, count in counts.items():
        if count <= 0:
            continue
        width = min(max(100 * count / whole, TINY), 100 - start)
        seen = look(word)
        found.append(Part(word, seen.label, seen.icon, seen.tone, count, f"{start:.2f}%", f"{width:.2f}%"))
        start += width
    return found


@register.inclusion_tag("components/bar.html")
def outcome_bar(
    counts: Mapping[str, int], total: int, legend: bool = True, rest_label: str = "Waiting"
) -> dict[str, object]:
    """Draw ``counts`` (outcome → devices) of ``total`` devices as one bar, with the numbers as words below it."""
    ordered = {word: counts.get(word, 0) for word in LOOKS if word in counts}
    rest = total - sum(ordered.values())
    shown = parts(ordered, total)
    spoken = [f"{part.devices:,} {part.label.lower()}" for part in shown]
    if rest > 0:
        spoken.append(f"{rest:,} {rest_label.lower()}")
    return {
        "parts": shown,
        "rest": max(rest, 0),
        "rest_label": rest_label,
        "label": ", ".join(spoken) or _("nothing yet"),
        "legend": legend,
    }


@register.simple_tag
def progress_bar(done: int, total: int, label: str = "", tone: str = "info") -> SafeString:
    """Draw how much of ``total`` is done. ``label`` is what a screen reader says; write it beside the bar as well."""
    percent = min(100.0, 100 * done / total) if total else 0.0
    return format_html(
        '<svg class="bar" role="img" aria-label="{}"><rect class="tone-{}" width="{}%" height="100%"></rect></svg>',
        label or _("%(done)s of %(total)s") % {"done": f"{done:,}", "total": f"{total:,}"},
        tone,
        f"{percent:.2f}",
    )

"""What will happen if this campaign is sent now: who gets it, in which bytes, and what some of them will not see."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from django.db.models import Count, Q, QuerySet
from django.utils.translation import gettext as _

from campaigns.compose.composing import Wire, wire
from campaigns.control import TIME_OVER, NotReady
from campaigns.models import Campaign, Notification
from campaigns.pipeline import planning, watchdog
from campaigns.pipeline.rendering import message_of, options_of
from devices import segments
from devices.common import clock
from devices.common.query import primary_key
from devices.models import App, Credential, Device, Segment
from devices.push import services
from devices.push.base import PushService, Target
from devices.push.fields import MessageInvalid, Problem
from devices.push.message import MESSAGES, Message
from devices.targets import target_of
from devices.trying import opened


@dataclass(frozen=True, slots=True)
class Reach:
    """The devices of one push service that would get it."""

    service: PushService
    devices: int
    on_hold: int


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Devices of the audience that would be skipped. ``reason`` is a sentence."""

    devices: int
    reason: str


@dataclass(frozen=True, slots=True)
class Preflight:
    """Everything the confirm page says. ``refusal`` is a sentence when it cannot be sent at all."""

    reach: list[Reach]
    left_out: list[LeftOut]
    wires: list[Wire]
    whom: str  # in words
    messages: list[Message]
    gives_up: int  # hours after the start
    warnings: list[Problem] = field(default_factory=list)
    refusal: str = ""

    @property
    def devices(self) -> int:
        """How many devices would get it."""
        return sum(reach.devices for reach in self.reach) - sum(one.devices for one in self.left_out)


def reach_of(audience: QuerySet[Device]) -> list[Reach]:
    """Count an audience by push service, exactly, in one query."""
    held = Q(hold_until__gt=clock.now())
    rows = audience.order_by().values("service").annotate(all=Count("*"), held=Count("hold_until", filter=held))
    return _in_order([Reach(services.find(row["service"]), row["all"], row["held"]) for row in rows])


def _in_order(found: list[Reach]) -> list[Reach]:
    """Return the services in the order of their labels, as everywhere."""
    return sorted(found, key=lambda one: one.service.label.casefold())


@dataclass(frozen=True, slots=True)
class DeviceClass:
    """The devices of one push service with one version of their OS: how many, and how many of them on hold."""

    service: str
    os_rank: int | None
    devices: int
    on_hold: int


def classes_of(audience: QuerySet[Device]) -> list[DeviceClass]:
    """Count an audience by push service and OS, exactly, in one query, the largest class first."""
    held = Q(hold_until__gt=clock.now())
    rows = (
        audience.order_by()
        .values_list("service", "os_rank")
        .annotate(all=Count("*"), held=Count("hold_until", filter=held))
    )
    return sorted((DeviceClass(*row) for row in rows), key=lambda one: -one.devices)


def reach_by(classes: Sequence[DeviceClass]) -> list[Reach]:
    """Add classes up by push service."""
    slugs = dict.fromkeys(one.service for one in classes)
    theirs = {slug: [one for one in classes if one.service == slug] for slug in slugs}
    return _in_order(
        [
            Reach(services.find(slug), sum(one.devices for one in rows), sum(one.on_hold for one in rows))
            for slug, rows in theirs.items()
        ]
    )


@dataclass(frozen=True, slots=True)
class Choice:
    """App, segment and kind of message chosen in a form: whom that means, in words and numbers.

    ``left_out`` are those whose push service cannot carry the kind, ``label`` is what the kind is called.
    """

    whom: str
    reach: list[Reach]
    left_out: list[Reach]
    label: str

    @property
    def devices(self) -> int:
        """How many devices that are."""
        return sum(reach.devices for reach in self.reach)

    @property
    def on_hold(self) -> int:
        """How many of them wait until they may be sent to again."""
        return sum(reach.on_hold for reach in self.reach)


def choice(app: object, segment: object, message: object = "") -> Choice | None:
    """Return whom a form's values for App, segment and kind mean; None when they mean nobody in particular."""
    chosen = App.objects.filter(pk=primary_key(app)).first()
    row = Segment.objects.filter(pk=primary_key(segment), app=chosen).first() if segment and chosen else None
    if chosen is None or (segment and row is None):
        return None
    rule = row.rule if row else {}
    kind = MESSAGES.get(str(message))
    found: tuple[list[Reach], list[Reach]] = ([], [])
    for one in reach_of(segments.devices(chosen, rule)):
        found[kind is not None and kind.slug not in one.service.kinds].append(one)
    return Choice(segments.in_words(rule), *found, kind.label.lower() if kind else "")


def assess(campaign: Campaign) -> Preflight:
    """Look at a campaign without changing anything; one count for everything, and a handful of small queries."""
    rule = campaign.segment.rule if campaign.segment else {}
    audience = segments.devices(campaign.app, rule)
    classes = classes_of(audience)
    reach = reach_by(classes)
    samples = samples_of(audience, classes)
    wires: list[Wire] = []
    said: list[Message] = []
    warnings: list[Problem] = []
    notifications = list(campaign.notifications.order_by("variant", "language"))
    for notification in notifications:
        try:
            said.append(message_of(notification))
            wires += wires_of(notification, classes, samples)
            for one in reach:
                found = _problems(notification, one.service)
                warnings += [problem for problem in found if problem.level == "warning"]
        except MessageInvalid:
            continue  # the refusal says it
    warnings += [*_credential_warnings(campaign, reach), *_worker_warnings()]
    left_out = left_out_of(notifications, audience, classes)
    words = segments.in_words(rule)
    return Preflight(reach, left_out, wires, words, said, _hours(campaign), warnings, _refusal(campaign, classes))


def _problems(notification: Notification, service: PushService) -> list[Problem]:
    """Return what is wrong with a content at one service; a service that cannot carry it is left out, not wrong.

    Raises MessageInvalid when the content itself is no longer valid.
    """
    message, options = message_of(notification), options_of(notification, service)
    return service.problems(message, options) if message.slug in service.kinds else []


def left_out_of(
    notifications: Sequence[Notification], audience: QuerySet[Device], classes: Sequence[DeviceClass]
) -> list[LeftOut]:
    """Return who of an audience would be skipped, and why: as the sender decides it, each device counted once."""
    able = [one for one in classes if not _unable(notifications, one)]
    reasons: Counter[str] = Counter()
    for one in classes:
        if why := _unable(notifications, one):
            reasons[why] += one.devices
    found = [LeftOut(count, why) for why, count in reasons.most_common()]
    # A device is given one variant: only a language that all of them have is sure to be spoken to.
    variants = {notification.variant for notification in notifications}
    spoken = [{row.language for row in notifications if row.variant == variant} for variant in variants]
    languages = set.intersection(*spoken) if spoken else set()
    if notifications and "" not in languages and able:
        theirs = Q(language__in=languages)
        for language in languages:
            if "-" not in language:  # a language includes its regions; a region includes nothing
                theirs |= Q(language__startswith=f"{language}-")
        shown = Q()
        for one in able:
            shown |= Q(service=one.service, os_rank=one.os_rank)
        if count := audience.filter(shown).exclude(theirs).count():
            found.append(LeftOut(count, _("There is no text for their language, and none for all others.")))
    return found


def _unable(notifications: Sequence[Notification], one: DeviceClass) -> str:
    """Return why devices of a class cannot be shown any of this, as a sentence; "" when they can."""
    service, why = services.find(one.service), ""
    for notification in notifications:
        label = MESSAGES[notification.message].label.lower() if notification.message in MESSAGES else "message"
        if notification.message not in service.kinds:
            why = _("%(service)s cannot carry a %(kind)s.") % {"service": service.label, "kind": label}
            continue
        try:
            message, options = message_of(notification), options_of(notification, service)
        except MessageInvalid:
            return ""  # the refusal says it
        try:
            service.encode(message, variant_of(one)[1], options)
        except MessageInvalid as invalid:
            why = str(invalid)
        else:
            return ""
    return why


def check(campaign: Campaign, classes: Sequence[DeviceClass] | None = None) -> None:
    """Raise NotReady when the campaign has nothing to say, says it wrongly, or has nobody to say it to.

    Who has counted its audience just now gives the ``classes``.
    """
    notifications = list(campaign.notifications.all())
    if not notifications:
        raise NotReady(_("This campaign has no message yet."))
    audience = segments.devices(campaign.app, campaign.segment.rule if campaign.segment else {})
    classes = classes_of(audience) if classes is None else classes
    reach = reach_by(classes)
    if not reach:
        told = _("Nobody would get this: “%(name)s” has no device that can be reached.")
        if campaign.segment:
            told = _("Nobody would get this: the segment “%(name)s” has no device that can be reached.")
        raise NotReady(told % {"name": campaign.segment or campaign.app})
    for notification in notifications:
        try:
            problems = [problem for one in reach for problem in _problems(notification, one.service)]
            message_of(notification)
        except MessageInvalid as invalid:
            raise NotReady(" ".join(problem.sentence for problem in invalid.problems)) from invalid
        if errors := [problem for problem in problems if problem.level == "error"]:
            raise NotReady(" ".join(problem.sentence for problem in errors))
    for one in _without_credentials(campaign, reach, {notification.message for notification in notifications}):
        raise NotReady(one.credentials_needed)
    left_out = left_out_of(notifications, audience, classes)
    total = sum(one.devices for one in reach)
    if sum(one.devices for one in left_out) >= total:
        raise NotReady(_("Nobody would get this. %(why)s") % {"why": " ".join(one.reason for one in left_out)})
    if slow := planning.too_slow(total, campaign.per_minute, planning.lasts(campaign)):
        raise NotReady(slow)


def _without_credentials(campaign: Campaign, reach: Sequence[Reach], messages: set[str]) -> list[PushService]:
    """Return the services of an audience that take nothing without credentials, when the App has none for them."""
    strict = [one.service for one in reach if one.service.credentials_needed and messages & one.service.kinds]
    if not strict:
        return []
    rows = Credential.objects.filter(app=campaign.app, service__in=[service.slug for service in strict])
    stored = set(rows.values_list("service", flat=True))
    return [service for service in strict if service.slug not in stored]


def _hours(campaign: Campaign) -> int:
    return int(planning.lasts(campaign).total_seconds() // 3600)


def _refusal(campaign: Campaign, classes: Sequence[DeviceClass]) -> str:
    try:
        check(campaign, classes)
    except NotReady as not_ready:
        return str(not_ready)
    if campaign.send_at and campaign.send_at <= clock.now():
        return str(TIME_OVER)
    return ""


def variant_of(one: DeviceClass) -> tuple[str, str]:
    """Return the push service of a class of devices and which bytes they get: the OS alone decides that."""
    return one.service, services.find(one.service).variant(target_of("", one.os_rank))


def samples_of(audience: QuerySet[Device], classes: Sequence[DeviceClass]) -> dict[tuple[str, str], Target]:
    """Return a device for every kind of bytes, of its largest class: one query for each kind, and there are few."""
    found: dict[tuple[str, str], Target] = {}
    for one in classes:
        if (key := variant_of(one)) in found:
            continue
        service = services.find(one.service)
        if service.per_device:
            found[key] = _like(service, key[1])
        else:
            same = audience.order_by().filter(service=one.service, os_rank=one.os_rank)
            found[key] = target_of(same.values_list("address", flat=True).first() or "", one.os_rank)
    return found


def _like(service: PushService, variant: str) -> Target:
    """Return a made-up device of a class: bytes that differ for each device are shown of nobody in particular."""
    return next((one for one in service.samples if service.variant(one) == variant), service.samples[0])


def wires_of(
    notification: Notification, classes: Sequence[DeviceClass], samples: Mapping[tuple[str, str], Target]
) -> list[Wire]:
    """Return one wire for each kind of bytes that can be shown this, the one for most devices first."""
    message = message_of(notification)
    members: Counter[tuple[str, str]] = Counter()
    for one in classes:
        if message.slug in services.find(one.service).kinds:
            members[variant_of(one)] += one.devices
    found = []
    for (slug, variant), count in members.most_common():
        service = services.find(slug)
        found.append(wire(message, options_of(notification, service), service, samples[slug, variant], count))
    return found


def _worker_warnings() -> list[Problem]:
    return [] if watchdog.workers_alive() else [Problem("", str(watchdog.NO_WORKER), "warning")]


def _credential_warnings(campaign: Campaign, reach: Sequence[Reach]) -> list[Problem]:
    now = clock.now()
    rows = Credential.objects.filter(app=campaign.app, service__in=[one.service.slug for one in reach])
    found = []
    for row in rows:
        service = services.find(row.service)
        if row.expires_at and row.expires_at <= now:
            told = _("The certificate for %(service)s has expired.") % {"service": service.label}
            found.append(Problem("", told, "warning"))
        if service.credentials and (unusable := opened(row, service, service.credentials)[1]):
            found.append(Problem("", unusable, "warning"))
    return found

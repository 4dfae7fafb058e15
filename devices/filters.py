"""What the list of devices can be narrowed by. What is offered is looked up once a minute, not for every page."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Any, ClassVar

from django.contrib import admin
from django.core.cache import cache
from django.core.paginator import Paginator
from django.db.models import Count, QuerySet
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from devices import segments
from devices.models import Contact, Device, Tag, service_choices

FRESH = 60  # seconds
MAJOR = 1 << 48  # ranks of one major version span this much (devices.versions.rank)
LISTED = 20_000  # devices that a list goes on to; the others are found by search and filters


class Listed(Paginator):
    """Pages of the first LISTED rows: counting all of a big table takes longer than showing a page of it."""

    @cached_property
    def count(self) -> int:
        """Return how many rows there are, LISTED at most."""
        rows: Any = self.object_list
        counted: int = rows.order_by()[:LISTED].count()
        return counted

    @cached_property
    def total(self) -> int:
        """Return how many rows there are beyond the end as well, counted at most once a minute for each search."""
        if self.count < LISTED:
            return self.count
        listed: Any = self.object_list
        rows = listed.order_by().values("pk")
        asked = sha256(repr(rows.query.sql_with_params()).encode()).hexdigest()
        return int(cache.get_or_set(f"listed:{asked}", rows.count, FRESH) or 0)

    @property
    def cut(self) -> bool:
        """Whether there are rows that no page shows."""
        return self.total > self.count


class Offered(admin.SimpleListFilter):
    """A filter that offers the most frequent values there are, and takes any."""

    most: ClassVar[int] = 20

    def names(self) -> Iterable[str]:
        """Return the values to offer."""
        raise NotImplementedError

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        """Return the values with their labels."""
        names = cache.get_or_set(f"offered:{self.parameter_name}", lambda: sorted(self.names()), FRESH)
        return [(name, name) for name in names or ()]

    def pick(self, devices: QuerySet[Any], value: str) -> QuerySet[Any]:
        """Return the devices that have ``value``."""
        rule = {"match": "all", "conditions": [{"field": self.parameter_name, "op": "is", "value": value}]}
        try:
            return devices.filter(segments.parse(rule).q())
        except segments.RuleInvalid:
            return devices.none()

    def queryset(self, request: Any, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Pick the devices; all of them without a value."""
        value = self.value()
        return self.pick(queryset, value) if value else queryset

    def _frequent(self, column: str) -> list[str]:
        rows = Device.objects.exclude(**{column: ""}).values(column).annotate(devices=Count("*"))
        return list(rows.order_by("-devices").values_list(column, flat=True)[: self.most])


class Service(Offered):
    """Devices by push service: all that we know are offered, nothing is looked up."""

    title = _("service")
    parameter_name = "service"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        """Return the services with their labels."""
        return service_choices()

    def pick(self, devices: QuerySet[Any], value: str) -> QuerySet[Any]:
        """Return the devices of this service."""
        return devices.filter(service=value)


class Connection(Offered):
    """Devices by the push service's last word on their connection."""

    title = _("connection")
    parameter_name = "connection"

    def names(self) -> Iterable[str]:
        """Return the connections that were told."""
        rows = Contact.objects.exclude(connection="").values("connection").annotate(devices=Count("*"))
        return list(rows.order_by("-devices").values_list("connection", flat=True)[: self.most])

    def pick(self, devices: QuerySet[Any], value: str) -> QuerySet[Any]:
        """Return the devices that were said to be so. What was heard of a former address goes when it changes."""
        return devices.filter(contact__connection=value)


class Language(Offered):
    """Devices by language; a language includes its regions."""

    title = _("language")
    parameter_name = "language"

    def names(self) -> Iterable[str]:
        """Return the languages, with and without their regions."""
        found = set(self._frequent("language"))
        return found | {name.partition("-")[0] for name in found}


class Tagged(Offered):
    """Devices by tag."""

    title = _("tag")
    parameter_name = "tag"

    def names(self) -> Iterable[str]:
        """Return the tags that most devices have."""
        rows = Device.tags.through.objects.values_list("tag").annotate(devices=Count("*")).order_by()
        most = sorted(rows, key=lambda row: -row[1])[: self.most]
        return set(Tag.objects.filter(pk__in=[tag for tag, _count in most]).values_list("name", flat=True))


class System(Offered):
    """Devices by the major version of their OS."""

    title = _("OS version")
    parameter_name = "os"

    def names(self) -> Iterable[str]:
        """Return the major versions."""
        ranks = Device.objects.order_by().values_list("os_rank", flat=True).distinct()
        return {str(rank // MAJOR) for rank in ranks if rank is not None}

    def pick(self, devices: QuerySet[Any], value: str) -> QuerySet[Any]:
        """Return the devices of this major version."""
        if not value.isdecimal() or len(value) > 4:
            return devices.none()
        return devices.filter(os_rank__gte=int(value) * MAJOR, os_rank__lt=(int(value) + 1) * MAJOR)
